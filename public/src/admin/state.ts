// What the dashboard knows, and how it stays current: read every few seconds while it is seen.
import { getJson, sendJson } from "../api/http.ts";
import { ApiError } from "../api/problems.ts";
import type { Problem } from "../api/types.ts";
import { session, token } from "../auth.ts";
import { createStore } from "../state/store.ts";
import {
  toConfig,
  toHealth,
  toHistory,
  toJobs,
  toOperations,
  toQuotas,
  toStats,
  type Config,
  type Health,
  type Hour,
  type Jobs,
  type Operations,
  type Quota,
  type Version,
} from "./shapes.ts";

const REFRESH_MS = 5000;
/** A reading takes fifteen documents of the store: nobody looks closely at a page left alone. */
const ALONE_MS = 30_000;
const ALONE_AFTER_MS = 60_000;
/** The whole day is read again this often; in between only its newest hour, to spare the store. */
const DAY_MS = 5 * 60_000;
const HOURS = 24;
const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel"] as const;

export interface Known {
  quotas: Quota[] | null;
  health: Health[];
  jobs: Jobs | null;
  hours: Hour[] | null;
  now: Hour | null;
  config: Config | null;
  history: Version[];
  operations: Operations | null;
  /** Unix milliseconds of the last reading in which every part answered. */
  updated: number | null;
  problem: Problem | null;
  /** Which parts did not answer the last time. */
  failed: string[];
}

const NOTHING: Known = {
  quotas: null, health: [], jobs: null, hours: null, now: null, config: null, history: [],
  operations: null, updated: null, problem: null, failed: [],
};

export const known = createStore<Known>(NOTHING);

/** Keeps `known` current until the returned function is called. Rests while the page is hidden. */
export function keepCurrent(): () => void {
  let timer = 0;
  let stopped = false;
  let round = 0;
  let touchedAt = Date.now();
  const pause = () => (Date.now() - touchedAt < ALONE_AFTER_MS ? REFRESH_MS : ALONE_MS);
  const touched = () => {
    const alone = pause() === ALONE_MS;
    touchedAt = Date.now();
    if (alone && !document.hidden) void run();
  };
  const run = async () => {
    const mine = ++round;
    clearTimeout(timer);
    await refresh();
    if (!stopped && mine === round && !document.hidden) timer = setTimeout(run, pause());
  };
  const seen = () => {
    if (document.hidden) clearTimeout(timer);
    else {
      touchedAt = Date.now();
      void run();
    }
  };
  void run();
  for (const kind of TOUCHES) document.addEventListener(kind, touched, { passive: true });
  document.addEventListener("visibilitychange", seen);
  const unwatch = session.watch(() => {
    dayReadAt = 0;
    known.set(NOTHING); // another user may not see what this one saw
    void run();
  });
  return () => {
    stopped = true;
    clearTimeout(timer);
    for (const kind of TOUCHES) document.removeEventListener(kind, touched);
    document.removeEventListener("visibilitychange", seen);
    unwatch();
  };
}

let dayReadAt = 0;
/** Numbers of the readings: an answer that was overtaken by a later reading's is not taken. */
let readings = 0;
const taken = new Map<string, number>();

/** Reads everything once. What does not answer keeps what is shown, and is named. */
export async function refresh(): Promise<void> {
  const who = session.get().method;
  const bearer = await token().catch(() => ""); // the server then says that nobody is signed in
  const problems = new Map<string, Problem>();
  const reading = ++readings;
  const part = async (name: string, path: string, take: (body: unknown) => Partial<Known>) => {
    try {
      const body = await getJson(`/admin/api/${path}`, bearer);
      if (session.get().method !== who || reading < (taken.get(name) ?? 0)) return;
      taken.set(name, reading);
      known.update(take(body));
    } catch (error) {
      problems.set(name, problemFrom(error));
    }
  };
  const whole = Date.now() - dayReadAt > DAY_MS || known.get().hours === null;
  await Promise.all([
    part("capacity", "quotas", (body) => ({ quotas: toQuotas(body) })),
    part("health", "health", (body) => ({ health: toHealth(body) })),
    part("jobs", "jobs", (body) => ({ jobs: toJobs(body) })),
    part("traffic", `stats?hours=${whole ? HOURS : 1}`, (body) => {
      const { hours, now } = toStats(body);
      if (whole) dayReadAt = Date.now();
      return { now, hours: withNewest(whole ? [] : (known.get().hours ?? []), hours) };
    }),
    part("configuration", "config", (body) => ({ config: toConfig(body) })),
    part("store operations", "store-operations", (body) => ({ operations: toOperations(body) })),
  ]);
  const { config, history } = known.get();
  if (config && !problems.has("configuration") && history[0]?.version !== config.version && config.version > 0) {
    await part("history", "config/history", (body) => ({ history: toHistory(body) }));
  }
  if (session.get().method !== who) return;
  known.update({
    problem: problems.values().next().value ?? null,
    failed: [...problems.keys()],
    ...(problems.size === 0 && { updated: Date.now() }),
  });
}

/** The hours with the newest ones put in their place, oldest first, no more than a day. */
function withNewest(held: Hour[], read: Hour[]): Hour[] {
  const byHour = new Map([...held, ...read].map((hour) => [hour.hour, hour]));
  return [...byHour.values()].sort((a, b) => a.hour.localeCompare(b.hour)).slice(-HOURS);
}

export const problemFrom = (error: unknown): Problem =>
  error instanceof ApiError ? error.problem : { code: "unknown", message: "The answer could not be read." };

/** Stores a merge patch. Raises ApiError, whose message names everything that is wrong with it. */
export async function patchConfig(patch: object): Promise<void> {
  await sendJson("PATCH", "/admin/api/config", await token(), patch);
  await refresh();
}

/** Puts an earlier version in force again, as a new version. Raises ApiError. */
export async function rollBack(version: number): Promise<void> {
  await sendJson("POST", "/admin/api/config/rollback", await token(), { version });
  await refresh();
}
