// Who is asking. The page knows sign-in only through `SignIn`: under `make run` a name is enough,
// elsewhere a token is pasted. Firebase sign-in becomes one more implementation in its own module.
import { createStore, load, save } from "./state/store.ts";

export interface SignIn {
  /** What the page shows: a name, never the token. */
  label(): string;
  /** The bearer token for the next request; fetched again each time because tokens expire. */
  token(): Promise<string>;
  /** What may stand in a code sample: a dev token, or a placeholder. Never a secret. */
  sample(): string;
}

export const DEV_USERS = ["alice", "bob", "admin"] as const;

/** `Bearer dev-<uid>`: taken by `make run` alone, no deployed function knows it. */
class DevSignIn implements SignIn {
  constructor(readonly uid: string) {}
  label = () => this.uid;
  token = () => Promise.resolve(`dev-${this.uid}`);
  sample = () => `dev-${this.uid}`;
}

/** A pasted ID token or `ck_` key. Kept for this tab only. */
class TokenSignIn implements SignIn {
  constructor(readonly bearer: string) {}
  label = () => "own token";
  token = () => Promise.resolve(this.bearer);
  sample = () => "YOUR_TOKEN";
}

/** Nobody yet: requests go without a token, and the server's 401 says what to do. */
class SignedOut implements SignIn {
  label = () => "Sign in";
  token = () => Promise.resolve("");
  sample = () => "YOUR_TOKEN";
}

interface Session {
  method: SignIn;
}

/** Who a page starts as under `make run`: the dashboard as an administrator, apart from the chat. */
const FIRST_USER =
  document.querySelector<HTMLMetaElement>('meta[name="codeex-first-user"]')?.content || "alice";
const USER_KEY = FIRST_USER === "admin" ? "codeex.admin-user.v1" : "codeex.user.v1";
const TOKEN_KEY = "codeex.token.v1";

export const session = createStore<Session>({ method: restored() });

function restored(): SignIn {
  const bearer = load<string>(TOKEN_KEY, "", tabStorage());
  if (bearer) return new TokenSignIn(bearer);
  const uid = load<string>(USER_KEY, isThisMachine(location.hostname) ? FIRST_USER : "");
  return uid ? new DevSignIn(uid) : new SignedOut();
}

/** Called once the simulator has shown that this is `make run`, on whatever address. */
export function allowDevUser(): void {
  if (session.get().method instanceof SignedOut) session.set({ method: new DevSignIn(FIRST_USER) });
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined;
  }
}

/** Whether the page comes from this very machine, as under `make run` with live keys. */
export function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}

/** A uid as `make run` takes it. */
export const isUid = (value: string): boolean => /^[\w.@-]{1,128}$/.test(value);

export function signInAs(uid: string): void {
  save(USER_KEY, uid);
  save(TOKEN_KEY, "", tabStorage());
  session.set({ method: new DevSignIn(uid) });
}

export function signInWithToken(bearer: string): void {
  save(TOKEN_KEY, bearer, tabStorage());
  session.set({ method: new TokenSignIn(bearer) });
}

export const token = (): Promise<string> => session.get().method.token();
