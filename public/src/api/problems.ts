// Problems in one form, from error answers, error events and broken connections.
import type { Problem } from "./types.ts";

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** The problem in a parsed body or event `{"error": {...}}`; undefined when there is none. */
export function problemIn(body: unknown): Problem | undefined {
  if (!isObject(body) || body.error === undefined || body.error === null) return undefined;
  const error = isObject(body.error) ? body.error : { message: body.error };
  const job = isObject(error.job) ? error.job : undefined;
  const wait = Number(error.retry_after ?? job?.estimated_wait_seconds ?? Number.NaN);
  return {
    code: text(error.code) ?? text(error.type) ?? "unknown",
    message: text(error.message) ?? "The server sent an error without a message.",
    param: text(error.param),
    provider: text(error.provider),
    requestId: text(error.request_id),
    category: text(error.category),
    severity: text(error.severity),
    stage: text(error.stage),
    retryAfter: Number.isFinite(wait) ? wait : undefined,
  };
}

/** Seconds in a Retry-After header: a number or an HTTP date. */
export function retryAfterSeconds(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Math.ceil(Number(header));
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

const UNITS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** Seconds in an x-ratelimit-reset header: `6s`, `1m0s`, `350ms`. */
export function resetSeconds(header: string | null): number | undefined {
  if (!header || !/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(header.trim())) return undefined;
  const parts = [...header.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
  return Math.ceil(parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ""] ?? 0), 0));
}

/** The problem of an answer whose status is not 200. */
export async function problemOf(response: Response): Promise<Problem> {
  const raw = await response.text().catch(() => "");
  let body: unknown;
  try {
    body = JSON.parse(raw);
  } catch {
    body = undefined;
  }
  const problem = problemIn(body) ?? {
    code: `http_${response.status}`,
    message: `The server answered ${response.status} ${response.statusText}`.trim() + ".",
  };
  problem.status = response.status;
  problem.requestId ??= response.headers.get("x-request-id") ?? undefined;
  const { headers } = response;
  const wait =
    retryAfterSeconds(headers.get("Retry-After"), Date.now()) ??
    problem.retryAfter ??
    (response.status === 429 ? resetSeconds(headers.get("x-ratelimit-reset-requests")) : undefined);
  problem.retryAfter = wait;
  if (wait !== undefined) problem.retryAt = Date.now() + wait * 1000;
  return problem;
}

/** A failed fetch: the server is away, or the device is offline. */
export function connectionProblem(): Problem {
  return navigator.onLine
    ? { code: "unreachable", message: "The server does not answer. Is it still running?" }
    : { code: "offline", message: "This device is offline." };
}

/** What the visitor can do about it, in one sentence. */
export function advice(problem: Problem): string {
  switch (problem.code) {
    case "unauthenticated":
      return "Sign in as another user, or check the token.";
    case "rate_limited":
      return "This is your own limit. It frees up by itself.";
    case "capacity_exhausted":
      return "Every provider that could answer is at its limit. Wait, or heal and allow more providers.";
    case "job_gone":
      return "It expired, or it belongs to another user. Ask again.";
    case "model_not_found":
      return "Choose another model, or leave the choice to auto.";
    case "feature_disabled":
      return "An operator has to switch this on; the message names the setting.";
    case "all_models_failed":
    case "provider_error":
      return "Try again, choose another model, or heal the providers you broke.";
    case "payload_too_large":
      return "Send fewer or smaller images, or start a new chat.";
    case "deadline_exceeded":
      return "Try again, or ask for a shorter answer.";
    case "safety_unavailable":
      return "Nothing is answered unchecked. This usually passes within moments.";
    case "invalid_request":
    case "unsupported_media":
      return problem.param ? `The field at fault is ${problem.param}.` : "Change the request.";
    case "cut_stream":
    case "broken_stream":
      return "What arrived is shown above. Ask again for a whole answer.";
    case "offline":
      return "Your conversation is kept. Go on when the connection is back.";
    case "unreachable":
      return "Start it with make run, then try again. Your conversation is kept.";
    default:
      return "Try again. If it stays, the request id helps to find it in the log.";
  }
}
