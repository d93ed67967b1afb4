// Firebase Authentication: loaded only on sites that were built for it.
//
// Firebase Hosting serves the project's own configuration at a reserved address, so nothing of it is
// built in and one build fits every project.
import { initializeApp, type FirebaseOptions } from "@firebase/app";
import {
  type Auth,
  browserLocalPersistence,
  browserPopupRedirectResolver,
  connectAuthEmulator,
  createUserWithEmailAndPassword,
  GoogleAuthProvider,
  indexedDBLocalPersistence,
  initializeAuth,
  onAuthStateChanged,
  sendPasswordResetEmail,
  signInAnonymously,
  signInWithEmailAndPassword,
  signInWithPopup,
  signOut,
  type User,
} from "@firebase/auth";

const CONFIGURATION = "/__/firebase/init.json";
/** Where Google's window for its own accounts gets its scripts; nothing else may be loaded. */
const GOOGLE_SCRIPT = /^https:\/\/apis\.google\.com\/(js\/api\.js|_\/scs\/)/;

export interface AccountUser {
  name: string;
  /** The ID token, renewed where it is about to end. */
  idToken(): Promise<string>;
}

/** Every way in raises Error with words for people; `google` ends quietly where its window was closed. */
export interface Accounts {
  current(): AccountUser | null;
  google(): Promise<void>;
  password(email: string, password: string): Promise<void>;
  create(email: string, password: string): Promise<void>;
  forgotten(email: string): Promise<void>;
  anonymous(): Promise<void>;
  signOut(): Promise<void>;
}

/** Starts, and waits until it is known who is signed in. `changed` is told at once and every time after. */
export async function start(changed: (user: AccountUser | null) => void): Promise<Accounts> {
  const auth = initializeAuth(initializeApp(await configuration()), {
    persistence: [indexedDBLocalPersistence, browserLocalPersistence],
  });
  const emulator = document.querySelector<HTMLMetaElement>('meta[name="codeex-auth-emulator"]')?.content;
  if (emulator) connectAuthEmulator(auth, emulator, { disableWarnings: true });
  onAuthStateChanged(auth, (user) => changed(asUser(user)));
  await auth.authStateReady();
  return waysIn(auth);
}

function waysIn(auth: Auth): Accounts {
  return {
    current: () => asUser(auth.currentUser),
    google: () => told(googleWindow(auth)),
    password: (email, password) => told(signInWithEmailAndPassword(auth, email, password)),
    create: (email, password) => told(createUserWithEmailAndPassword(auth, email, password)),
    forgotten: (email) => told(sendPasswordResetEmail(auth, email)),
    anonymous: () => told(signInAnonymously(auth)),
    signOut: () => told(signOut(auth)),
  };
}

async function configuration(): Promise<FirebaseOptions> {
  const response = await fetch(CONFIGURATION, { cache: "no-cache" }).catch(() => null);
  if (!response) throw new Error("Sign-in could not be started: there is no connection.");
  const found = response.ok ? ((await response.json().catch(() => null)) as FirebaseOptions | null) : null;
  if (!found?.apiKey || !found.projectId) {
    throw new Error("This site has no Firebase configuration: link a web app to the Hosting site (docs/deploy.md).");
  }
  return found;
}

async function googleWindow(auth: Auth): Promise<unknown> {
  allowGoogleScripts();
  return signInWithPopup(auth, new GoogleAuthProvider(), browserPopupRedirectResolver);
}

interface TrustedTypes {
  defaultPolicy: object | null;
  createPolicy(name: string, rules: { createScriptURL(url: string): string | null }): object;
}

/** The SDK sets a script's address as plain text, which the page's policy refuses; this names the one allowed. */
function allowGoogleScripts(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (!trustedTypes || trustedTypes.defaultPolicy) return;
  trustedTypes.createPolicy("default", { createScriptURL: (url) => (GOOGLE_SCRIPT.test(url) ? url : null) });
}

function asUser(user: User | null): AccountUser | null {
  return user && {
    name: user.displayName || user.email || "anonymous",
    idToken: () => user.getIdToken(),
  };
}

const CLOSED = ["auth/popup-closed-by-user", "auth/cancelled-popup-request", "auth/user-cancelled"];
const WORDS: Record<string, string> = {
  "auth/admin-restricted-operation": "This way of signing in is not switched on here.",
  "auth/email-already-in-use": "There is an account with this e-mail address: sign in instead.",
  "auth/invalid-credential": "The e-mail address or the password is wrong.",
  "auth/invalid-email": "This is no e-mail address.",
  "auth/network-request-failed": "There is no connection to the sign-in service.",
  "auth/operation-not-allowed": "This way of signing in is not switched on here.",
  "auth/popup-blocked": "The browser blocked the window of Google's sign-in: allow it and try again.",
  "auth/too-many-requests": "Too many tries. Wait a few minutes.",
  "auth/unauthorized-domain": "This address is not among the project's authorized domains.",
  "auth/user-disabled": "This account has been disabled.",
  "auth/user-not-found": "The e-mail address or the password is wrong.",
  "auth/weak-password": "The password is too short: at least six characters.",
  "auth/wrong-password": "The e-mail address or the password is wrong.",
};

async function told(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string") throw error;
    if (CLOSED.includes(code)) return;
    throw new Error(WORDS[code] ?? `That did not work (${code}).`);
  }
}
