// Who is asking. The page knows sign-in only through `SignIn`: under `make run` a name is enough, on a
// site built for Firebase an account's ID token is asked for anew for every request, and anywhere a
// token of one's own may be pasted.
import type { Accounts, AccountUser } from "./firebase.ts";
import { ApiError, connectionProblem } from "./api/problems.ts";
import { createStore, load, save } from "./state/store.ts";

/** Whether the pages were built for Firebase sign-in (CODEEX_SIGN_IN); set by build.mjs. */
declare const FIREBASE_SIGN_IN: boolean;
export const withAccounts: boolean = FIREBASE_SIGN_IN;

export interface SignIn {
  /** What the page shows: a name, never the token. */
  label(): string;
  /** The bearer token for the next request; fetched again each time because tokens expire. */
  token(): Promise<string>;
  /** What may stand in a code sample: a dev token, or a placeholder. Never a secret. */
  sample(): string;
}

export const DEV_USERS = [
  ["alice", "has her own chats, keys and limits"],
  ["bob", "another user, who sees nothing of alice's"],
  ["admin", "an administrator, for the dashboard"],
] as const;

/** `Bearer dev-<uid>`: taken by `make run` alone, no deployed function knows it. */
class DevSignIn implements SignIn {
  constructor(readonly uid: string) {}
  label = () => this.uid;
  token = () => Promise.resolve(`dev-${this.uid}`);
  sample = () => `dev-${this.uid}`;
}

/** A pasted ID token or `ck_` key. Kept for this tab only. */
export class TokenSignIn implements SignIn {
  constructor(readonly bearer: string) {}
  label = () => "own token";
  token = () => Promise.resolve(this.bearer);
  sample = () => "YOUR_TOKEN";
}

/** A Firebase account; the SDK renews its ID token when it is about to end. */
export class AccountSignIn implements SignIn {
  constructor(readonly user: AccountUser) {}
  label = () => this.user.name;
  sample = () => "YOUR_TOKEN";
  async token(): Promise<string> {
    try {
      return await this.user.idToken();
    } catch {
      if (!navigator.onLine) throw new ApiError(connectionProblem());
      const message = "Your sign-in could not be renewed. Try again, or sign in again.";
      throw new ApiError({ code: "unauthenticated", message });
    }
  }
}

/** Nobody yet: requests go without a token, and the server's 401 says what to do. */
class SignedOut implements SignIn {
  label = () => "Sign in";
  token = () => Promise.resolve("");
  sample = () => "YOUR_TOKEN";
}

/** While Firebase looks whether somebody is signed in; requests wait for what it finds. */
class Starting extends SignedOut {
  override token = async (): Promise<string> => {
    await accounts().catch(() => undefined);
    const { method } = session.get();
    return method === this ? "" : method.token();
  };
}

interface Session {
  method: SignIn;
  /** Why nobody can sign in with an account here; empty where they can. */
  problem: string;
}

/** Who a page starts as under `make run`: the dashboard as an administrator, apart from the chat. */
const FIRST_USER =
  document.querySelector<HTMLMetaElement>('meta[name="codeex-first-user"]')?.content || "alice";
const USER_KEY = FIRST_USER === "admin" ? "codeex.admin-user.v1" : "codeex.user.v1";
const TOKEN_KEY = "codeex.token.v1";
const NAMES_KEY = "codeex.names.v1";
const NAMES_KEPT = 3;

export const session = createStore<Session>({ method: restored(), problem: "" });

function restored(): SignIn {
  const bearer = load<string>(TOKEN_KEY, "", tabStorage());
  if (bearer) return new TokenSignIn(bearer);
  if (withAccounts) return new Starting();
  const uid = load<string>(USER_KEY, isThisMachine(location.hostname) ? FIRST_USER : "");
  return uid ? new DevSignIn(uid) : new SignedOut();
}

/** Called once the simulator has shown that this is `make run`, on whatever address. */
export function allowDevUser(): void {
  if (withAccounts || !(session.get().method instanceof SignedOut)) return;
  session.update({ method: new DevSignIn(FIRST_USER) });
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

/** Names used here before that nobody else offers, the last one first. */
export const ownNames = (): string[] => load<string[]>(NAMES_KEY, []).filter(isUid).slice(0, NAMES_KEPT);

export function signInAs(uid: string): void {
  if (!DEV_USERS.some(([name]) => name === uid)) {
    save(NAMES_KEY, [uid, ...ownNames().filter((name) => name !== uid)].slice(0, NAMES_KEPT));
  }
  save(USER_KEY, uid);
  become(new DevSignIn(uid), "");
}

export function signInWithToken(bearer: string): void {
  become(new TokenSignIn(bearer), bearer);
}

/** Drops a pasted token, or signs the account out. */
export async function signOut(): Promise<void> {
  if (session.get().method instanceof AccountSignIn) return void (await (await accounts()).signOut());
  save(TOKEN_KEY, "", tabStorage());
  become(restored(), "");
  if (withAccounts) took((await accounts()).current());
}

/** Signs in with an account by what `how` does; a pasted token has had its day. */
export async function signInWithAccount(how: (of: Accounts) => Promise<void>): Promise<void> {
  const all = await accounts();
  await how(all);
  save(TOKEN_KEY, "", tabStorage());
  took(all.current());
}

let starting: Promise<Accounts> | undefined;
if (withAccounts) void accounts().catch(() => undefined);

/** Firebase sign-in, fetched once and only where the pages were built for it. Raises Error. */
function accounts(): Promise<Accounts> {
  starting ??= startAccounts();
  return starting;
}

async function startAccounts(): Promise<Accounts> {
  try {
    const { start } = FIREBASE_SIGN_IN ? await import("./firebase.ts") : withoutAccounts();
    return await start((user) => {
      if (!(session.get().method instanceof TokenSignIn)) took(user);
    });
  } catch (error) {
    starting = undefined; // the next who asks tries again
    const problem = error instanceof Error ? error.message : "Sign-in could not be started.";
    const { method } = session.get();
    session.set({ method: method instanceof Starting ? new SignedOut() : method, problem });
    throw error;
  }
}

function withoutAccounts(): never {
  throw new Error("These pages were built without sign-in.");
}

function took(user: AccountUser | null): void {
  session.set({ method: user ? new AccountSignIn(user) : new SignedOut(), problem: "" });
}

function become(method: SignIn, bearer: string): void {
  save(TOKEN_KEY, bearer, tabStorage());
  session.update({ method });
}

export const token = (): Promise<string> => session.get().method.token();
