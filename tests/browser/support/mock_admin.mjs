// The admin API with figures that a test can set: quotas, jobs, traffic, safety, configuration, store operations.
import { refusals, safetyIncidents, violationPage } from "./mock_violations.mjs";

const quota = (provider, model, limits, used, utilization, more = {}) => ({
  provider, model, limits, day_reset: "America/Los_Angeles",
  used: {
    minute: { requests: used.rpm ?? 0, tokens: used.tpm ?? 0 },
    day: { requests: used.rpd ?? 0, tokens: used.tpd ?? 0 },
    month: { characters: used.characters ?? 0 },
  },
  utilization, held: [], closed: null, stale: false, ...more,
});

export const quotas = () => [
  quota("groq", null, { rpm: 30, rpd: 14400, tpm: 6000 }, { rpm: 26, rpd: 8123, tpm: 4100 }, 0.8667, {
    held: [
      { holder: "i-7f3a91c2", requests: 4, tokens: 2000, characters: 0, remaining_s: 41.5 },
      { holder: "i-02bd77e0", requests: 2, tokens: 900, characters: 0, remaining_s: 12 },
    ],
  }),
  quota("groq", "groq-gpt-oss-120b", { rpm: 30, rpd: 1000, tpm: 8000, tpd: 200000 }, { rpm: 30, rpd: 640, tpm: 5200, tpd: 91000 }, 1),
  quota("groq", "groq-llama-3.1-8b", { rpm: 30, rpd: 14400, tpm: 6000 }, { rpm: 3, rpd: 900 }, 0.1),
  quota("google", null, { rpm: 15 }, { rpm: 3 }, 0.2, { closed: { reason: "key_rejected", remaining_s: 1800 } }),
  quota("google", "google-gemini-3.8-flash", { rpm: 10, tpm: 250000, rpd: 250 }, { rpm: 2, rpd: 120, tpm: 40000 }, 0.48),
  quota("cerebras", null, { rpm: 30, tpm: 60000 }, { rpm: 2, tpm: 1500 }, 0.0667),
  quota("elevenlabs", null, { characters_per_month: 10000 }, { characters: 45 }, 0.0045, { stale: true }),
  quota("huggingface", null, {}, {}, 0),
  quota("huggingface", "hf-kimi-k3", { rpm: 20 }, { rpm: 1 }, 0.05),
];

const HEALTH = [
  { model: "groq-gpt-oss-120b", provider: "groq", health: "UNAVAILABLE", consecutive_failures: 3, requests: 90, success_rate: 0.8, cooldown_s: 24 },
  { model: "groq-llama-3.1-8b", provider: "groq", health: "DEGRADED", consecutive_failures: 1, requests: 20, success_rate: 0.7, cooldown_s: 0 },
  { model: null, provider: "cerebras", health: "HEALTHY", consecutive_failures: 0, requests: 50, success_rate: 1, cooldown_s: 0 },
];

const JOBS = () => ({
  counts: { queued: 3, running: 1 },
  data: [
    { id: "job_aaaa1111aaaa1111", kind: "chat", status: "queued", priority: 5, created_at: since(90), attempts: 0, position: 1 },
    { id: "job_bbbb2222bbbb2222", kind: "chat", status: "queued", priority: 10, created_at: since(20), attempts: 0, position: 0 },
    { id: "job_cccc3333cccc3333", kind: "document", status: "running", priority: 5, created_at: since(300), started_at: since(65), attempts: 2 },
    { id: "job_dddd4444dddd4444", kind: "video", status: "queued", priority: 1, created_at: since(4000), attempts: 1, position: 2 },
  ],
});
const since = (seconds) => Math.floor(Date.now() / 1000) - seconds;

const category = (requests, answered, fallbacks, primary) => ({
  requests, answered, fallbacks, depth: fallbacks * 2, primary_successes: primary,
  fallback_rate: fallbacks / requests, mean_depth: (fallbacks * 2) / requests, primary_success_rate: primary / requests,
});
const calls = (requests, errors, mean_latency_ms) => ({
  requests, successes: requests - errors, errors, success_rate: (requests - errors) / requests, mean_latency_ms, outcomes: {},
});
const hourKey = (back) => new Date(Date.now() - back * 3_600_000).toISOString().slice(0, 13).replace(/\D/g, "");

/** A day that rises to a peak in the afternoon and has one bad hour. */
const HOURS = () =>
  Array.from({ length: 22 }, (_, at) => {
    const back = 21 - at;
    const busy = Math.round(40 + 160 * Math.sin((at / 21) * Math.PI));
    const bad = at === 14;
    return {
      hour: hourKey(back),
      models: {},
      providers: { groq: calls(busy, bad ? 40 : 2, 410), cerebras: calls(30, 0, 290), google: calls(12, 1, 870) },
      categories: {
        CODING: category(busy, busy - (bad ? 12 : 0), bad ? 60 : 5, busy - (bad ? 60 : 5)),
        SIMPLE: category(30, 30, 1, 29),
        VISION_IN: category(6, 6, 0, 6),
      },
      incidents: { ...(bad && { blocked: 3, captcha_cleared: 1 }), ...safetyIncidents(back) },
    };
  });

const NOW = {
  models: {}, providers: { groq: calls(7, 1, 300) }, latency_ewma_ms: {},
  categories: { REASONING: category(7, 6, 2, 4) },
};

const OPERATIONS = {
  data: { quotas: { reads: 1204, writes: 611, deletes: 0 }, config: { reads: 96, writes: 2, deletes: 0 }, "users/jobs": { reads: 14, writes: 22, deletes: 3 } },
  total: { reads: 1314, writes: 635, deletes: 3 },
  since: "2026-11-26T05:00:00Z",
};

const BASE = {
  flags: { ENABLE_SAFETY_GUARD: true, ENABLE_MEMORY_SYSTEM: true, ENABLE_VIDEO_GENERATION: false, ENABLE_COMPUTER_USE: false },
  rules: { CODING: { entries: [{ model: "groq-gpt-oss-120b", priority: 100, conditions: [] }], max_attempts: 6, note: "" } },
  limits: {},
  client_limits: { user_rpm: 10, ip_rpm: 50, ip_signed_in_rpm: 600 },
  paid_providers: [],
  models: {},
  rollout: { v33_percent: 100, rollback: false },
  timeouts: { first_byte: 4, plain_max: 20, stall: 6, connect: 3, minimum: 0.5, providers: {} },
  safety: { pii: null, injection: null },
};

export function mergePatch(target, patch) {
  const merged = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else if (typeof value === "object" && !Array.isArray(value)) merged[key] = mergePatch(merged[key] ?? {}, value);
    else merged[key] = value;
  }
  return merged;
}

/** The admin side of the mock. `state` may be changed by a test; `answer` returns [status, body]. */
export function mockAdmin() {
  const state = {
    quotas: quotas(), jobs: JOBS(), hours: HOURS(), now: NOW, violations: refusals(), asked: [], refuse: null, problems: [],
    versions: [
      { version: 2, changed_at: "2026-11-25T16:20:00Z", changed_by: "ops", patch: { limits: { google: { rpm: 15 } } }, stored: { limits: { google: { rpm: 15 } }, client_limits: { user_rpm: 12 } } },
      { version: 1, changed_at: "2026-11-24T09:00:00Z", changed_by: "admin", patch: { client_limits: { user_rpm: 12 } }, stored: { client_limits: { user_rpm: 12 } } },
    ],
  };
  const error = (status, code, message) => [status, { error: { message, type: "api_error", code, param: null, request_id: "req_admin" } }];
  const config = () => {
    const { version, stored } = state.versions[0];
    return [200, { version, config: mergePatch(BASE, stored), stored, ...(state.problems.length > 0 && { problems: state.problems }) }];
  };
  const add = (patch, stored, back) => {
    const version = state.versions[0].version + 1;
    const more = back === undefined ? {} : { rolled_back_to: back };
    state.versions.unshift({ version, changed_at: new Date().toISOString(), changed_by: "admin", patch, stored, ...more });
    return config();
  };

  function answer(method, path, query, body, authorization) {
    state.asked.push({ method, path, query: query.toString(), body, authorization });
    if (!authorization) return error(401, "unauthenticated", "Sign in.");
    if (authorization !== "Bearer dev-admin") return error(403, "forbidden", "Administrators only.");
    if (state.refuse) return error(...state.refuse);
    switch (`${method} ${path}`) {
      case "GET quotas": return [200, { object: "list", data: state.quotas }];
      case "GET health": return [200, { data: HEALTH }];
      case "GET jobs": return [200, state.jobs];
      case "GET store-operations": return [200, OPERATIONS];
      case "GET stats": return [200, { data: state.hours.slice(-Number(query.get("hours"))), now: state.now }];
      case "GET violations": return [200, violationPage(state.violations, query)];
      case "GET config": return config();
      case "GET config/history":
        return [200, { data: state.versions.map(({ stored: _stored, ...shown }) => shown) }];
      case "POST config/rollback": {
        const found = body.version === 0 ? { stored: {} } : state.versions.find((item) => item.version === body.version);
        return found ? add(found.stored, found.stored, body.version) : error(404, "not_found", `No version ${body.version}.`);
      }
      case "PATCH config": {
        const problems = Object.keys(body).filter((key) => !(key in BASE)).map((key) => `${key}: Extra inputs are not permitted`);
        if ((body.client_limits?.user_rpm ?? 1) < 1) problems.push("client_limits.user_rpm: Input should be greater than or equal to 1");
        if (problems.length > 0) {
          const told = `nothing was changed, because the configuration would not be right: ${problems.join("; ")}`;
          return error(400, "invalid_request", told);
        }
        return add(body, mergePatch(state.versions[0].stored, body));
      }
      default: return error(404, "not_found", "No such path.");
    }
  }
  return { state, answer };
}
