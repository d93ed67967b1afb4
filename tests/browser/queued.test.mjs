// A chat that no provider has room for: its card, its end, cancelling, and what a visitor does meanwhile.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "./support/bounded.mjs";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { completion, startMock } from "./support/mock_server.mjs";

let browser;
let mock;
before(async () => {
  mock = await startMock();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await mock?.close();
});
beforeEach(() => mock.jobs.clear());

const visit = (work, options) => async () => {
  const page = await open(browser, mock.url, options);
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(page.foreign, []);
  } finally {
    await page.context().close();
  }
};
/** The only job there is. */
const held = () => {
  assert.equal(mock.jobs.size, 1);
  return [...mock.jobs.values()][0];
};
const change = (more) => (held().job = { ...held().job, ...more });
const succeed = (text) =>
  change({ status: "succeeded", position: undefined, progress: { done: 1, total: 1 }, result: completion(text) });
const card = (page) => page.getByRole("region", { name: "Waiting in line" });

describe("in line", () => {
  it("shows place and wait from a stream, then becomes the answer with its receipt", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    assert.match(await card(page).innerText(), /In line for capacity[\s\S]*3rd[\s\S]*about (40|39) s[\s\S]*job_0001/);
    await page.getByRole("button", { name: "Send" }).waitFor(); // the page is not busy meanwhile
    change({ position: 0, estimated_wait_seconds: 5 });
    await card(page).getByText("Next", { exact: true }).waitFor();
    change({ status: "running", position: undefined, progress: { done: 1, total: 4 }, attempts: 2 });
    await card(page).getByText("Being answered").waitFor();
    assert.match(await card(page).innerText(), /Attempt 2\./);
    assert.equal(await card(page).getByRole("progressbar").getAttribute("value"), "1");
    succeed("It was worth the **wait**.");
    const last = await answer(page);
    assert.equal(await last.locator(".prose strong").innerText(), "wait");
    assert.match(await last.locator(".receipt summary").innerText(), /Groq[\s\S]*coding/);
    assert.equal(await card(page).count(), 0);
  }));

  it("comes from a 202 as well, and every request says that it can take a job", visit(async (page) => {
    await page.getByRole("switch", { name: "Stream the answer" }).uncheck();
    await ask(page, "queue");
    await card(page).waitFor();
    assert.deepEqual(mock.requests.at(-1).body.codeex, {});
    succeed("Whole.");
    assert.match(await (await answer(page)).innerText(), /Whole\./);
  }));

  it("outlives a reload of the page", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    await page.reload();
    await card(page).getByText("3rd").waitFor();
    succeed("Still here.");
    assert.match(await (await answer(page)).innerText(), /Still here\./);
    await page.reload();
    assert.match(await (await answer(page)).innerText(), /Still here\./);
    assert.equal(mock.jobs.size, 1);
  }));

  it("shows why it failed", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    change({ status: "failed", error: { code: "all_models_failed", message: "Every model failed twice." } });
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.match(await alert.innerText(), /Nobody could answer[\s\S]*Every model failed twice\./);
  }));

  it("says so when the job is gone", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    mock.jobs.clear();
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.match(await alert.innerText(), /No longer in line/);
  }));

  it("keeps the card while the connection is away, and goes on by itself", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    await page.context().setOffline(true);
    await card(page).getByText(/This device is offline/).waitFor();
    succeed("Back again.");
    await page.context().setOffline(false);
    assert.match(await (await answer(page)).innerText(), /Back again\./);
  }));

  it("asks less and less often, and not at all while the page is hidden", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { get: () => window.away ?? true, configurable: true });
    });
    await page.waitForTimeout(1500);
    const before = held().reads;
    await page.waitForTimeout(2500);
    assert.equal(held().reads, before);
    await page.evaluate(() => {
      window.away = false;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await assertSoon(() => held().reads > before);
  }));
});

describe("taken back", () => {
  it("is cancelled by its button, by keyboard", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    await card(page).getByRole("button", { name: "Cancel" }).focus();
    await page.keyboard.press("Enter");
    assert.match(await (await answer(page, "stopped")).innerText(), /Cancelled while it waited in line\./);
    assert.equal(held().cancels, 1);
    const before = held().reads;
    await page.waitForTimeout(1600);
    assert.equal(held().reads, before);
    await page.getByRole("button", { name: "Answer again" }).waitFor();
  }));

  it("says when that came too late, and shows the answer", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    held().late = true;
    await card(page).getByRole("button", { name: "Cancel" }).click();
    await card(page).getByText(/Too late to cancel/).waitFor();
    succeed("Answered anyway.");
    assert.match(await (await answer(page)).innerText(), /Answered anyway\./);
  }));

  it("says that it was not cancelled, until it is", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    held().broken = true;
    const button = card(page).getByRole("button", { name: "Cancel" });
    await button.click();
    const told = card(page).getByText("Not cancelled: The store does not answer.");
    await told.waitFor();
    const before = held().reads;
    while (held().reads === before) await page.waitForTimeout(200); // a look that succeeds
    await page.waitForTimeout(200);
    assert.equal(await told.count(), 1);
    held().broken = false;
    await button.click();
    await answer(page, "stopped");
  }));

  it("is taken back where its message is replaced, and kept where a new chat can be undone", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    await page.getByRole("button", { name: "New chat" }).click();
    await page.waitForTimeout(1300);
    assert.equal(held().cancels, 0);
    await page.getByRole("button", { name: "Bring the last one back" }).click();
    await card(page).waitFor();
    await page.getByRole("button", { name: "Edit message" }).click();
    await ask(page, "hello");
    await answer(page);
    await assertSoon(() => held().cancels === 1);
  }));
});

describe("before and beside it", () => {
  it("says that it waits for capacity when the stream stays silent", visit(async (page) => {
    await ask(page, "patient");
    await page.locator(".waiting", { hasText: "Routing" }).waitFor();
    await page.getByText("Waiting for capacity").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await answer(page, "stopped");
  }));

  it("says when a caller's own limit is free again, from the reset header too", visit(async (page) => {
    await ask(page, "reset");
    const alert = (await answer(page, "failed")).getByRole("alert");
    await alert.getByRole("button", { name: /Try again in 1 min [45] s/ }).waitFor();
    assert.match(await alert.innerText(), /Too many requests[\s\S]*Free again at \d\d:\d\d:\d\d\./);
  }));

  it("fits a phone", visit(async (page) => {
    await ask(page, "queue");
    await card(page).waitFor();
    const width = await page.evaluate(() => Math.max(...[...document.querySelectorAll("html, main, .scroller, .in-line")].map((box) => box.scrollWidth)));
    assert.ok(width <= 375, `${width} px`);
  }, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true }));
});

async function assertSoon(holds) {
  const end = Date.now() + 4000;
  while (!holds()) {
    assert.ok(Date.now() < end, `not within 4 s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
