// The playground and the whole router behind it, simulated providers included.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "./support/bounded.mjs";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { faultsAre, favourite, startRouter } from "./support/real_server.mjs";

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
afterEach(() => router && fetch(`${router.url}/sim/faults`, { method: "DELETE" }));

const visit = (work, options) => async () => {
  const page = await open(browser, router.url, options);
  page.setDefaultTimeout(20_000);
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(page.foreign, []);
  } finally {
    await page.context().close();
  }
};
const provider = (last) => last.locator(".receipt summary .provider").innerText();

describe("the playground on the router", () => {
  it("answers each example and says which category it was", visit(async (page) => {
    const expected = [
      [/^Small talk/, "simple"], [/^Code/, "coding"], [/^Mathematics/, "reasoning"],
      [/^Translation/, "multilingual"], [/^Image/, "vision in"], [/^Tool/, "agentic"],
    ];
    for (const [name, category] of expected) {
      await page.getByRole("list", { name: "Examples" }).getByRole("button", { name }).click();
      await page.getByRole("button", { name: "Send" }).waitFor();
      const last = await answer(page);
      assert.ok((await last.locator(":scope > .prose").innerText()).length > 0, String(name));
      const first = page.locator("article.answer .receipt summary .category").first();
      assert.equal(await first.innerText(), category, String(name));
      await page.getByRole("button", { name: "New chat" }).click();
    }
  }));

  it("goes on when a provider is broken, and the receipt says how", visit(async (page) => {
    const question = "What is the capital of Portugal?";
    const usual = await favourite(router.url, question);
    await page.getByRole("switch", { name: `Break ${usual}` }).check();
    await faultsAre(router.url, 1);
    await ask(page, question);
    const last = await answer(page);
    assert.notEqual(await provider(last), usual);
    await last.locator(".receipt summary").click();
    const lines = await last.locator(".timeline li").allInnerTexts();
    assert.ok(lines.length >= 2 && lines[0].includes(usual) && lines[0].includes("server error"), `${usual} broken: ${await last.innerText()}`);
    assert.match(lines.at(-1), /answered/);
    await page.getByRole("switch", { name: `Break ${usual}` }).uncheck();
    await faultsAre(router.url, 0);
  }));

  it("asks a model by name, dead or alive, chosen by keyboard", visit(async (page) => {
    await page.keyboard.press("Control+k");
    const search = page.getByRole("combobox", { name: "Search models" });
    await search.pressSequentially("groq dead text");
    await page.getByRole("option", { name: /DEAD/ }).first().waitFor();
    await page.getByRole("option", { name: /ACTIVE/ }).first().waitFor({ state: "detached" });
    await page.keyboard.press("Enter");
    await ask(page, "Say hello.");
    const last = await answer(page);
    await last.locator(".receipt summary").click();
    assert.ok((await last.locator(".warnings li").count()) > 0);
  }));

  it("stops an answer under way", visit(async (page) => {
    const slow = { provider: "groq", kind: "hang", after_bytes: 0 };
    for (const { id } of await simulated()) {
      await fetch(`${router.url}/sim/faults`, { method: "POST", body: JSON.stringify({ ...slow, provider: id }) });
    }
    await ask(page, "Hello");
    await page.getByRole("button", { name: "Stop" }).click();
    assert.match(await (await answer(page, "stopped")).innerText(), /Stopped/);
  }));

  it("tells what to do when every provider is down", visit(async (page) => {
    for (const { id } of await simulated()) {
      await fetch(`${router.url}/sim/faults`, {
        method: "POST", body: JSON.stringify({ provider: id, kind: "status", status: 503 }),
      });
    }
    await ask(page, "Hello");
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.match(await alert.innerText(), /all_models_failed · 503|capacity_exhausted · 429/);
    assert.match(await alert.innerText(), /req_/);
  }));

  it("refuses a token that is none, and lets another user in", visit(async (page) => {
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await page.getByLabel(/ID token/).fill("nonsense");
    await page.getByRole("button", { name: "Use" }).last().click();
    await ask(page, "Hello");
    const alert = (await answer(page, "failed")).getByRole("alert");
    await alert.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "bob", exact: true }).click();
    await alert.getByRole("button", { name: "Try again" }).click();
    await answer(page);
  }));

  it("shows every model of the catalog", visit(async (page) => {
    await page.getByRole("button", { name: /^Model:/ }).click();
    const options = page.getByRole("listbox", { name: "Models" }).getByRole("option");
    await options.nth(60).waitFor();
    const headers = { Authorization: "Bearer dev-alice" };
    const { data } = await (await fetch(`${router.url}/v1/models`, { headers })).json();
    assert.ok((await options.count()) >= data.length);
  }));
});

async function simulated() {
  const { providers } = await (await fetch(`${router.url}/sim/faults`)).json();
  return providers.map((id) => ({ id }));
}
