// The current request as code: curl, Python, JavaScript.
import { apiOrigin } from "./api/http.ts";
import type { ChatBody } from "./api/types.ts";

export const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
export type SampleLanguage = (typeof LANGUAGES)[number];

export function sample(language: SampleLanguage, body: ChatBody, token: string): string {
  const base = `${apiOrigin}/v1`;
  if (language === "curl") return curl(base, body, token);
  return language === "Python" ? python(base, body, token) : javascript(base, body, token);
}

function curl(base: string, body: ChatBody, token: string): string {
  const { codeex, ...standard } = body;
  const sent = Object.keys(codeex).length > 0 ? body : standard;
  const json = JSON.stringify(sent, null, 2).replaceAll("'", "'\\''");
  return [
    `curl ${base}/chat/completions ${body.stream ? "--no-buffer " : ""}\\`,
    `  -H 'Authorization: Bearer ${token}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${json}'`,
  ].join("\n");
}

function python(base: string, body: ChatBody, token: string): string {
  const { codeex, ...standard } = body;
  const lines = Object.entries(standard).map(([name, value]) => `    ${name}=${literal(value, 4)},`);
  if (Object.keys(codeex).length > 0) lines.push(`    extra_body={"codeex": ${literal(codeex, 4)}},`);
  return [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${base}", api_key="${token}")`,
    "",
    `${body.stream ? "stream" : "answer"} = client.chat.completions.create(`,
    ...lines,
    ")",
    ...(body.stream
      ? [
          "for chunk in stream:",
          "    if chunk.choices:",
          '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
        ]
      : ["print(answer.choices[0].message.content)"]),
  ].join("\n");
}

function javascript(base: string, body: ChatBody, token: string): string {
  const { codeex, ...standard } = body;
  const sent = Object.keys(codeex).length > 0 ? body : standard;
  return [
    'import OpenAI from "openai";',
    "",
    `const client = new OpenAI({ baseURL: "${base}", apiKey: "${token}" });`,
    "",
    `const ${body.stream ? "stream" : "answer"} = await client.chat.completions.create(${script(sent)});`,
    ...(body.stream
      ? [
          "for await (const chunk of stream) {",
          '  process.stdout.write(chunk.choices[0]?.delta.content ?? "");',
          "}",
        ]
      : ["console.log(answer.choices[0].message.content);"]),
  ].join("\n");
}

/** JSON with the quotes left off the names that don't need them. */
function script(value: object): string {
  return JSON.stringify(value, null, 2).replace(/^(\s*)"([a-z_]+)":/gm, "$1$2:");
}

/** A value as Python writes it, nested lines indented by `indent` more blanks. */
function literal(value: unknown, indent: number): string {
  const pad = " ".repeat(indent);
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === "string")) return JSON.stringify(value).replaceAll('","', '", "');
    const items = value.map((item) => `${pad}    ${literal(item, indent + 4)},`);
    return `[\n${items.join("\n")}\n${pad}]`;
  }
  if (typeof value === "object") {
    const items = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item, indent)}`);
    const line = `{${items.join(", ")}}`;
    return line.includes("\n") || line.length <= 88 ? line : `{\n${items.map((item) => `${pad}    ${item},`).join("\n")}\n${pad}}`;
  }
  return JSON.stringify(value);
}
