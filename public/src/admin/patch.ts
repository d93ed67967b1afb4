// JSON merge patches (RFC 7396): what they would change, line by line.
import type { Loose } from "./shapes.ts";

export interface Change {
  path: string;
  /** undefined: was not there, or is given back to its default. */
  before: unknown;
  after: unknown;
}

const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The values that `patch` changes in `config`; a null gives a value back to its default. */
export function changes(config: unknown, patch: Loose, below = ""): Change[] {
  const known = isObject(config) ? config : {};
  return Object.entries(patch).flatMap(([key, value]): Change[] => {
    const path = below ? `${below}.${key}` : key;
    const before = known[key];
    if (isObject(value) && Object.keys(value).length > 0) return changes(before, value, path);
    if (value === null) return before === undefined ? [] : [{ path, before, after: undefined }];
    if (isObject(value) && isObject(before)) return []; // {} merges nothing into what is there
    return JSON.stringify(before) === JSON.stringify(value) ? [] : [{ path, before, after: value }];
  });
}

/** Every value that is no object, with its path. Empty objects count as values. */
export function leaves(value: unknown, path = ""): { path: string; value: unknown }[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [{ path, value }];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, path ? `${path}.${key}` : key));
}

/** Whether anything at or below this path is set in `stored`. */
export function isStored(stored: Loose, path: string): boolean {
  let value: unknown = stored;
  for (const key of path.split(".")) {
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

/** The problems in an error message of the server, one each. */
export const problemsIn = (message: string): string[] =>
  message.split(/\n|;\s+/).map((line) => line.trim()).filter(Boolean);
