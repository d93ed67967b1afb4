// A router with scripted answers, for what a real one cannot be made to say on demand.
// The last message's text picks the script; `requests` records what the page sent.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { mockAdmin } from "./mock_admin.mjs";
import { SAFETY_REFUSALS, safetyScripts } from "./mock_safety.mjs";

const dist = fileURLToPath(new URL("../../../public/dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const model = (id, name, provider, codeex = {}) => ({
  id,
  object: "model",
  owned_by: provider,
  codeex: {
    name, provider, capabilities: ["TEXT"], features: ["streaming", "tools"], context_window: 131072,
    max_output_tokens: 65536, status: "ACTIVE", shutdown_date: null, replacement: null, served_by: null,
    health: "HEALTHY", free_tier: "quota", enabled: true, warning: null, ...codeex,
  },
});

export const MODELS = [
  model("groq-gpt-oss-120b", "GPT-OSS 120B", "groq"),
  model("groq-llama-3.3-70b", "Llama 3.3 70B", "groq", { status: "DEAD", shutdown_date: "2026-08-16", replacement: "groq-gpt-oss-120b" }),
  model("cerebras-gpt-oss-120b", "GPT-OSS 120B", "cerebras", { health: "DEGRADED" }),
  model("google-gemini-2.5-flash", "Gemini 2.5 Flash", "google", { capabilities: ["TEXT", "VISION"], status: "DYING", shutdown_date: "2026-12-01" }),
  model("google-gemini-3.8-flash", "Gemini 3.8 Flash", "google", { capabilities: ["TEXT", "VISION"] }),
  model("google-embed", "Gemini Embedding", "google", { capabilities: ["EMBEDDING"] }),
  model("hf-kimi-k3", "Kimi K3", "huggingface", { enabled: false }),
];

export const receipt = (attempts, more = {}) => ({
  request_id: "req_0123456789abcdef",
  classification: { category: "CODING", confidence: 0.92, complexity: "MEDIUM", reasoning: "Asks for a function.", source: "local" },
  routing: {
    reason: "Best coding model with room.",
    chain: [
      { model: "groq-gpt-oss-120b", provider: "groq", priority: 100, status: "ACTIVE" },
      { model: "cerebras-gpt-oss-120b", provider: "cerebras", priority: 90, status: "ACTIVE" },
      { model: "google-gemini-2.5-flash", provider: "google", priority: 70, status: "DYING" },
    ],
    attempts,
  },
  warnings: [],
  timings_ms: { total: 640, classify: 0.2, route: 0.1 },
  guard: "unguarded",
  ...more,
});
const answered = [{ model: "groq-gpt-oss-120b", provider: "groq", outcome: "ok", latency_ms: 640 }];

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const event = (value) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
const chunk = (delta, more = {}) => event({
  id: "chatcmpl-1", object: "chat.completion.chunk", model: "groq-gpt-oss-120b",
  choices: [{ index: 0, delta, finish_reason: null }], ...more,
});
const finish = (more = {}) =>
  event({ model: "groq-gpt-oss-120b", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) +
  event({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 }, codeex: receipt(answered), ...more }) +
  event("[DONE]");
const errorBody = (code, message, more = {}) => ({ error: { message, type: "api_error", code, param: null, request_id: "req_failed", ...more } });

/** Scripts: each writes to the response; `write` goes out in packets of odd sizes. */
const SCRIPTS = {
  async hello({ write }) {
    await write(": keep-alive\n\n" + chunk({ role: "assistant", content: "" }));
    for (const word of ["Hello ", "**world**", ", grüße 👋 ", "日本語."]) await write(chunk({ content: word }));
    await write(finish());
  },
  async think({ write }) {
    await write(chunk({ reasoning_content: "First I look at **both** sides." }) + chunk({ content: "The answer is 4." }) + finish());
  },
  async code({ write }) {
    await write(chunk({ content: "Here:\n\n```python\ndef add(a, b):\n    return a + b\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n" }) + finish());
  },
  async inject({ write }) {
    const text = [
      "<script>window.hacked = 1</script>", "<img src=x onerror=\"window.hacked = 2\">",
      "[press](javascript:window.hacked=3)", "![beacon](https://evil.example/pixel.png?secret)",
      "<svg onload=\"window.hacked=4\"></svg>", "<iframe src=\"javascript:parent.hacked=5\"></iframe>",
      "<form action=\"https://evil.example\"><input name=password></form>",
      "<a href=\"data:text/html,<script>1</script>\">data</a>", "```<img/src=x/onerror=window.hacked=6>\nx\n```",
      "<style>body{display:none}</style>", "[ok](https://example.com \"title\\\" onmouseover=window.hacked=7\")",
    ].join("\n\n");
    await write(chunk({ content: text }) + finish());
  },
  async slow({ write, gone }) {
    for (let count = 1; count <= 400 && !gone(); count++) {
      await write(chunk({ content: `word${count} ` }));
      await wait(25);
    }
    if (!gone()) await write(finish());
  },
  async event({ write }) {
    await write(chunk({ content: "Half an answer" }) + event(errorBody("all_models_failed", "Every model of the chain failed.")));
  },
  async cut({ write, response }) {
    await write(chunk({ content: "This breaks" }));
    response.destroy();
  },
  async ends({ write }) {
    await write(chunk({ content: "No end in sight" }));
  },
  async garbage({ write }) {
    await write(chunk({ content: "Then" }) + "data: {\"choices\": [}\n\n");
  },
  /** Waits for capacity, then ends as a job. */
  async queue({ write, newJob }) {
    await write(": waiting\n\n" + event(errorBody("queued", "Every provider is full.", { job: newJob() })));
  },
  async patient({ write, gone }) {
    for (let count = 0; count < 40 && !gone(); count++) {
      await write(": waiting\n\n");
      await wait(250);
    }
  },
  async tool({ write, body }) {
    if (body.messages.at(-1).role === "tool") {
      await write(chunk({ content: `The tool says: ${JSON.parse(body.messages.at(-1).content).time_zone}` }) + finish());
      return;
    }
    await write(
      chunk({ tool_calls: [{ index: 0, id: "call_7", type: "function", function: { name: "local_time", arguments: "{\"time" } }] }) +
      chunk({ tool_calls: [{ index: 0, function: { arguments: "_zone\": \"Asia/Tokyo\"}" } }] }) +
      event({ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }) + event("[DONE]"),
    );
  },
};
Object.assign(SCRIPTS, safetyScripts({ chunk, event, receipt: (more) => receipt(answered, more), errorBody }));
for (const name of ["queue", "patient"]) SCRIPTS[name].waits = true; // no provider was chosen yet
const refused = [429, errorBody("rate_limited", "Your limit of 10 a minute is used up.")];
const REFUSALS = {
  reset: [...refused, { "x-ratelimit-reset-requests": "1m5s" }],
  unauthorized: [401, errorBody("unauthenticated", "The token is not valid."), {}],
  limited: [429, errorBody("rate_limited", "Your limit of 60 a minute is used up."), { "Retry-After": "2" }],
  missing: [404, errorBody("model_not_found", "No model 'nope'.", { param: "model" }), {}],
  ...SAFETY_REFUSALS(errorBody),
  html: [502, "<h1>Bad gateway</h1>", { "Content-Type": "text/html" }],
};

/** The completion a finished job carries. */
export const completion = (content) => ({
  id: "chatcmpl-2", object: "chat.completion", model: "groq-gpt-oss-120b",
  choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }, codeex: receipt(answered),
});

/**
 * Starts it on a free port. Returns {url, requests, faults, jobs, admin, close}. `jobs` maps an id to
 * {job, reads, cancels, late, broken}: a test changes `job`, `late` makes a cancellation too late,
 * `broken` has none answered.
 */
export async function startMock({ simulator = true } = {}) {
  const requests = [];
  const jobs = new Map();
  const admin = mockAdmin();
  let faults = {};
  const newJob = () => {
    const id = `job_${String(jobs.size + 1).padStart(4, "0")}`;
    const job = {
      id, object: "job", kind: "chat", status: "queued", progress: { done: 0, total: 1 }, position: 2, estimated_wait_seconds: 40,
      created_at: Math.floor(Date.now() / 1000), expires_at: Math.floor(Date.now() / 1000) + 86_400, attempts: 0,
    };
    jobs.set(id, { job, reads: 0, cancels: 0, late: false, broken: false });
    return job;
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });

  async function handle(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://mock");
    let raw = "";
    request.setEncoding("utf8");
    for await (const part of request) raw += part;
    const body = raw ? JSON.parse(raw) : null;
    const json = (status, value, headers = {}) => {
      response.writeHead(status, { "Content-Type": "application/json", "x-request-id": "req_header", ...headers });
      response.end(typeof value === "string" ? value : JSON.stringify(value));
    };
    if (pathname === "/v1/models") return json(200, { object: "list", data: MODELS });
    if (pathname.startsWith("/sim/") && !simulator) return json(404, errorBody("not_found", "No such path."));
    if (pathname === "/sim/requests") return json(200, {});
    if (pathname === "/sim/faults") {
      if (request.method === "POST") faults[body.provider] = body;
      if (request.method === "DELETE") {
        const provider = searchParams.get("provider");
        if (provider) delete faults[provider];
        else faults = {};
      }
      return json(200, { faults: Object.values(faults), providers: ["groq", "cerebras", "google", "huggingface"] });
    }
    if (pathname === "/v1/chat/completions") {
      requests.push({ body, authorization: request.headers.authorization, gone: false });
      return chat(requests.at(-1), response, json);
    }
    const asked = /^\/v1\/jobs\/(\w+)(\/cancel)?$/.exec(pathname);
    if (asked) return json(...jobAnswer(jobs.get(asked[1]), Boolean(asked[2])));
    if (pathname.startsWith("/admin/api/")) {
      const path = pathname.slice("/admin/api/".length);
      return json(...admin.answer(request.method, path, searchParams, body, request.headers.authorization));
    }
    return file(pathname, response);
  }

  function jobAnswer(held, cancel) {
    if (!held) return [404, errorBody("not_found", "No such job.")];
    if (!cancel) {
      held.reads += 1;
      return [200, held.job];
    }
    held.cancels += 1;
    if (held.broken) return [503, errorBody("store_unavailable", "The store does not answer.")];
    if (held.late) return [409, errorBody("conflict", "The job is being worked on.")];
    held.job = { ...held.job, status: "cancelled", position: undefined };
    return [200, held.job];
  }

  async function chat(record, response, json) {
    const { body } = record;
    const asked = body.messages.findLast((message) => message.role === "user").content;
    const text = typeof asked === "string" ? asked : (asked.find((part) => part.type === "text")?.text ?? "");
    const refusal = REFUSALS[text];
    if (refusal) return json(...refusal);
    const script = SCRIPTS[text] ?? SCRIPTS.hello;
    response.on("close", () => (record.gone = !response.writableFinished));
    if (text === "queue" && !body.stream) {
      const job = newJob();
      return json(202, job, { Location: `/v1/jobs/${job.id}` });
    }
    const broken = Object.keys(faults).includes("groq");
    if (!body.stream || broken) {
      const attempts = broken
        ? [
            { model: "groq-gpt-oss-120b", provider: "groq", outcome: "server_error", latency_ms: 90 },
            { model: "cerebras-gpt-oss-120b", provider: "cerebras", outcome: "ok", latency_ms: 540 },
          ]
        : answered;
      const codeex = receipt(attempts, broken ? { warnings: ["groq failed; cerebras answered."] } : {});
      const model = attempts.at(-1).model;
      if (body.stream) {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        return response.end(
          chunk({ content: "From the next provider." }, { model }) +
            event({ model, choices: [{ index: 0, delta: {}, finish_reason: "stop" }], codeex }) + event("[DONE]"),
        );
      }
      return json(200, { model, choices: [{ index: 0, message: { role: "assistant", content: "A whole answer." }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 3 }, codeex });
    }
    const chosen = script.waits ? {} : { "x-codeex-model": "groq-gpt-oss-120b", "x-codeex-provider": "groq" };
    response.writeHead(200, { "Content-Type": "text/event-stream", "x-request-id": "req_header", ...chosen });
    const write = async (data) => {
      const bytes = Buffer.from(data);
      for (let at = 0; at < bytes.length; at += 37) {
        response.write(bytes.subarray(at, at + 37)); // splits lines, events and characters
        if (at % 5 === 0) await new Promise(setImmediate);
      }
    };
    await script({ write, response, body, newJob, gone: () => record.gone });
    response.end();
  }

  async function file(pathname, response) {
    const path = join(dist, normalize(pathname === "/" ? "/index.html" : pathname === "/admin" ? "/admin.html" : pathname));
    const content = path.startsWith(dist) ? await readFile(path).catch(() => null) : null;
    response.writeHead(content ? 200 : 404, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(content ?? "not found");
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    faults: () => faults,
    jobs,
    admin: admin.state,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
