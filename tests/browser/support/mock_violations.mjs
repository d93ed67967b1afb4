// What the admin API says of safety: an hour's incidents, and the refusals that a test can add to.

const KINDS = { PROMPT_INJECTION: "injection", PERSONAL_DATA: "personal" };
const CATEGORIES = [
  "HATE_SPEECH", "VIOLENCE", "SEXUAL_CONTENT", "SELF_HARM", "DANGEROUS_CONTENT", "HARASSMENT", "ILLEGAL_ACTIVITY",
  "PROMPT_INJECTION", "PERSONAL_DATA",
];
const SEVERITIES = ["HIGH", "MEDIUM", "LOW", "CRITICAL"];
const USERS = ["kU7wQ2mXb9fTzR4sVh1nLc8yPd3e", "alice", "m3Zp8Ea5YtqWx2CjNg7uHr0oKi6b"];

/** One refusal, `minutes` ago. */
export const refusal = (number, category, stage, minutes, uid = USERS[number % USERS.length]) => ({
  id: `v${String(number).padStart(4, "0")}`, uid, category, severity: SEVERITIES[number % SEVERITIES.length], stage,
  kind: KINDS[category] ?? "guard", at: Date.now() / 1000 - minutes * 60, request_id: `req_${String(number).padStart(16, "0")}`,
});

/** 46 refusals of the last days, newest first. */
export const refusals = () =>
  Array.from({ length: 46 }, (_, at) => refusal(46 - at, CATEGORIES[(at * 5) % CATEGORIES.length], at % 4 === 1 ? "output" : "input", 3 + at * 41));

/** The safety part of the incidents of the hour that lies `back` hours ago. */
export function safetyIncidents(back) {
  const checks = 60 + ((back * 37) % 90);
  return {
    guard_checks: checks, guard_ms: checks * 152, guard_calls: checks + 9, guard_tokens: checks * 340,
    classified_local: checks - 7, classified_llm: 5, classified_cache: 2,
    ...(back % 4 === 0 && { blocked_input: 2, violation_HATE_SPEECH: 1, violation_VIOLENCE: 1 }),
    ...(back % 5 === 0 && { blocked_output: 1, violation_DANGEROUS_CONTENT: 1, injection_blocked: 2 }),
    ...(back === 7 && { blocked_input: 4, violation_SELF_HARM: 2, violation_HARASSMENT: 1, violation_ILLEGAL_ACTIVITY: 1, not_scanned: 3, reclassified: 2 }),
    ...(back === 11 && { violation_SEXUAL_CONTENT: 1, blocked_output: 1, personal_blocked: 1, personal_redacted: 6, personal_flagged: 1, injection_flagged: 2 }),
  };
}

/** `GET violations`: the body for this query. */
export function violationPage(all, query) {
  const wanted = ["category", "stage", "uid"].map((name) => [name, query.get(name)]).filter(([, value]) => value);
  const found = all.filter((row) => wanted.every(([name, value]) => row[name] === value));
  const from = query.get("cursor") ? found.findIndex(({ id }) => id === query.get("cursor")) + 1 : 0;
  const data = found.slice(from, from + Number(query.get("limit") ?? 50));
  const more = from + data.length < found.length;
  return { object: "list", data, next: more ? data.at(-1).id : null };
}
