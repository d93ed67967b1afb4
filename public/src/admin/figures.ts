// Sums and rates of the traffic figures.
import { isSafety } from "./safety.ts";
import type { Attempts, CategoryFigures, Hour } from "./shapes.ts";

export interface Totals {
  requests: number;
  answered: number;
  fallbacks: number;
  primary: number;
  depth: number;
}

const ZERO: Totals = { requests: 0, answered: 0, fallbacks: 0, primary: 0, depth: 0 };

export function totals(categories: CategoryFigures[]): Totals {
  return categories.reduce(
    (sum, each) => ({
      requests: sum.requests + each.requests,
      answered: sum.answered + each.answered,
      fallbacks: sum.fallbacks + each.fallbacks,
      primary: sum.primary + each.primary,
      depth: sum.depth + each.depth,
    }),
    ZERO,
  );
}

/** The categories of several hours, added up, the busiest first. */
export function byCategory(hours: Hour[]): CategoryFigures[] {
  const found = new Map<string, CategoryFigures>();
  for (const { categories } of hours) {
    for (const each of categories) {
      const sum = totals([...(found.has(each.name) ? [found.get(each.name) as CategoryFigures] : []), each]);
      found.set(each.name, { name: each.name, ...sum });
    }
  }
  return [...found.values()].sort((a, b) => b.requests - a.requests || a.name.localeCompare(b.name));
}

/** Attempts by provider over several hours, the busiest first. */
export function byProvider(hours: Hour[]): (Attempts & { name: string })[] {
  const found = new Map<string, Attempts>();
  for (const { providers } of hours) {
    for (const [name, each] of providers) {
      const sum = found.get(name) ?? { requests: 0, successes: 0, errors: 0, latencyMs: 0 };
      found.set(name, {
        requests: sum.requests + each.requests,
        successes: sum.successes + each.successes,
        errors: sum.errors + each.errors,
        latencyMs: sum.latencyMs + each.latencyMs,
      });
    }
  }
  return [...found].map(([name, each]) => ({ name, ...each })).sort((a, b) => b.requests - a.requests);
}

/** What happened to callers over several hours, the most frequent first; safety has a panel of its own. */
export function byIncident(hours: Hour[]): { name: string; count: number }[] {
  const found = new Map<string, number>();
  for (const { incidents } of hours) {
    for (const [name, count] of incidents) if (!isSafety(name)) found.set(name, (found.get(name) ?? 0) + count);
  }
  return [...found].map(([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count);
}

const isUsed = (hour: Hour): boolean => hour.categories.length > 0 || hour.providers.size > 0;

/** Whether anything was counted in these hours. */
export const anyUsed = (hours: Hour[]): boolean => hours.some(isUsed);

export interface Slot {
  /** UTC hour of the day, 0-23. */
  hour: number;
  key: string;
  requests: number;
  /** Answered by the head of the chain, by another model, by nobody. */
  primary: number;
  rescued: number;
  unanswered: number;
}

/** The last 24 hours up to `now`, oldest first: their keys, and their UTC hours of the day. */
export const lastDay = (now: Date): { key: string; hour: number }[] =>
  Array.from({ length: 24 }, (_, at) => {
    const time = new Date(now.getTime() - (23 - at) * 3_600_000);
    return { key: time.toISOString().slice(0, 13).replace(/\D/g, ""), hour: time.getUTCHours() };
  });

/** The last 24 hours up to `now`, quiet ones included. */
export function slots(hours: Hour[], now: Date): Slot[] {
  const byKey = new Map(hours.map((hour) => [hour.hour, totals(hour.categories)]));
  return lastDay(now).map(({ key, hour }) => {
    const { requests, answered, primary } = byKey.get(key) ?? ZERO;
    return {
      key,
      hour,
      requests,
      primary,
      rescued: Math.max(0, answered - primary),
      unanswered: Math.max(0, requests - answered),
    };
  });
}
