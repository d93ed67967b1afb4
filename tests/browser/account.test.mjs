// API keys and preferences in the playground, on the whole router: by pointer, by keyboard, on a phone.
// PICTURES (a folder) keeps a picture of every view.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, it } from "./support/bounded.mjs";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { startRouter } from "./support/real_server.mjs";

const require = createRequire(new URL("../../public/package.json", import.meta.url));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let browser;
let router;
before(async () => {
  router = await startRouter();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await router?.close();
});

let users = 0;
const visit = (work, options) => async () => {
  const page = await open(browser, router.url, { user: `account${++users}`, ...options });
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(page.foreign, []);
  } finally {
    await page.context().close();
  }
};

const me = () => ({ Authorization: `Bearer dev-account${users}` });
const keysOf = async () => (await (await fetch(`${router.url}/v1/me/keys`, { headers: me() })).json()).data;
const statusWith = async (key) =>
  (await fetch(`${router.url}/v1/models`, { headers: { Authorization: `Bearer ${key}` } })).status;
const dialog = (page, name) => page.getByRole("dialog", { name });

async function openKeys(page) {
  await page.getByRole("button", { name: "API keys" }).click();
  await dialog(page, "API keys").getByText(/You have no API keys|created/).first().waitFor();
  return dialog(page, "API keys");
}

async function picture(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
}

describe("API keys", () => {
  it("creates one, shows it once, copies it, lists it, and revokes it", visit(async (page) => {
    const window = await openKeys(page);
    await picture(page, "keys-none");
    await window.getByLabel("Name").fill("home server");
    await window.getByLabel("End").selectOption("90");
    await window.getByRole("button", { name: "Create key" }).click();
    const shown = window.getByRole("group", { name: "New key home server" });
    const key = await shown.getByRole("textbox").inputValue();
    assert.match(key, /^ck_[0-9A-Za-z]{49}$/);
    assert.equal(await page.evaluate(() => getSelection().toString() || document.activeElement.value), key);
    await shown.getByRole("button", { name: "Copy key" }).click();
    await shown.getByText("Copied").first().waitFor({ state: "attached" });
    await picture(page, "keys-new");
    assert.equal(await statusWith(key), 200);
    await shown.getByRole("button", { name: "Done" }).click();
    assert.equal((await page.content()).includes(key), false);
    const row = window.getByRole("listitem").filter({ hasText: "home server" });
    assert.match(await row.innerText(), /ck_\w{5}… created .*, not used yet, ends /);
    await page.keyboard.press("Escape");
    await dialog(page, "API keys").waitFor({ state: "detached" });
    await openKeys(page);
    assert.match(await row.innerText(), /last used/);
    await row.getByRole("button", { name: "Revoke home server" }).click();
    await picture(page, "keys-confirm");
    await row.getByRole("button", { name: "Keep" }).click();
    assert.equal((await keysOf()).length, 1);
    await row.getByRole("button", { name: "Revoke home server" }).click();
    await row.getByRole("button", { name: "Revoke", exact: true }).click();
    await window.getByText("You have no API keys.").waitFor();
    assert.equal(await statusWith(key), 401);
    assert.equal(await page.evaluate((text) => JSON.stringify({ ...localStorage, ...sessionStorage }).includes(text), key), false);
  }));

  it("goes by keyboard alone", visit(async (page) => {
    await page.getByRole("button", { name: "API keys" }).focus();
    await page.keyboard.press("Enter");
    await dialog(page, "API keys").getByText("You have no API keys.").waitFor();
    await dialog(page, "API keys").getByLabel("Name").focus();
    await page.keyboard.type("by keyboard");
    await page.keyboard.press("Enter");
    await page.getByRole("group", { name: "New key by keyboard" }).waitFor();
    await page.keyboard.press("Tab"); // copy
    await page.keyboard.press("Tab"); // done
    await page.keyboard.press("Enter");
    await dialog(page, "API keys").getByRole("button", { name: "Revoke by keyboard" }).focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Keep");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await dialog(page, "API keys").getByText("You have no API keys.").waitFor();
    await page.keyboard.press("Escape");
    await dialog(page, "API keys").waitFor({ state: "detached" });
    assert.deepEqual(await keysOf(), []);
  }));

  it("says what a key cannot do, and what the server says about one too many", visit(async (page) => {
    for (let count = 0; count < 20; count++) {
      await fetch(`${router.url}/v1/me/keys`, { method: "POST", headers: me(), body: JSON.stringify({ name: `key ${count}` }) });
    }
    const window = await openKeys(page);
    assert.equal(await window.getByRole("listitem").count(), 20);
    await window.getByRole("button", { name: "Create key" }).click();
    assert.match(await window.getByRole("alert").innerText(), /20 API keys, which is the most/);
    await picture(page, "keys-many");
    const { id } = (await keysOf())[0];
    await fetch(`${router.url}/v1/me/keys/${id}`, { method: "DELETE", headers: me() });
    const made = await fetch(`${router.url}/v1/me/keys`, { method: "POST", headers: me(), body: "{}" });
    const { key } = await made.json();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await page.getByLabel(/ID token/).fill(key);
    await page.getByRole("button", { name: "Use" }).last().click();
    await page.getByRole("button", { name: "API keys" }).click();
    const alert = dialog(page, "API keys").getByRole("alert");
    assert.match(await alert.innerText(), /An API key cannot see, create or revoke API keys/i);
    await alert.getByRole("button", { name: "Sign in" }).click();
    await dialog(page, "Sign in").waitFor();
  }));
});

describe("preferences", () => {
  it("stores them, and chats go by them", visit(async (page) => {
    await page.getByRole("button", { name: "Preferences" }).click();
    const window = dialog(page, "Preferences");
    await window.getByRole("radio", { name: "Quality" }).check();
    await window.getByLabel("Preference for Hugging Face").selectOption("prefer");
    await window.getByLabel("Preference for Groq").selectOption("avoid");
    await window.getByLabel(/Language/).fill("pt-BR");
    await picture(page, "preferences");
    await window.getByRole("button", { name: "Save" }).click();
    await window.getByText("Saved.").waitFor();
    await page.keyboard.press("Escape");
    await ask(page, "Hello");
    const last = await answer(page);
    assert.equal(await last.locator(".receipt summary .provider").innerText(), "Hugging Face");
    await page.reload();
    await page.getByRole("button", { name: "Preferences" }).click();
    assert.equal(await window.getByLabel("Preference for Hugging Face").inputValue(), "prefer");
    assert.equal(await window.getByLabel("Preference for Groq").inputValue(), "avoid");
    assert.equal(await window.getByLabel(/Language/).inputValue(), "pt-BR");
    assert.ok(await window.getByRole("radio", { name: "Quality" }).isChecked());
    await window.getByLabel(/Language/).fill("German please");
    await window.getByRole("button", { name: "Save" }).click();
    assert.match(await window.getByRole("alert").innerText(), /language: must be a language tag/);
    const stored = await (await fetch(`${router.url}/v1/me/preferences`, { headers: me() })).json();
    assert.equal(stored.language, "pt-BR");
  }));
});

describe("the users of make run", () => {
  it("picks one of three or a name of one's own, which is offered again", visit(async (page) => {
    await page.getByRole("button", { name: /Signed in as/ }).click();
    const users = page.getByRole("list", { name: "Users" });
    assert.equal(await users.getByRole("button").count(), 3);
    await page.getByLabel("Another name").fill("not a name");
    assert.ok(await page.getByRole("button", { name: "Use", exact: true }).first().isDisabled());
    await page.getByLabel("Another name").fill("eve.of-a@test");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Signed in as: eve.of-a@test" }).click();
    assert.equal(await users.getByRole("button", { name: "eve.of-a@test" }).getAttribute("aria-pressed"), "true");
    await picture(page, "users");
    await users.getByRole("button", { name: "bob", exact: true }).click();
    await page.getByRole("button", { name: "Signed in as: bob" }).click();
    await users.getByRole("button", { name: "eve.of-a@test" }).click();
    await page.reload();
    await page.getByRole("button", { name: "Signed in as: eve.of-a@test" }).waitFor();
    await ask(page, "Hello");
    await answer(page);
  }));
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 375]) {
    const looks = { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce", bypassCSP: true };
    it(`has no violation of accessibility in ${colorScheme} at ${width} px, and fits`, visit(async (page) => {
      const controls = async () => {
        if (width === 375) await page.getByRole("button", { name: "Controls" }).click();
      };
      const name = (view) => `${view}-${colorScheme}-${width}`;
      await page.evaluate(axe);
      const check = async (view) => {
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => `${view}: ${id} at ${nodes.map((node) => node.html + node.failureSummary)}`), []);
        assert.ok(await page.evaluate(() => [...document.querySelectorAll(".sheet")].every((sheet) => sheet.scrollWidth <= sheet.clientWidth)), view);
        await picture(page, name(view));
      };
      await controls();
      const window = await openKeys(page);
      await window.getByLabel("Name").fill("A name that is as long as a name can be, with sixty-four letters");
      await window.getByRole("button", { name: "Create key" }).click();
      await window.getByRole("button", { name: "Done" }).waitFor();
      await check("keys-new");
      await window.getByRole("button", { name: "Done" }).click();
      await window.getByRole("button", { name: /^Revoke A name/ }).click();
      await check("keys-confirm");
      await page.keyboard.press("Escape");
      await window.waitFor({ state: "detached" });
      await controls();
      await page.getByRole("button", { name: "Preferences" }).click();
      await dialog(page, "Preferences").getByRole("button", { name: "Save" }).waitFor();
      await check("preferences");
      await page.keyboard.press("Escape");
      await dialog(page, "Preferences").waitFor({ state: "detached" });
      await controls();
      await page.getByRole("button", { name: /Signed in as/ }).click();
      await page.getByRole("list", { name: "Users" }).waitFor();
      await check("users");
    }, looks));
  }
}
