// What a web app of another origin holds: the Firebase SDK and OpenAI's, as its bundler packs them.
import { initializeApp } from "firebase/app";
import { connectAuthEmulator, getAuth, signInAnonymously } from "firebase/auth";
import { connectFunctionsEmulator, getFunctions, httpsCallable } from "firebase/functions";
import OpenAI from "openai";

Object.assign(globalThis, {
  OpenAI,
  httpsCallable,
  connectFunctionsEmulator,
  getFunctions,
  initializeApp,
  async signIn(app, emulator) {
    const auth = getAuth(app);
    connectAuthEmulator(auth, emulator, { disableWarnings: true });
    await signInAnonymously(auth);
  },
});
