// What a site with Firebase sign-in has around it: pages built for it, Hosting's configuration address,
// and the addresses of Firebase Authentication that the SDK asks, as the Auth emulator answers them
// (https://cloud.google.com/identity-platform/docs/use-rest-api). Tokens are unsigned, as the emulator's.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const PROJECT = "demo-pages";
const pages = fileURLToPath(new URL("../../../public", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/** Listens on a free port of 127.0.0.1; {url, host, close}. */
export function listen(handle) {
  const server = createServer((request, response) => {
    Promise.resolve(handle(request, response)).catch(() => response.destroy());
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const host = `127.0.0.1:${server.address().port}`;
      const close = () => new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      });
      resolve({ url: `http://${host}`, host, close });
    });
  });
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * Firebase Authentication. `state` is the test's: `accounts` by e-mail, `lifeSeconds` of a token,
 * `anonymous` whether that way is switched on, `renewed` and `letters` count what was asked.
 */
export async function startAuth() {
  const state = { accounts: new Map(), lifeSeconds: 3600, anonymous: true, renewed: 0, letters: [], revoked: new Set() };
  const users = new Map();
  const add = (user) => {
    user.localId = `uid${users.size + 1}`;
    users.set(user.localId, user);
    return user;
  };
  const tokenFor = (user) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: `https://securetoken.google.com/${PROJECT}`, aud: PROJECT, sub: user.localId, user_id: user.localId,
      iat: now, auth_time: now, exp: now + Math.max(state.lifeSeconds, 60), turn: state.renewed, email: user.email,
      firebase: { sign_in_provider: user.email ? "password" : "anonymous", identities: {} },
    };
    return `${base64url({ alg: "none", typ: "JWT" })}.${base64url(claims)}.`;
  };
  const signedIn = (user) => [200, {
    localId: user.localId, email: user.email, idToken: tokenFor(user), refreshToken: `refresh-${user.localId}`, expiresIn: String(state.lifeSeconds),
  }];
  const refused = (message) => [400, { error: { code: 400, message, errors: [{ message, domain: "global", reason: "invalid" }] } }];
  const ways = {
    "/identitytoolkit.googleapis.com/v1/accounts:signUp"({ email, password }) {
      if (!email) return state.anonymous ? signedIn(add({})) : refused("ADMIN_ONLY_OPERATION");
      if (state.accounts.has(email)) return refused("EMAIL_EXISTS");
      if (password.length < 6) return refused("WEAK_PASSWORD : Password should be at least 6 characters");
      const user = add({ email, password });
      state.accounts.set(email, user);
      return signedIn(user);
    },
    "/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword"({ email, password }) {
      const user = state.accounts.get(email);
      return user?.password === password ? signedIn(user) : refused("INVALID_LOGIN_CREDENTIALS");
    },
    "/identitytoolkit.googleapis.com/v1/accounts:lookup"({ idToken }) {
      const { sub } = JSON.parse(Buffer.from(idToken.split(".")[1], "base64url"));
      const user = users.get(sub);
      if (!user) return refused("USER_NOT_FOUND");
      const providerUserInfo = user.email ? [{ providerId: "password", email: user.email, rawId: user.email }] : [];
      return [200, { users: [{ localId: sub, email: user.email, providerUserInfo, validSince: "1", lastLoginAt: "1", createdAt: "1" }] }];
    },
    "/identitytoolkit.googleapis.com/v1/accounts:sendOobCode"({ email }) {
      state.letters.push(email);
      return [200, { email }];
    },
    "/securetoken.googleapis.com/v1/token"(form) {
      const uid = form.refresh_token.replace("refresh-", "");
      if (state.revoked.has(uid)) return refused("TOKEN_EXPIRED");
      state.renewed += 1;
      const token = tokenFor(users.get(uid));
      return [200, { id_token: token, access_token: token, refresh_token: form.refresh_token, expires_in: String(state.lifeSeconds), user_id: uid, project_id: PROJECT, token_type: "Bearer" }];
    },
  };
  const served = await listen(async (request, response) => {
    const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*", "Content-Type": "application/json" };
    if (request.method === "OPTIONS") return response.writeHead(204, headers).end();
    let raw = "";
    for await (const part of request.setEncoding("utf8")) raw += part;
    const way = ways[new URL(request.url, "http://auth").pathname];
    if (!way) return response.writeHead(404, headers).end("{}");
    const body = raw.startsWith("{") ? JSON.parse(raw) : Object.fromEntries(new URLSearchParams(raw));
    const [status, answer] = way(body);
    response.writeHead(status, headers).end(JSON.stringify(answer));
  });
  return { ...served, state };
}

/** The pages as `settings` (of build.mjs) build them, and `configuration` where Hosting has it (null: none). */
export async function startPages(settings, configuration) {
  const dist = await mkdtemp(join(tmpdir(), "codeex-pages-"));
  execFileSync("node", ["build.mjs"], { cwd: pages, env: { ...process.env, ...settings, CODEEX_PAGES_DIST: dist }, stdio: "pipe" });
  const served = await listen(async (request, response) => {
    const { pathname } = new URL(request.url, "http://pages");
    if (pathname === "/__/firebase/init.json" && configuration) {
      return response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(configuration));
    }
    const name = { "/": "index.html", "/admin": "admin.html" }[pathname] ?? normalize(pathname);
    const content = await readFile(join(dist, name)).catch(() => null);
    response.writeHead(content ? 200 : 404, { "Content-Type": TYPES[extname(name)] ?? "text/plain" });
    response.end(content ?? "No such page.");
  });
  const close = async () => {
    await served.close();
    await rm(dist, { recursive: true, force: true });
  };
  return { ...served, close };
}
