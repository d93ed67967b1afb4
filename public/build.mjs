// Bundles the pages into dist/: hashed assets, one HTML file, a strict content security policy.
//
// CODEEX_API_ORIGIN (optional): where the functions answer when it is not the page's own origin.
// Firebase Hosting buffers streams, so a deployed playground should call the chat function directly.
import { gzipSync } from "node:zlib";
import { mkdir, readFile, rm, writeFile, copyFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const apiOrigin = (process.env.CODEEX_API_ORIGIN ?? "").replace(/\/+$/, "");
if (apiOrigin && !/^https?:\/\/[^\s/"'<>]+(\/[^\s"'<>]*)?$/.test(apiOrigin)) {
  console.error(`CODEEX_API_ORIGIN: expected an http(s) address, found ${apiOrigin}`);
  process.exit(1);
}

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, "assets"), { recursive: true });

const shared = {
  absWorkingDir: here,
  outdir: join(dist, "assets"),
  bundle: true,
  minify: true,
  metafile: true,
  target: "es2022",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  legalComments: "none",
  logLevel: "warning",
};
const results = await Promise.all([
  build({
    ...shared,
    entryPoints: ["src/main.tsx"],
    format: "esm",
    splitting: true,
    jsx: "automatic",
    jsxImportSource: "preact",
  }),
  build({ ...shared, entryPoints: ["src/theme.ts"], format: "iife" }),
  build({ ...shared, entryPoints: ["src/styles/main.css"] }),
]);

const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
const entry = (source) => {
  const found = Object.entries(outputs).find(([, output]) => output.entryPoint === source);
  return { url: `/assets/${basename(found[0])}`, output: found[1] };
};
const main = entry("src/main.tsx");
// Chunks the entry needs at once are fetched beside it, not after it.
const eager = main.output.imports
  .filter((item) => item.kind === "import-statement")
  .map((item) => `/assets/${basename(item.path)}`);

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  `connect-src 'self'${apiOrigin ? ` ${new URL(apiOrigin).origin}` : ""}`,
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types dompurify",
].join("; ");

const fill = {
  POLICY: policy,
  API_ORIGIN: apiOrigin,
  THEME: entry("src/theme.ts").url,
  STYLE: entry("src/styles/main.css").url,
  MAIN: main.url,
  PRELOAD: eager.map((url) => `<link rel="modulepreload" href="${url}">`).join(""),
};
const template = await readFile(join(here, "src/index.html"), "utf8");
await writeFile(
  join(dist, "index.html"),
  template.replace(/%([A-Z_]+)%/g, (_, name) => fill[name]),
);
await copyFile(join(here, "src/favicon.svg"), join(dist, "favicon.svg"));

let initial = 0;
for (const url of [main.url, ...eager, fill.THEME]) {
  initial += gzipSync(await readFile(join(dist, url))).length;
}
const html = (await stat(join(dist, "index.html"))).size;
console.log(`dist: ${Object.keys(outputs).length} assets, initial JS ${(initial / 1024).toFixed(1)} KB gzip, index.html ${html} bytes`);
