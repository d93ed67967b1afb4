// The operator's dashboard: figures, their refreshing, errors, configuration, keyboard and phone.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "./support/bounded.mjs";
import { launch, open, openDashboard } from "./support/browser.mjs";
import { startMock } from "./support/mock_server.mjs";

let browser;
let mock;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  mock = await startMock();
});
afterEach(() => mock?.close());

const visit = (work, options) => async () => {
  const page = await openDashboard(browser, mock.url, options);
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(page.foreign, []);
  } finally {
    await page.context().close();
  }
};
const panel = (page, name) => page.getByRole("region", { name, exact: true });
const versions = (page) => page.getByRole("region", { name: "Versions of the configuration" });
const asked = (method, path) => mock.admin.asked.filter((item) => item.method === method && item.path === path);

describe("figures", () => {
  it("orders providers by how full they are, marks 80 %, says what is closed", visit(async (page) => {
    const rows = page.locator(".provider-row");
    assert.deepEqual(await rows.locator("summary .provider").allInnerTexts(), ["Groq", "Google", "Cerebras", "Hugging Face", "ElevenLabs"]);
    assert.match(await rows.nth(0).innerText(), /almost full[\s\S]*1 model full or nearly[\s\S]*87 %[\s\S]*26 \/ 30 requests\/min[\s\S]*8\.1K \/ 14\.4K requests\/day[\s\S]*held by 2 instances/);
    assert.equal(await rows.nth(0).getAttribute("data-level"), "alert");
    assert.match(await rows.nth(1).innerText(), /closed: key rejected, 30 min/);
    assert.match(await rows.nth(3).innerText(), /by its one model/);
    assert.match(await rows.nth(4).innerText(), /not current[\s\S]*0\.4 %[\s\S]*45 \/ 10K characters\/month/);
  }));

  it("folds a provider's models under it, opened by keyboard", visit(async (page) => {
    const groq = page.locator(".provider-row").first();
    const table = groq.getByRole("region", { name: "Models of groq" });
    assert.equal(await table.isVisible(), false);
    await groq.locator("summary").focus();
    await page.keyboard.press("Enter");
    const models = await table.locator("tbody tr").allInnerTexts();
    assert.match(models[0], /groq-gpt-oss-120b[\s\S]*100 %[\s\S]*30 \/ 30[\s\S]*unavailable, 24 s/);
    assert.match(models[1], /groq-llama-3.1-8b[\s\S]*10 %[\s\S]*degraded/);
    assert.match(await groq.getByRole("list", { name: "Held leases" }).innerText(), /i-7f3a91c2 holds 4 requests, 2K tokens, 42 s left/);
  }));

  it("lists what runs and waits, in order", visit(async (page) => {
    const jobs = panel(page, "Jobs");
    assert.match(await jobs.innerText(), /3 waiting, 1 running/);
    const rows = await jobs.locator("tbody tr").allInnerTexts();
    assert.deepEqual(rows.map((row) => /cccc|bbbb|aaaa|dddd/.exec(row)[0]), ["cccc", "bbbb", "aaaa", "dddd"]);
    assert.match(rows[0], /Document cccc3333[\s\S]*running[\s\S]*1 min ago/i);
    mock.admin.jobs = { counts: { queued: {}, running: 0 }, data: [] };
    await page.getByRole("button", { name: "Read again now" }).click();
    await jobs.getByText("Nothing waits: every request found room.").waitFor();
  }));

  it("adds up the day and shows it by the hour, or this instance alone", visit(async (page) => {
    const traffic = panel(page, "Traffic");
    assert.match(await traffic.getByRole("img").getAttribute("aria-label"), /Requests an hour over the last day\. Highest: \d+ in the hour from \d\d:00 UTC\./);
    assert.equal(await traffic.locator("svg g").count(), 24);
    const coding = traffic.getByRole("row", { name: /^Coding/i });
    assert.match(await coding.innerText(), /\d,\d{3}[\s\S]*99\.6 %/);
    assert.match(await page.locator(".tiles").first().innerText(), /Answered\s+99\.7 %/);
    const callers = traffic.getByRole("row", { name: /^(Suspicious|Cleared)/ });
    assert.deepEqual(await callers.allInnerTexts(), ["Suspicious and blocked\t3", "Cleared by a captcha\t1"]);
    await traffic.getByRole("radio", { name: "This instance" }).check();
    assert.equal(await callers.count(), 0);
    assert.match(await traffic.getByRole("row", { name: /^Reasoning/i }).innerText(), /7\s+86 %\s+57 %\s+29 %\s+0\.57/);
    assert.equal(await coding.count(), 0);
  }));

  it("adds up the store's operations", visit(async (page) => {
    const rows = await panel(page, "Store operations").locator("tr").allInnerTexts();
    assert.match(rows[1], /quotas\s+1,204\s+611\s+0/);
    assert.match(rows.at(-1), /Together\s+1,314\s+635\s+3/);
  }));
});

describe("staying current", () => {
  it("reads again every 5 s, the day's hours less often, and rests while hidden", visit(async (page) => {
    await assertSoon(() => asked("GET", "stats").length >= 2);
    assert.deepEqual(asked("GET", "stats").slice(0, 2).map(({ query }) => query), ["hours=24", "hours=1"]);
    assert.equal(asked("GET", "config/history").length, 1);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { get: () => window.away ?? true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    const before = asked("GET", "quotas").length;
    await page.waitForTimeout(6000);
    assert.equal(asked("GET", "quotas").length, before);
    await page.evaluate(() => {
      window.away = false;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await assertSoon(() => asked("GET", "quotas").length > before);
  }));

  it("reads seldom when left alone, and at once when touched", visit(async (page) => {
    await page.evaluate(() => {
      const now = Date.now;
      Date.now = () => now() + 61_000;
    });
    await page.waitForTimeout(5500); // what was due before comes still
    const before = asked("GET", "quotas").length;
    await page.waitForTimeout(6000);
    assert.equal(asked("GET", "quotas").length, before);
    await page.mouse.move(200, 200);
    await assertSoon(() => asked("GET", "quotas").length > before);
  }));

  it("keeps what is shown when the server fails, and says so", visit(async (page) => {
    mock.admin.refuse = [503, "store_unavailable", "The store does not answer."];
    await page.getByRole("button", { name: "Read again now" }).click();
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /Not everything could be read: .*capacity[\s\S]*The store does not answer\.[\s\S]*What is shown was read at \d\d:\d\d:\d\d/);
    assert.equal(await page.locator(".provider-row").count(), 5);
    mock.admin.refuse = null;
    await page.getByRole("button", { name: "Read again now" }).click();
    await alert.waitFor({ state: "detached" });
  }));

  it("tells who is no administrator what to do, and lets one in", async () => {
    const page = await open(browser, mock.url, { path: "/admin", ready: (it) => it.locator(".provider-row").first() });
    try {
      assert.equal(mock.admin.asked[0].authorization, "Bearer dev-admin");
      await page.getByRole("button", { name: /Signed in as/ }).click();
      await page.getByRole("button", { name: "bob", exact: true }).click();
      const alert = page.getByRole("alert");
      await alert.waitFor();
      assert.match(await alert.innerText(), /Not an administrator[\s\S]*signed in as bob[\s\S]*admin: true/);
      assert.equal(await page.locator(".provider-row").count(), 0); // what an administrator saw is put away
      await alert.getByRole("button", { name: "Sign in as an administrator" }).click();
      await page.getByRole("button", { name: "admin", exact: true }).click();
      await page.locator(".provider-row").first().waitFor();
      await page.getByRole("link", { name: "Playground", exact: true }).click();
      await page.getByRole("button", { name: "Signed in as: alice" }).waitFor(); // the chat has its own user
      await page.getByRole("link", { name: "Dashboard" }).click();
      await page.locator(".provider-row").first().waitFor();
      assert.deepEqual(page.faults, []);
    } finally {
      await page.context().close();
    }
  });

  it("asks for a token on a deployed site", async () => {
    const deployed = await startMock({ simulator: false });
    const address = deployed.url.replace("127.0.0.1", "hosting.test");
    const page = await open(browser, address, { path: "/admin", ready: (it) => it.getByRole("alert") });
    try {
      assert.match(await page.getByRole("alert").innerText(), /Not signed in/);
      await page.getByRole("button", { name: "Sign in as an administrator" }).click();
      await page.getByLabel(/ID token/).fill("dev-admin");
      await page.getByRole("button", { name: "Use" }).click();
      await page.locator(".provider-row").first().waitFor();
    } finally {
      await page.context().close();
      await deployed.close();
    }
  });
});

describe("configuration", () => {
  const editor = (page) => page.getByRole("textbox", { name: "Change it" });

  it("shows what is in force, and what of it was stored", visit(async (page) => {
    const section = page.locator(".in-force details", { hasText: "client_limits" });
    await section.locator("summary").click();
    const values = section.locator(".values li");
    assert.match(await values.nth(0).innerText(), /user_rpm\s+12/);
    assert.equal(await values.nth(0).getAttribute("data-stored"), "true");
    assert.equal(await values.nth(1).getAttribute("data-stored"), "false");
    assert.match(await panel(page, "Configuration").innerText(), /version 2 in force/);
  }));

  it("says when what is stored cannot be used", visit(async (page) => {
    mock.admin.problems = ["models.gone: no such model", "limits.x: neither a provider nor a model"];
    await page.getByRole("button", { name: "Read again now" }).click();
    const alert = page.getByRole("alert");
    assert.match(await alert.innerText(), /What is stored cannot be used\s+models\.gone: no such model\s+limits\.x/);
  }));

  it("checks the patch while it is written, shows what changes, stores it by keyboard", visit(async (page) => {
    await editor(page).fill('{"client_limits": {');
    await page.getByText(/Not JSON yet/).waitFor();
    assert.equal(await page.getByRole("button", { name: "Store", exact: true }).isDisabled(), true);
    await editor(page).fill("[1]");
    await page.getByText(/A merge patch is an object/).waitFor();
    await editor(page).fill('{"client_limits": {"ip_rpm": 50, "ip_signed_in_rpm": null}}');
    await page.getByText("This changes nothing.").waitFor();
    await editor(page).fill('{"client_limits": {"user_rpm": null, "ip_rpm": 80}, "models": {"groq-llama-3.3-70b": {"enabled": false}}}');
    const diff = await page.getByRole("list", { name: "What changes" }).getByRole("listitem").allInnerTexts();
    assert.deepEqual(diff.map((line) => line.replace(/\s+/g, " ").trim()), [
      "client_limits.user_rpm from 12 to default", "client_limits.ip_rpm from 50 to 80",
      "models.groq-llama-3.3-70b.enabled from not set to false",
    ]);
    await editor(page).press("Control+Enter");
    await page.getByText("Stored as version 3. Every instance follows within 30 s.").waitFor();
    assert.equal(await editor(page).inputValue(), "");
    assert.deepEqual(asked("PATCH", "config").at(-1).body.client_limits, { user_rpm: null, ip_rpm: 80 });
    await versions(page).getByRole("row", { name: /^3 / }).waitFor();
    assert.match(await versions(page).getByRole("row", { name: /^3 / }).innerText(), /admin[\s\S]*ip_rpm: 80[\s\S]*in force/i);
  }));

  it("shows every problem the server names, and keeps the text", visit(async (page) => {
    await editor(page).fill('{"nope": 1, "neither": 2, "client_limits": {"user_rpm": 0}}');
    await page.getByRole("button", { name: "Store 3 changes" }).click();
    const alert = page.getByRole("alert");
    assert.match(await alert.innerText(), /Refused: 3 problems/);
    assert.deepEqual(await alert.getByRole("listitem").allInnerTexts(), [
      "nope: Extra inputs are not permitted", "neither: Extra inputs are not permitted",
      "client_limits.user_rpm: Input should be greater than or equal to 1",
    ]);
    assert.match(await editor(page).inputValue(), /neither/);
  }));

  it("has the flags as switches, which go back where the server refuses", visit(async (page) => {
    const video = page.getByRole("switch", { name: "ENABLE_VIDEO_GENERATION" });
    await video.focus();
    await page.keyboard.press("Space");
    await page.getByText(/version 3 in force/).waitFor();
    assert.equal(await video.isChecked(), true);
    assert.deepEqual(asked("PATCH", "config").at(-1).body, { flags: { ENABLE_VIDEO_GENERATION: true } });
    mock.admin.refuse = [503, "store_unavailable", "The store does not answer."];
    await video.click();
    await page.getByRole("group", { name: "Flags" }).getByRole("alert").waitFor();
    assert.equal(await video.isChecked(), true);
  }));

  it("rolls back after asking, and not without", visit(async (page) => {
    const button = page.getByRole("button", { name: "Roll back to version 1" });
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Roll back to version 1?" });
    await dialog.getByRole("button", { name: "Keep version 2" }).click();
    assert.equal(asked("POST", "config/rollback").length, 0);
    await button.click();
    await dialog.getByRole("button", { name: "Roll back to version 1" }).click();
    await page.getByText(/version 3 in force/).waitFor();
    assert.deepEqual(asked("POST", "config/rollback").map(({ body }) => body), [{ version: 1 }]);
    await dialog.waitFor({ state: "detached" });
    assert.match(await versions(page).getByRole("row", { name: /^3 / }).innerText(), /back to version 1/);
    await page.getByRole("button", { name: "Roll back to version 0" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Roll back to version 0" }).click();
    await page.getByText(/version 4 in force/).waitFor();
    assert.equal(await page.locator(".in-force .badge").count(), 0); // nothing is stored any more
  }));
});

describe("phone", () => {
  it("fits 375 px; tables scroll inside", visit(async (page) => {
    await page.locator(".provider-row summary").first().click();
    await editor375(page).fill('{"client_limits": {"user_rpm": 100}, "a_very_long_name_that_has_no_place_to_break_at_all_on_a_phone": 1}');
    const width = await page.evaluate(() => Math.max(...[...document.querySelectorAll("html, main, .panel, .tiles, .top")].map((box) => box.scrollWidth)));
    assert.ok(width <= 375, `${width} px`);
    const models = page.getByRole("region", { name: "Models of groq" });
    assert.ok(await models.evaluate((box) => box.scrollWidth > box.clientWidth));
  }, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true }));
  const editor375 = (page) => page.getByRole("textbox", { name: "Change it" });
});

async function assertSoon(holds) {
  const end = Date.now() + 8000;
  while (!holds()) {
    assert.ok(Date.now() < end, `not within 8 s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
