// JSON merge patches (RFC 7396): what they would change, line by line.
import type { Loose } from "./shapes.ts";

export interface Change {
  keys: string[];
  /** undefined: was not there. */
  before: unknown;
  /** undefined: goes back to its default. */
  after: unknown;
}

/** A value that is no object, and the keys on the way to it. (Model ids have dots: no paths here.) */
export interface Leaf {
  keys: string[];
  value: unknown;
}

const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isFilled = (value: unknown): value is Loose => isObject(value) && Object.keys(value).length > 0;

/** The values that `patch` changes in `config`; a null gives back to its default what is `stored`. */
export function changes(config: unknown, stored: Loose, patch: Loose, above: string[] = []): Change[] {
  const known = isObject(config) ? config : {};
  return Object.entries(patch).flatMap(([key, value]): Change[] => {
    const keys = [...above, key];
    const before = known[key];
    if (isFilled(value)) return changes(before, stored, value, keys);
    if (value === null) return isStored(stored, keys) ? [{ keys, before, after: undefined }] : [];
    if (isObject(value) && isObject(before)) return []; // {} merges nothing into what is there
    return JSON.stringify(before) === JSON.stringify(value) ? [] : [{ keys, before, after: value }];
  });
}

/** Every value that is no object; empty objects count as values. */
export function leaves(value: unknown, above: string[] = []): Leaf[] {
  if (!isFilled(value)) return [{ keys: above, value }];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, [...above, key]));
}

/** Whether anything at or below these keys is set in `stored`. */
export function isStored(stored: Loose, keys: string[]): boolean {
  let value: unknown = stored;
  for (const key of keys) {
    if (!isObject(value)) return value !== undefined; // a whole value above was stored
    value = value[key];
  }
  return value !== undefined;
}

/** A patch from text, or why it is none. */
export function parsePatch(text: string): { patch: Loose } | { problem: string } {
  if (text.trim() === "") return { problem: "" };
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return { patch: value };
    return { problem: "A merge patch is an object, like {\"flags\": {...}}." };
  } catch (error) {
    return { problem: where(text, error instanceof Error ? error.message : "") };
  }
}

function where(text: string, message: string): string {
  const at = /position (\d+)/.exec(message)?.[1];
  if (at === undefined) return `Not JSON yet: ${message.replace(/^JSON\.parse: /, "")}`;
  const before = text.slice(0, Number(at));
  const line = before.split("\n").length;
  return `Not JSON yet, at line ${line}, column ${Number(at) - before.lastIndexOf("\n")}.`;
}

/** The problems in the server's refusal, one each, without the sentence that introduces them. */
export const problemsIn = (message: string): string[] =>
  message
    .replace(/^nothing was changed[^:]*:\s*/i, "")
    .split(/\n|;\s+/)
    .map((line) => line.trim())
    .filter(Boolean);
