// The official Firebase JavaScript SDK against the functions' roots: calls, streams, errors, cancel.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { deleteApp, initializeApp } from "firebase/app";
import { connectAuthEmulator, getAuth, signInAnonymously } from "firebase/auth";
import { connectFunctionsEmulator, getFunctions, httpsCallable, httpsCallableFromURL } from "firebase/functions";
import { addFault, authEmulator, baseURL, heal, untilLeft } from "./system.mjs";

const { hostname, port } = new URL(baseURL);
// May be asked once a minute (tests/e2e/conftest.py): the next one finds no capacity.
const NARROW = { prompt: "Hi", model: "groq-gpt-oss-20b", codeex: { fallback: false, patience_seconds: 0 } };
const apps = [];
after(() => Promise.all(apps.map(deleteApp)));

/** The functions as an app sees them that connects to the emulators, signed in or not. */
async function functionsOf({ signedIn = true, region } = {}) {
  const app = initializeApp({ projectId: "demo-codeex", apiKey: "any" }, `app-${apps.length}`);
  apps.push(app);
  if (signedIn) {
    const auth = getAuth(app);
    connectAuthEmulator(auth, authEmulator(), { disableWarnings: true });
    await signInAnonymously(auth);
  }
  const functions = getFunctions(app, region);
  connectFunctionsEmulator(functions, hostname, Number(port));
  return functions;
}

const functions = await functionsOf();
const chat = httpsCallable(functions, "chat");
const jobs = httpsCallable(functions, "jobs");
const coded = (code, ours) => (error) => {
  assert.equal(error.code, `functions/${code}`);
  assert.equal(error.details?.code, ours);
  assert.match(error.details.request_id, /^req_/);
  return true;
};
/** Both promises of a stream that must fail: the iterator and the result. */
async function streamFails(data, check, callable = chat) {
  const { stream, data: result } = await callable.stream(data);
  await Promise.all([
    assert.rejects(async () => {
      for await (const _ of stream) void _;
    }, check),
    assert.rejects(result, check),
  ]);
}

/** What is answered once the capacity of NARROW has gone. */
async function queued() {
  const { data } = await chat(NARROW);
  return data.object === "job" ? data : (await chat(NARROW)).data;
}

test("a prompt in, an OpenAI answer out", async () => {
  const { data } = await chat({ prompt: "Explain how vaccines work." });
  assert.equal(data.object, "chat.completion");
  assert.ok(data.choices[0].message.content.length > 20);
  assert.ok(data.usage.total_tokens > 0);
  assert.equal(data.codeex.routing.attempts.at(-1).outcome, "ok");
});

test("data is the body of the endpoint", async () => {
  const { data } = await chat({
    model: "auto:coding",
    messages: [{ role: "user", content: "Why does this raise a KeyError?" }],
    max_tokens: 200,
    temperature: undefined,
    codeex: { avoid_providers: ["groq"] },
  });
  assert.equal(data.codeex.classification.category, "CODING");
  assert.ok(data.codeex.routing.chain.every(({ provider }) => provider !== "groq"));
});

test("a stream of OpenAI chunks ends in the whole answer", async () => {
  const { stream, data } = await chat.stream({ prompt: "Explain gravity in three sentences." });
  let text = "";
  let last;
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    text += chunk.choices[0]?.delta?.content ?? "";
    last = chunk;
  }
  const whole = await data;
  assert.ok(text.length > 20);
  assert.equal(whole.choices[0].message.content, text);
  assert.equal(last.choices[0].finish_reason, "stop");
  assert.equal(last.codeex.request_id, whole.codeex.request_id);
  assert.ok(whole.usage.completion_tokens > 0);
});

test("tools and schemas come through", async () => {
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const ask = {
    prompt: "What is the weather in Rome?",
    tools: [{ type: "function", function: { name: "get_weather", parameters } }],
    tool_choice: "required",
  };
  const { stream, data } = await chat.stream(ask);
  for await (const _ of stream) void _;
  for (const { choices } of [await data, (await chat(ask)).data]) {
    const [call] = choices[0].message.tool_calls;
    assert.equal(call.function.name, "get_weather");
    assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
  }
});

for (const [what, data, code, ours] of [
  ["a field of the wrong type", { prompt: "Hi", temperature: "hot" }, "invalid-argument", "invalid_request"],
  ["no prompt", {}, "invalid-argument", "invalid_request"],
  ["no data", undefined, "invalid-argument", "invalid_request"],
  ["an unknown model", { prompt: "Hi", model: "no-such-model" }, "not-found", "model_not_found"],
  ["an administrator's priority", { prompt: "Hi", codeex: { priority: 9 } }, "permission-denied", "forbidden"],
]) {
  test(`${what} is ${code}, plain and streamed`, async () => {
    await assert.rejects(chat(data), coded(code, ours));
    await streamFails(data, coded(code, ours));
  });
}

test("nobody signed in is unauthenticated, plain and streamed", async () => {
  const callable = httpsCallable(await functionsOf({ signedIn: false }), "chat");
  await assert.rejects(callable({ prompt: "Hi" }), coded("unauthenticated", "unauthenticated"));
  await streamFails({ prompt: "Hi" }, coded("unauthenticated", "unauthenticated"), callable);
});

test("the admin function is permission-denied to a user", async () => {
  const admin = httpsCallable(functions, "admin");
  await assert.rejects(admin({ op: "quotas" }), coded("permission-denied", "forbidden"));
});

test("an aborted stream is cancelled here, and at the provider within a second", async () => {
  const question = `Write about abort ${Math.random()} and its history, at length.`;
  const abort = new AbortController();
  await addFault({ provider: "cerebras", kind: "slow", delay_ms: 1500, times: 1 });
  const ask = { prompt: question, model: "cerebras-gpt-oss-120b" };
  const { stream, data } = await chat.stream(ask, { signal: abort.signal });
  const cancelled = assert.rejects(data, { code: "functions/cancelled" });
  // The SDK's result says what happened; its iterator calls the same thing "internal".
  await assert.rejects(
    async () => {
      for await (const _ of stream) abort.abort();
    },
    { name: "FirebaseError" },
  );
  await cancelled;
  await untilLeft("cerebras", question);
  await heal();
});

test("without capacity the result is a job, which jobs gets, lists and cancels", async () => {
  const job = await queued();
  assert.deepEqual([job.object, job.status], ["job", "queued"]);
  const { stream, data } = await chat.stream(NARROW);
  for await (const _ of stream) assert.fail("a job is no chunk");
  const second = await data;
  assert.deepEqual([second.object, second.status], ["job", "queued"]);

  const { data: got } = await jobs({ op: "get", id: job.id });
  assert.equal(got.id, job.id);
  const { data: page } = await jobs({ op: "list", limit: 1 });
  assert.deepEqual([page.object, page.data[0].id, page.has_more], ["list", second.id, true]);
  const { data: rest } = await jobs({ op: "list", after: page.last_id });
  assert.deepEqual(rest.data.map(({ id }) => id), [job.id]);
  for (const { id } of [job, second]) {
    assert.equal((await jobs({ op: "cancel", id })).data.status, "cancelled");
  }
  await assert.rejects(jobs({ op: "get", id: "job_of_nobody" }), coded("not-found", "not_found"));
  await assert.rejects(jobs({ op: "burn" }), coded("invalid-argument", "invalid_request"));
});

test("one user's job is not there for another", async () => {
  const job = await queued();
  assert.equal(job.object, "job");
  const others = httpsCallable(await functionsOf(), "jobs");
  await assert.rejects(others({ op: "get", id: job.id }), coded("not-found", "not_found"));
  await jobs({ op: "cancel", id: job.id });
});

test("every region of the emulator and every address of a function is the same", async () => {
  for (const callable of [
    httpsCallable(await functionsOf({ region: "europe-west1" }), "chat"),
    httpsCallableFromURL(functions, `${baseURL}/callable/chat`),
    httpsCallableFromURL(functions, `${baseURL}/demo-codeex/asia-northeast1/chat`),
  ]) {
    assert.equal((await callable({ prompt: "Hello!" })).data.object, "chat.completion");
  }
});
