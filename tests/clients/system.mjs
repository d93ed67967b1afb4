// The system under test: BASE_URL names a running one; the tests skip nothing and start nothing.
export const baseURL = process.env.BASE_URL;
if (!baseURL) throw new Error("set BASE_URL to the address of a running CODEEX Router");
export const apiKey = "dev-alice";

export const weatherTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city today",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};

// One red pixel.
export const pixel =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

export async function addFault(fault) {
  const answer = await fetch(`${baseURL}/sim/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fault),
  });
  if (!answer.ok) throw new Error(`fault refused: ${await answer.text()}`);
}

export async function heal() {
  await fetch(`${baseURL}/sim/faults`, { method: "DELETE" });
}

// Resolves once the provider has seen the call with this question broken off; within a second.
export async function untilLeft(provider, question) {
  const end = Date.now() + 1000;
  while (Date.now() < end) {
    const answer = await fetch(`${baseURL}/sim/requests?provider=${provider}`);
    const { requests } = await answer.json();
    if (requests.some((one) => one.client_left && JSON.stringify(one.body).includes(question))) return;
  }
  throw new Error("the provider still answers");
}

// The Auth emulator whose unsigned tokens the system takes; only the Firebase SDK needs it.
export function authEmulator() {
  const host = process.env.FIREBASE_AUTH_EMULATOR_HOST;
  if (!host) throw new Error("set FIREBASE_AUTH_EMULATOR_HOST, for the system under test too");
  return `http://${host}`;
}
