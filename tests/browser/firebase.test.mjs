// Sign-in with Firebase accounts: the real SDK in Chromium, a server that speaks for Firebase
// Authentication as its emulator does, and the whole router, which takes the emulator's tokens.
// PICTURES (a folder) keeps a picture of every view.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "./support/bounded.mjs";
import { PROJECT, startAuth, startPages } from "./support/auth_server.mjs";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { startRouter } from "./support/real_server.mjs";

const CONFIGURATION = { apiKey: "key-of-the-page", authDomain: `${PROJECT}.firebaseapp.com`, projectId: PROJECT, appId: "1:2:web:3" };
let browser;
let auth;
let router;
let site;
before(async () => {
  auth = await startAuth();
  router = await startRouter({ FIREBASE_AUTH_EMULATOR_HOST: auth.host, GOOGLE_CLOUD_PROJECT: PROJECT });
  const settings = { CODEEX_SIGN_IN: "firebase", CODEEX_API_ORIGIN: router.url, FIREBASE_AUTH_EMULATOR_HOST: auth.host };
  site = await startPages(settings, CONFIGURATION);
  browser = await launch();
});
beforeEach(() => Object.assign(auth.state, { lifeSeconds: 3600, anonymous: true, renewed: 0 }));
after(async () => {
  await browser?.close();
  await Promise.all([site?.close(), router?.close(), auth?.close()]);
});

const visit = (work, options) => async () => {
  const page = await open(browser, site.url, options);
  page.sent = [];
  page.on("request", (request) => {
    if (request.url().startsWith(router.url)) page.sent.push(request.headers().authorization);
  });
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    const known = [site.url, router.url, auth.url];
    assert.deepEqual(page.foreign.filter((address) => !known.some((one) => address.startsWith(one))), []);
  } finally {
    await page.context().close();
  }
};
const picture = async (page, name) => process.env.PICTURES && page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
const signedOut = (page) => page.getByRole("button", { name: "Signed in as: Sign in" });
const signedIn = (page, name) => page.getByRole("button", { name: `Signed in as: ${name}` });
const uidOf = (bearer) => JSON.parse(Buffer.from(bearer.split(".")[1], "base64url")).sub;

let people = 0;
/** Opens the window and makes an account; its address. */
async function create(page) {
  const email = `person${++people}@example.com`;
  await signedOut(page).click();
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("long enough");
  await page.getByRole("button", { name: "Create account" }).click();
  await signedIn(page, email).waitFor();
  return email;
}

describe("sign-in with an account", () => {
  it("creates an account, chats as it, stays signed in, signs out and in again", visit(async (page) => {
    const email = await create(page);
    await ask(page, "Hello");
    await answer(page);
    const { localId } = auth.state.accounts.get(email);
    assert.equal(uidOf(page.sent.at(-1)), localId);
    await page.reload();
    await signedIn(page, email).waitFor();
    await ask(page, "Hello again");
    await answer(page);
    assert.equal(uidOf(page.sent.at(-1)), localId);
    await signedIn(page, email).click();
    await picture(page, "firebase-signed-in");
    await page.getByRole("button", { name: "Sign out" }).click();
    await signedOut(page).waitFor({ state: "attached" });
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    assert.equal(await page.getByRole("alert").innerText(), "The e-mail address or the password is wrong.");
    await picture(page, "firebase-wrong");
    await page.getByLabel("Password").fill("long enough");
    await page.keyboard.press("Enter");
    await signedIn(page, email).waitFor();
    await ask(page, "And again");
    await answer(page);
    assert.equal(uidOf(page.sent.at(-1)), localId);
  }));

  it("renews a token that is about to end before the request that needs it", visit(async (page) => {
    auth.state.lifeSeconds = 20; // less than the SDK's margin of 30 s, so every request renews
    await create(page);
    await ask(page, "Hello");
    await answer(page);
    const { renewed } = auth.state;
    assert.ok(renewed > 0);
    await ask(page, "Hello again");
    await answer(page);
    assert.ok(auth.state.renewed > renewed);
    const { turn } = JSON.parse(Buffer.from(page.sent.at(-1).split(".")[1], "base64url"));
    assert.equal(turn, auth.state.renewed);
  }));

  it("says that a sign-in that was ended elsewhere has ended", visit(async (page) => {
    auth.state.lifeSeconds = 20;
    const email = await create(page);
    auth.state.revoked.add(auth.state.accounts.get(email).localId);
    await ask(page, "Hello");
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.match(await alert.innerText(), /Not signed in[\s\S]*could not be renewed/);
    await signedOut(page).waitFor(); // the SDK has signed the account out
    await alert.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("dialog", { name: "Sign in" }).getByLabel("E-mail").waitFor();
  }));

  it("goes on without an account where that is allowed, and says so where it is not", visit(async (page) => {
    auth.state.anonymous = false;
    await signedOut(page).click();
    await page.getByRole("button", { name: "Go on without an account" }).click();
    assert.match(await page.getByRole("alert").innerText(), /not switched on/);
    auth.state.anonymous = true;
    await page.getByRole("button", { name: "Go on without an account" }).click();
    await signedIn(page, "anonymous").waitFor();
    await ask(page, "Hello");
    await answer(page);
    await page.getByRole("button", { name: "API keys" }).click();
    assert.match(await page.getByRole("dialog").getByRole("alert").innerText(), /anonymous account cannot have API keys/);
  }));

  it("sends a letter for a forgotten password, and checks the fields first", visit(async (page) => {
    await signedOut(page).click();
    await picture(page, "firebase-sign-in");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    assert.equal(await page.evaluate(() => document.activeElement.name), "email");
    await page.getByLabel("E-mail").fill("forgetful@example.com");
    await page.getByRole("button", { name: "Forgot the password?" }).click();
    await page.getByText("a letter with a link is on its way").waitFor();
    assert.deepEqual(auth.state.letters, ["forgetful@example.com"]);
    await page.getByLabel("Password").fill("short");
    await page.getByRole("button", { name: "Create account" }).click();
    assert.match(await page.getByRole("alert").innerText(), /at least six characters/);
  }));

  it("makes an API key that works beside the account", visit(async (page) => {
    await create(page);
    await page.getByRole("button", { name: "API keys" }).click();
    await page.getByRole("button", { name: "Create key" }).click();
    const key = await page.getByRole("group", { name: "New key API key" }).getByRole("textbox").inputValue();
    const headers = { Authorization: `Bearer ${key}` };
    assert.equal((await fetch(`${router.url}/v1/models`, { headers })).status, 200);
    await page.keyboard.press("Escape");
  }));

  it("lets a pasted token go before the account, until it is signed out", visit(async (page) => {
    const email = await create(page);
    await signedIn(page, email).click();
    await page.getByLabel(/ID token/).fill("dev-alice");
    await page.getByRole("button", { name: "Use", exact: true }).click();
    await signedIn(page, "own token").waitFor();
    await page.reload();
    await signedIn(page, "own token").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await signedIn(page, email).waitFor({ state: "attached" });
  }));

  it("fits a phone in the dark", visit(async (page) => {
    await page.getByRole("button", { name: "Controls" }).click();
    await signedOut(page).click();
    await page.getByLabel("E-mail").waitFor();
    assert.ok(await page.evaluate(() => [...document.querySelectorAll(".sheet")].every((sheet) => sheet.scrollWidth <= sheet.clientWidth)));
    await picture(page, "firebase-phone");
  }, { colorScheme: "dark", viewport: { width: 375, height: 700 } }));
});

describe("Google's own accounts", () => {
  it("loads Google's script, and no other, past the page's policy", async () => {
    const page = await open(browser, site.url);
    try {
      const scripts = [];
      await page.context().route("https://apis.google.com/**", (route) => {
        scripts.push(route.request().url());
        return route.fulfill({ contentType: "text/javascript", body: "window.googleScriptRan = true;" });
      });
      await signedOut(page).click();
      await page.getByRole("button", { name: "Continue with Google" }).click();
      await page.waitForFunction(() => window.googleScriptRan);
      assert.match(scripts[0], /^https:\/\/apis\.google\.com\/js\/api\.js/);
      const refused = await page.evaluate(() => {
        const script = document.createElement("script");
        try {
          script.src = "https://apis.google.com/complete/search?jsonp=alert";
          return false;
        } catch {
          return true;
        }
      });
      assert.ok(refused);
    } finally {
      await page.context().close();
    }
  });
});

describe("a site without a configuration", () => {
  it("says what is missing, and still takes a token", async () => {
    const bare = await startPages({ CODEEX_SIGN_IN: "firebase", CODEEX_API_ORIGIN: router.url }, null);
    const page = await open(browser, bare.url);
    try {
      await signedOut(page).click();
      await page.getByText("This site has no Firebase configuration").waitFor();
      await page.getByLabel(/ID token/).fill("dev-alice");
      await page.getByRole("button", { name: "Use", exact: true }).click();
      await ask(page, "Hello");
      await answer(page);
      assert.deepEqual(page.faults, []);
    } finally {
      await page.context().close();
      await bare.close();
    }
  });
});
