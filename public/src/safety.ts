// Safety in plain words, for both pages: what is refused and why, kinds of personal data.
import type { Problem } from "./api/types.ts";
import { words } from "./format.ts";

/** Why something is refused: the guard's seven categories (R2.4), then the two local screens'. */
export const CATEGORIES = [
  "HATE_SPEECH", "VIOLENCE", "SEXUAL_CONTENT", "SELF_HARM", "DANGEROUS_CONTENT", "HARASSMENT",
  "ILLEGAL_ACTIVITY", "PROMPT_INJECTION", "PERSONAL_DATA",
] as const;
export type Category = (typeof CATEGORIES)[number];

/** A category as people say it. */
export const categoryName = (category: string): string =>
  category === "SELF_HARM" ? "self-harm" : words(category);

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Kinds of personal data: one of it, and several. */
const KINDS: Record<string, readonly [string, string]> = {
  EMAIL: ["an e-mail address", "e-mail addresses"],
  PHONE: ["a phone number", "phone numbers"],
  CARD: ["a card number", "card numbers"],
  IBAN: ["an IBAN", "IBANs"],
  BANK_ACCOUNT: ["a bank account number", "bank account numbers"],
  ID: ["an identity number", "identity numbers"],
  IP: ["an IP address", "IP addresses"],
  LICENCE: ["a driving licence number", "driving licence numbers"],
  PASSPORT: ["a passport number", "passport numbers"],
  SECRET: ["a key, token or password", "keys, tokens or passwords"],
};
const joined = new Intl.ListFormat("en-GB");

/** 2 e-mail addresses and a phone number; "" where nothing was found. */
export function personalWords(found: Record<string, number>): string {
  const parts = Object.entries(found)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => {
      const [one, several] = KINDS[kind] ?? [`1 ${words(kind)}`, words(kind)];
      return count === 1 ? one : `${count} ${several}`;
    });
  return joined.format(parts);
}

export const countOf = (found: Record<string, number>): number =>
  Object.values(found).reduce((sum, count) => sum + count, 0);

const REFUSALS = ["safety_violation", "injection_detected", "content_filter"];

/** Whether the request or its answer was refused for what it says: asking again is no way out. */
export const isRefusal = (problem: Problem): boolean => REFUSALS.includes(problem.code);

/** Whether the message itself was refused, so that no model has seen it. */
export const refusedMessage = (problem: Problem | undefined): boolean =>
  problem !== undefined &&
  (problem.code === "injection_detected" || (problem.code === "safety_violation" && problem.stage !== "output"));

/** What was refused, in a few words. `shown`: text of the answer had come before. */
export function refusalTitle(problem: Problem, shown: boolean): string {
  if (problem.code === "content_filter") return "Refused by the provider";
  if (problem.code === "injection_detected") return "Your message was blocked: prompt injection";
  const why = problem.category ? `: ${categoryName(problem.category)}` : "";
  if (problem.stage !== "output") return `Your message was blocked${why}`;
  return `${shown ? "The rest of the answer" : "The answer"} was withheld${why}`;
}

/** What became of it, and what can be done. */
export function refusalAdvice(problem: Problem, shown: boolean): string {
  if (problem.code === "content_filter") {
    return "Rephrase the request. It is not sent to another provider to get around a refusal.";
  }
  if (refusedMessage(problem)) return "No model has seen it, and it is left out of what you ask next.";
  return shown
    ? "What stands above had passed the check. What follows it is not shown."
    : "Nothing of it was shown.";
}
