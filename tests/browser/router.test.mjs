// The playground and the whole router behind it, simulated providers included.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "./support/bounded.mjs";
import { answer, ask, launch, open, openDashboard } from "./support/browser.mjs";
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

let visitors = 0;
/** Each test is a user of its own: ten requests a minute are all that one has. */
const visit = (work, options) => async () => {
  const page = await open(browser, router.url, { user: `visitor${++visitors}`, ...options });
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

  it("blocks what guards call unsafe, message or answer, and says who checked the rest", visit(async (page) => {
    await ask(page, "Hello there");
    const safe = await answer(page);
    await safe.locator(".receipt summary").click();
    assert.match(await safe.locator(".slip").innerText(), /Safety checked\s+Your message\s+safe, \d+ % sure, said [\s\S]+The answer\s+safe[\s\S]+Personal data\s+none found[\s\S]+tokens judged in \d+ calls?/);
    await ask(page, "[[unsafe:VIOLENCE]] Hello");
    await page.getByText("Your message was blocked: violence").waitFor();
    await ask(page, "Reply with: [[unsafe-answer:HARASSMENT]]");
    await page.getByText("The answer was withheld: harassment").waitFor();
    const board = await openDashboard(browser, router.url);
    try {
      const rows = board.getByRole("region", { name: "Newest refusals" }).locator("tbody tr");
      await rows.nth(1).waitFor();
      assert.match(await rows.nth(0).innerText(), /Harassment\s+\w+\s+answer/);
      assert.match(await rows.nth(1).innerText(), /Violence\s+\w+\s+message/);
      assert.deepEqual(board.faults, []);
    } finally {
      await board.context().close();
    }
  }));

  it("tells what to do when every provider is down", visit(async (page) => {
    for (const { id } of await simulated()) {
      await fetch(`${router.url}/sim/faults`, {
        method: "POST", body: JSON.stringify({ provider: id, kind: "status", status: 503 }),
      });
    }
    await ask(page, "Hello");
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.match(await alert.innerText(), /(safety_unavailable|all_models_failed|capacity_exhausted)( · (503|429))?\s/);
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

describe("the dashboard and a full router", () => {
  it("shows a chat in line, lets it be taken back, and lets it through when limits are lifted", visit(async (page) => {
    const names = ["groq", "cerebras", "google", "huggingface"];
    const tight = { limits: Object.fromEntries(names.map((name) => [name, { rpm: 1 }])) };
    const board = await openDashboard(browser, router.url);
    try {
      board.setDefaultTimeout(20_000);
      await board.getByRole("textbox", { name: "Change it" }).fill(JSON.stringify(tight));
      await board.getByRole("button", { name: "Store 4 changes" }).click();
      await board.getByText("Stored as version 1.").waitFor();
      await fill();
      await ask(page, "Say hello to nobody.");
      const card = page.getByRole("region", { name: "Waiting in line" });
      await page.getByText("Waiting for capacity").waitFor();
      await card.waitFor();
      assert.match(await card.innerText(), /Position\s+\S+\s+Estimated wait\s+about \d+/);
      await board.locator(".jobs").getByText("waiting", { exact: true }).first().waitFor();
      await card.getByRole("button", { name: "Cancel" }).click();
      assert.match(await (await answer(page, "stopped")).innerText(), /Cancelled while it waited in line/);
      await page.getByRole("button", { name: "New chat" }).click();
      await ask(page, "Say hello to the whole world.");
      await card.waitFor();
      await board.getByRole("button", { name: "Roll back to version 0" }).click();
      await board.getByRole("dialog").getByRole("button", { name: "Roll back to version 0" }).click();
      await board.getByText(/version 2 in force/).waitFor();
      await page.locator('article.answer[data-state="done"]').waitFor({ timeout: 60_000 });
      assert.match(await (await answer(page)).innerText(), /hello to the whole world/i);
      await board.getByText("Nothing waits: every request found room.").waitFor();
      assert.deepEqual(board.faults, []);
    } finally {
      await board.context().close();
    }
  }));

  it("is for administrators, and shows them every provider", async () => {
    const refused = await fetch(`${router.url}/admin/api/quotas`, { headers: { Authorization: "Bearer dev-alice" } });
    assert.equal(refused.status, 403);
    const board = await openDashboard(browser, router.url);
    try {
      assert.deepEqual(
        (await board.locator(".provider-row summary .provider").allInnerTexts()).sort(),
        ["Cerebras", "ElevenLabs", "Google", "Groq", "Hugging Face"],
      );
      assert.match(await board.locator(".configuration").innerText(), /Safety guard[\s\S]*rules/);
      assert.deepEqual(board.faults, []);
      assert.deepEqual(board.foreign, []);
    } finally {
      await board.context().close();
    }
  });
});

/** Asks, as ever other users, until no provider has room. */
async function fill() {
  for (let count = 0; count < 12; count++) {
    const response = await fetch(`${router.url}/v1/chat/completions`, {
      method: "POST",
      headers: { Authorization: `Bearer dev-filler${count}`, "Content-Type": "application/json" },
      body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "Hello" }], codeex: { patience_seconds: 0.1 } }),
    });
    if (response.status === 202) {
      const { id } = await response.json();
      const headers = { Authorization: `Bearer dev-filler${count}` };
      await fetch(`${router.url}/v1/jobs/${id}/cancel`, { method: "POST", headers });
      return;
    }
  }
  throw new Error("the limits were never reached");
}

async function simulated() {
  const { providers } = await (await fetch(`${router.url}/sim/faults`)).json();
  return providers.map((id) => ({ id }));
}
