// Bundles the pages into dist/: hashed assets, an HTML file a page, a strict content security policy.
//
// CODEEX_API_ORIGIN (optional): where the functions answer when it is not the page's own origin.
// Firebase Hosting buffers streams, so a deployed playground should call the chat function directly.
// CODEEX_SIGN_IN=firebase: people sign in with accounts of the Firebase project that hosts the pages;
// with FIREBASE_AUTH_EMULATOR_HOST at that emulator. CODEEX_PAGES_DIST: another folder than dist/.
import { gzipSync } from "node:zlib";
import { mkdir, readFile, rm, writeFile, copyFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.CODEEX_PAGES_DIST || join(here, "dist");
const apiOrigin = (process.env.CODEEX_API_ORIGIN ?? "").replace(/\/+$/, "");
if (apiOrigin && !/^https?:\/\/[^\s/"'<>]+(\/[^\s"'<>]*)?$/.test(apiOrigin)) {
  console.error(`CODEEX_API_ORIGIN: expected an http(s) address, found ${apiOrigin}`);
  process.exit(1);
}

const signIn = process.env.CODEEX_SIGN_IN ?? "";
if (signIn && signIn !== "firebase") {
  console.error(`CODEEX_SIGN_IN: expected firebase or nothing, found ${signIn}`);
  process.exit(1);
}
const accounts = signIn === "firebase";
const emulatorHost = accounts ? (process.env.FIREBASE_AUTH_EMULATOR_HOST ?? "") : "";
if (emulatorHost && !/^[\w.-]+:\d+$/.test(emulatorHost)) {
  console.error(`FIREBASE_AUTH_EMULATOR_HOST: expected host:port, found ${emulatorHost}`);
  process.exit(1);
}
const authEmulator = emulatorHost && `http://${emulatorHost}`;

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
  define: { FIREBASE_SIGN_IN: String(accounts) }, // false: nothing of the SDK is bundled
};
const results = await Promise.all([
  build({
    ...shared,
    entryPoints: ["src/main.tsx", "src/admin.tsx"], // what both need is split off, once
    format: "esm",
    splitting: true,
    jsx: "automatic",
    jsxImportSource: "preact",
  }),
  build({ ...shared, entryPoints: ["src/theme.ts"], format: "iife" }),
  build({ ...shared, entryPoints: ["src/styles/main.css", "src/styles/admin.css"] }),
]);

const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
const entry = (source) => {
  const found = Object.entries(outputs).find(([, output]) => output.entryPoint === source);
  return { url: `/assets/${basename(found[0])}`, output: found[1] };
};
/** The chunks an entry needs at once, those of its chunks included: fetched beside it, not after it. */
function eager(output, found = new Set()) {
  for (const item of output.imports) {
    if (item.kind !== "import-statement" || found.has(item.path)) continue;
    found.add(item.path);
    eager(outputs[item.path], found);
  }
  return found;
}

// What Firebase sign-in needs: its two services, and for Google's own accounts a script and a frame
// (https://firebase.google.com/docs/auth/web/google-signin).
const google = accounts ? " https://apis.google.com" : "";
const services = accounts ? ["https://identitytoolkit.googleapis.com", "https://securetoken.googleapis.com"] : [];
const frames = ["'self'", "https://*.firebaseapp.com", "https://*.web.app", ...(authEmulator ? [authEmulator] : [])];
const asked = ["'self'", ...(apiOrigin ? [new URL(apiOrigin).origin] : []), ...services, ...(authEmulator ? [authEmulator] : [])];
const policy = [
  "default-src 'none'",
  `script-src 'self'${google}`,
  "style-src 'self'",
  "img-src 'self' data: blob:",
  `connect-src ${asked.join(" ")}`,
  ...(accounts ? [`frame-src ${frames.join(" ")}`] : []),
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  `trusted-types dompurify${accounts ? " default" : ""}`,
].join("; ");

const PAGES = [
  { name: "index", script: "src/main.tsx", style: "src/styles/main.css" },
  { name: "admin", script: "src/admin.tsx", style: "src/styles/admin.css" },
];
const said = [];
for (const { name, script, style } of PAGES) {
  const main = entry(script);
  const beside = [...eager(main.output)].map((path) => `/assets/${basename(path)}`);
  const fill = {
    POLICY: policy,
    API_ORIGIN: apiOrigin,
    AUTH_EMULATOR: authEmulator && `<meta name="codeex-auth-emulator" content="${authEmulator}">`,
    THEME: entry("src/theme.ts").url,
    STYLE: entry(style).url,
    MAIN: main.url,
    PRELOAD: beside.map((url) => `<link rel="modulepreload" href="${url}">`).join(""),
  };
  const template = await readFile(join(here, `src/${name}.html`), "utf8");
  const html = template.replace(/%([A-Z_]+)%/g, (_, key) => fill[key]);
  await writeFile(join(dist, `${name}.html`), html);
  let initial = 0;
  for (const url of [main.url, ...beside, fill.THEME]) {
    initial += gzipSync(await readFile(join(dist, url))).length;
  }
  said.push(`${name}.html with ${(initial / 1024).toFixed(1)} KB gzip of JavaScript at first`);
}
await copyFile(join(here, "src/favicon.svg"), join(dist, "favicon.svg"));
console.log(`dist: ${Object.keys(outputs).length} assets, ${said.join(", ")}`);
