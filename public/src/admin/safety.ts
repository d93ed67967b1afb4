// Sums of the safety figures, which the server counts among an hour's incidents.
import { CATEGORIES, type Category } from "../safety.ts";
import type { Hour } from "./shapes.ts";

/** The incident that counts a category's refusals. The two screens count theirs under their own names. */
const COUNTED: Partial<Record<Category, string>> = { PROMPT_INJECTION: "injection_blocked", PERSONAL_DATA: "personal_blocked" };
const incidentOf = (category: Category): string => COUNTED[category] ?? `violation_${category}`;

const OURS =
  /^(guard_\w+|not_scanned|blocked_(input|output)|violation_\w+|injection_\w+|personal_\w+|classified_\w+|reclassified)$/;

/** Whether an incident tells of safety or sorting, and nothing of who called. */
export const isSafety = (incident: string): boolean => OURS.test(incident);

/** A category's class in the style sheet: `of-self-harm`. */
export const cssName = (category: string): string => `of-${category.toLowerCase().replaceAll("_", "-")}`;

export interface SafetyFigures {
  checks: number;
  /** Milliseconds, summed over the checks. */
  guardMs: number;
  calls: number;
  notScanned: number;
  /** Refused: all, and of these messages of users; the rest are answers. */
  blocked: number;
  blockedMessages: number;
  /** Personal data in answers, masked and only reported; injections let by. */
  masked: number;
  reported: number;
  letBy: number;
  /** Requests sorted into a category: by the local classifier, by a model, from memory, and again. */
  local: number;
  asked: number;
  remembered: number;
  again: number;
}

export function safetyOf(hours: Hour[]): SafetyFigures {
  const sum = (incident: string) => hours.reduce((total, hour) => total + (hour.incidents.get(incident) ?? 0), 0);
  const blockedMessages = MESSAGES.reduce((total, incident) => total + sum(incident), 0);
  return {
    checks: sum("guard_checks"),
    guardMs: sum("guard_ms"),
    calls: sum("guard_calls"),
    notScanned: sum("not_scanned"),
    blocked: hours.reduce((total, hour) => total + blockedIn(hour), 0),
    blockedMessages,
    masked: sum("personal_redacted"),
    reported: sum("personal_flagged"),
    letBy: sum("injection_flagged"),
    local: sum("classified_local"),
    asked: sum("classified_llm"),
    remembered: sum("classified_cache"),
    again: sum("reclassified"),
  };
}

/** Refusals of an hour by category, in the order of `CATEGORIES`. */
export const refusalsOf = (hour: Hour | undefined): number[] =>
  CATEGORIES.map((category) => hour?.incidents.get(incidentOf(category)) ?? 0);

/** Incidents that each count a refused message, or a refused answer. */
const MESSAGES = ["blocked_input", "injection_blocked"];
const ANSWERS = ["blocked_output", "personal_blocked"];

export const blockedIn = (hour: Hour): number =>
  [...MESSAGES, ...ANSWERS].reduce((sum, incident) => sum + (hour.incidents.get(incident) ?? 0), 0);

const counted = (hour: Hour): boolean => [...hour.incidents.keys()].some(isSafety);

/** The hours to tell of: the day's, or this instance's own until the day's are stored. */
export function spanOfSafety(hours: Hour[] | null, now: Hour | null): { hours: Hour[]; own: boolean } {
  const own = hours !== null && now !== null && !hours.some(counted) && counted(now);
  return { hours: own ? [now] : (hours ?? []), own };
}
