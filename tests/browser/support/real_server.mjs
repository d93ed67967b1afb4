// The whole system for the browser: BASE_URL where one is running, else `python -m local` of its own.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const START_MS = 60_000;
// One user asks more here in a minute than anybody may.
const MANY = 1_000_000;
const OPEN = { client_limits: { user_rpm: MANY, ip_rpm: MANY, ip_signed_in_rpm: MANY } };

/** Returns {url, close}; every provider is simulated, nothing of the environment's keys is used. */
export async function startRouter(settings = {}) {
  if (process.env.BASE_URL) {
    return { url: process.env.BASE_URL.replace(/\/+$/, ""), close: async () => undefined };
  }
  const inVenv = join(root, ".venv/bin/python");
  const python = process.env.PYTHON || (existsSync(inVenv) ? inVenv : "python3");
  const data = await mkdtemp(join(tmpdir(), "codeex-browser-"));
  const config = join(data, "open-config.json");
  await writeFile(config, JSON.stringify(OPEN));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = spawn(python, ["-m", "local"], {
    cwd: root,
    env: {
      ...process.env,
      HOST: "127.0.0.1",
      PORT: String(port),
      CODEEX_DATA_DIR: data,
      CODEEX_CONFIG: config,
      SIMULATE: "all",
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.once("exit", () => server.kill("SIGKILL")); // where close() was never reached
  let said = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (bytes) => (said = (said + bytes).slice(-4000)));
  }
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const close = async () => {
    server.kill("SIGINT");
    const late = setTimeout(() => server.kill("SIGKILL"), 12_000);
    await ended;
    clearTimeout(late);
    await rm(data, { recursive: true, force: true });
  };
  const end = Date.now() + START_MS;
  while (!(await answers(url))) {
    if (server.exitCode !== null || Date.now() > end) {
      await close();
      throw new Error(`python -m local did not start:\n${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return { url, close };
}

/** The name of the provider that is first in line for this question at this moment. */
export async function favourite(url, question) {
  const response = await fetch(`${url}/v1/route`, {
    method: "POST",
    headers: { Authorization: "Bearer dev-alice", "Content-Type": "application/json" },
    body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: question }] }),
  });
  const { provider } = (await response.json()).plan.chain[0];
  return { groq: "Groq", cerebras: "Cerebras", google: "Google", huggingface: "Hugging Face" }[provider];
}

/** Waits until the simulator holds as many faults as this. */
export async function faultsAre(url, count) {
  const end = Date.now() + 5000;
  for (;;) {
    const { faults } = await (await fetch(`${url}/sim/faults`)).json();
    if (faults.length === count) return;
    if (Date.now() > end) throw new Error(`${faults.length} faults instead of ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Up means: the API's simulator answers and the page has been built. */
async function answers(url) {
  try {
    const [simulator, page] = await Promise.all([fetch(`${url}/sim/faults`), fetch(url)]);
    return simulator.ok && page.ok;
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
