// Syntax colours, fetched when the first code block of a language is complete.
import type { LanguageFn } from "highlight.js";
import { purify } from "./render.ts";

const LANGUAGES: Record<string, () => Promise<{ default: LanguageFn }>> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  go: () => import("highlight.js/lib/languages/go"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  python: () => import("highlight.js/lib/languages/python"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};

const OTHER_NAMES: Record<string, string> = {
  sh: "bash", shell: "bash", zsh: "bash", console: "bash",
  "c++": "c", cpp: "c", h: "c", cs: "csharp", "c#": "csharp",
  golang: "go", js: "javascript", jsx: "javascript", mjs: "javascript",
  py: "python", python3: "python", rs: "rust", ts: "typescript", tsx: "typescript",
  html: "xml", svg: "xml", vue: "xml", yml: "yaml", patch: "diff",
};

/** Longer code stays plain: colouring it would hold up the page. */
const LONGEST = 40_000;

/** Coloured HTML of the code, or null where the language is not known. */
export async function highlight(code: string, language: string): Promise<string | null> {
  const asked = language.toLowerCase();
  const name = OTHER_NAMES[asked] ?? asked;
  const fetchLanguage = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
  if (!fetchLanguage || code.length > LONGEST) return null;
  const [{ default: hljs }, { default: rules }] = await Promise.all([
    import("highlight.js/lib/core"),
    fetchLanguage(),
  ]);
  if (!hljs.getLanguage(name)) hljs.registerLanguage(name, rules);
  return purify(hljs.highlight(code, { language: name, ignoreIllegals: true }).value);
}
