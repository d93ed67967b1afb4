// The admin API's answers in one form. Whatever is missing on the wire is zero, empty or null here.

export const LIMITS = ["rpm", "rpd", "tpm", "tpd", "characters_per_month"] as const;
export type LimitName = (typeof LIMITS)[number];

export interface Lease {
  holder: string;
  requests: number;
  tokens: number;
  characters: number;
  remaining: number;
}

/** Use and limits of one provider (`model` null) or one of its models. Waits in seconds. */
export interface Quota {
  provider: string;
  model: string | null;
  limits: Partial<Record<LimitName, number>>;
  used: Record<LimitName, number>;
  /** 0 to 1: the fullest of its limits. */
  utilization: number;
  held: Lease[];
  closed: { reason: string; remaining: number } | null;
  dayReset: string;
  /** The store did not answer: what was last known. */
  stale: boolean;
}

export interface Health {
  provider: string;
  model: string | null;
  health: string;
  cooldown: number;
  consecutiveFailures: number;
}

export interface JobRow {
  id: string;
  kind: string;
  status: string;
  priority: number | null;
  /** How many are before it in line. */
  ahead: number | null;
  attempts: number;
  /** Unix milliseconds. */
  createdAt: number | null;
  startedAt: number | null;
}

export interface Jobs {
  queued: number;
  running: number;
  rows: JobRow[];
}

export interface CategoryFigures {
  name: string;
  requests: number;
  answered: number;
  fallbacks: number;
  depth: number;
  primary: number;
}

/** Attempts at models, added up. */
export interface Attempts {
  requests: number;
  successes: number;
  errors: number;
  /** Sum over the successes. */
  latencyMs: number;
}

export interface Hour {
  /** `2026112605`: UTC. */
  hour: string;
  categories: CategoryFigures[];
  providers: Map<string, Attempts>;
  /** What happened to callers and what safety did, by its name: `blocked`, `guard_checks`. */
  incidents: Map<string, number>;
}

export interface Version {
  version: number;
  /** Unix milliseconds. */
  changedAt: number | null;
  changedBy: string;
  patch: Loose;
  /** The version that was gone back to, where this one came about so. */
  rolledBackTo: number | null;
}

export interface Config {
  version: number;
  config: Loose;
  stored: Loose;
  /** Why what is stored cannot be used; then `config` is the one that stayed in force. */
  problems: string[];
}

export interface Operations {
  rows: { name: string; reads: number; writes: number; deletes: number }[];
  /** Unix milliseconds. */
  since: number | null;
}

export type Loose = Record<string, unknown>;

export const object = (value: unknown): Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
export const list = (value: unknown): Loose[] => (Array.isArray(value) ? value.map(object) : []);
export const text = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(text).filter(Boolean) : []);
const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** Unix seconds or an ISO time, as Unix milliseconds. */
export function moment(value: unknown): number | null {
  const time = typeof value === "number" ? value * 1000 : Date.parse(text(value));
  return Number.isNaN(time) ? null : time;
}

export function toQuotas(body: unknown): Quota[] {
  return list(object(body).data).map((row) => {
    const [limits, used] = [object(row.limits), object(row.used)];
    const [minute, day, month] = [object(used.minute), object(used.day), object(used.month)];
    const closed = row.closed ? object(row.closed) : null;
    return {
      provider: text(row.provider),
      model: text(row.model) || null,
      limits: Object.fromEntries(
        LIMITS.filter((name) => typeof limits[name] === "number").map((name) => [name, number(limits[name])]),
      ),
      used: {
        rpm: number(minute.requests),
        tpm: number(minute.tokens),
        rpd: number(day.requests),
        tpd: number(day.tokens),
        characters_per_month: number(month.characters),
      },
      utilization: number(row.utilization),
      held: list(row.held).map((lease) => ({
        holder: text(lease.holder),
        requests: number(lease.requests),
        tokens: number(lease.tokens),
        characters: number(lease.characters),
        remaining: number(lease.remaining_s),
      })),
      closed: closed && { reason: text(closed.reason), remaining: number(closed.remaining_s) },
      dayReset: text(row.day_reset),
      stale: row.stale === true,
    };
  });
}

export function toHealth(body: unknown): Health[] {
  return list(object(body).data).map((row) => ({
    provider: text(row.provider),
    model: text(row.model) || null,
    health: text(row.health),
    cooldown: number(row.cooldown_s),
    consecutiveFailures: number(row.consecutive_failures),
  }));
}

export function toJobs(body: unknown): Jobs {
  const counts = object(object(body).counts);
  return {
    queued: total(counts.queued),
    running: total(counts.running),
    rows: list(object(body).data).map((row) => ({
      id: text(row.id),
      kind: text(row.kind),
      status: text(row.status),
      priority: numberOrNull(row.priority),
      ahead: numberOrNull(row.position),
      attempts: number(row.attempts),
      createdAt: moment(row.created_at),
      startedAt: moment(row.started_at),
    })),
  };
}

/** A count, or counts by kind. */
const total = (value: unknown): number =>
  typeof value === "number" ? value : Object.values(object(value)).reduce<number>((sum, each) => sum + number(each), 0);

export function toStats(body: unknown): { hours: Hour[]; now: Hour } {
  return {
    hours: list(object(body).data).map(toHour),
    now: toHour(object(object(body).now)),
  };
}

function toHour(row: Loose): Hour {
  const categories = Object.entries(object(row.categories)).map(([name, value]) => {
    const figures = object(value);
    return {
      name,
      requests: number(figures.requests),
      answered: number(figures.answered),
      fallbacks: number(figures.fallbacks),
      depth: number(figures.depth),
      primary: number(figures.primary_successes),
    };
  });
  const providers = new Map(
    Object.entries(object(row.providers)).map(([name, value]) => [name, toAttempts(object(value))] as const),
  );
  const incidents = new Map(Object.entries(object(row.incidents)).map(([name, count]) => [name, number(count)] as const));
  return { hour: text(row.hour), categories, providers, incidents };
}

function toAttempts(figures: Loose): Attempts {
  const successes = number(figures.successes);
  return {
    requests: number(figures.requests),
    successes,
    errors: number(figures.errors),
    latencyMs: typeof figures.latency_ms === "number" ? figures.latency_ms : number(figures.mean_latency_ms) * successes,
  };
}

export function toConfig(body: unknown): Config {
  const row = object(body);
  return { version: number(row.version), config: object(row.config), stored: object(row.stored), problems: texts(row.problems) };
}

export function toHistory(body: unknown): Version[] {
  return list(object(body).data).map((row) => ({
    version: number(row.version),
    changedAt: moment(row.changed_at),
    changedBy: text(row.changed_by),
    patch: object(row.patch),
    rolledBackTo: numberOrNull(row.rolled_back_to),
  }));
}

export function toOperations(body: unknown): Operations {
  const rows = Object.entries(object(object(body).data)).map(([name, value]) => {
    const counts = object(value);
    return { name, reads: number(counts.reads), writes: number(counts.writes), deletes: number(counts.deletes) };
  });
  rows.sort((a, b) => b.reads + b.writes + b.deletes - (a.reads + a.writes + a.deletes) || a.name.localeCompare(b.name));
  return { rows, since: moment(object(body).since) };
}
