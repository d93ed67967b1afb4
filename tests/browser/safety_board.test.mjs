// The dashboard's safety panel: figures, the day by category, the newest refusals, the screens' modes.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "./support/bounded.mjs";
import { launch, openDashboard } from "./support/browser.mjs";
import { startMock } from "./support/mock_server.mjs";
import { refusal } from "./support/mock_violations.mjs";

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

const visit = (work, { before: prepare, ...options } = {}) => async () => {
  prepare?.(mock.admin);
  const page = await openDashboard(browser, mock.url, options);
  try {
    await work(page);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(page.foreign, []);
  } finally {
    await page.context().close();
  }
};
const panel = (page) => page.getByRole("region", { name: "Safety", exact: true });
const table = (page) => panel(page).getByRole("region", { name: "Newest refusals" });
const rows = (page) => table(page).locator("tbody tr");
const readAgain = (page) => page.getByRole("button", { name: "Read again now" }).click();
const asked = () => mock.admin.asked.filter(({ path }) => path === "violations").map(({ query }) => query);
const wordsOf = async (place) => (await place.innerText()).replace(/\s+/g, " ");
const quiet = (admin) => {
  for (const hour of admin.hours) hour.incidents = {};
  admin.violations = [];
};

describe("figures", () => {
  it("counts what was blocked, what nobody looked at, the guard's time and what was sorted locally", visit(async (page) => {
    const tiles = panel(page).locator(".tiles > div");
    assert.deepEqual(await Promise.all((await tiles.all()).map(wordsOf)), [
      "Blocked 33 26 messages, 7 answers", "Not scanned 3 no guard could look at them",
      "Mean guard time 152 ms 2.3K checks, 2.5K calls", "Classified locally 93 % 110 by a model, 44 remembered",
    ]);
    assert.equal(await tiles.nth(1).getAttribute("data-level"), "alert");
    assert.match(await wordsOf(page.locator(".tiles").first()), /Not scanned 3/); // among the first figures too
    assert.match(await wordsOf(panel(page)), /Personal data masked in answers: 6\. Personal data only reported: 1\. Injections let by as configured: 2\. Sorted again after a failed answer: 2\./);
  }));

  it("draws the day by category, and says it in words", visit(async (page) => {
    const chart = panel(page).getByRole("img");
    assert.match(await chart.getAttribute("aria-label"), /^Blocked an hour over the last day\. Highest: 5 in the hour from \d\d:00 UTC\. By category: hate speech 6, violence 6, sexual content 1, self-harm 2, dangerous content 5, harassment 1, illegal activity 1, prompt injection 10, personal data 1\.$/);
    assert.equal(await chart.locator("g").count(), 24);
    assert.equal(await chart.locator("rect.of-self-harm").count(), 1);
    const titles = await chart.locator("title").allInnerTexts().then(() => chart.locator("title").evaluateAll((all) => all.map((one) => one.textContent)));
    assert.ok(titles.some((title) => /UTC: self-harm 2, harassment 1, illegal activity 1$/.test(title)), titles.join("\n"));
    assert.ok(titles.some((title) => /UTC: nothing blocked$/.test(title)));
    assert.match(await wordsOf(panel(page).locator("figcaption")), /Prompt injection 10/);
  }));

  it("is not told again under the callers", visit(async (page) => {
    const callers = page.getByRole("region", { name: "Callers" }).locator("tbody tr");
    assert.deepEqual(await callers.allInnerTexts(), ["Suspicious and blocked\t3", "Cleared by a captcha\t1"]);
  }));

  it("says so when there was nothing", visit(async (page) => {
    const text = await wordsOf(panel(page));
    assert.match(text, /Blocked 0 .*Not scanned 0 .*Mean guard time – .*Classified locally – .*Nothing was blocked in the last 24 hours\..*Nothing was refused in the last 90 days\./);
    assert.equal(await panel(page).locator("[data-level=alert]").count(), 0);
    assert.doesNotMatch(await wordsOf(page.locator(".tiles").first()), /Not scanned/);
  }, { before: quiet }));

  it("tells of this instance until the day's figures are stored", visit(async (page) => {
    assert.match(await wordsOf(panel(page)), /this instance, nothing stored yet Blocked 2 2 messages, 0 answers/);
    assert.match(await wordsOf(panel(page)), /The hours appear here within a minute or so\./);
  }, { before: (admin) => {
    quiet(admin);
    admin.now = { ...admin.now, incidents: { guard_checks: 9, guard_ms: 900, blocked_input: 2, violation_VIOLENCE: 2 } };
  } }));
});

describe("the newest refusals", () => {
  it("lists them a page at a time", visit(async (page) => {
    await rows(page).nth(19).waitFor();
    assert.match(await wordsOf(rows(page).first()), /^3 min ago Hate speech low message alice 00000046$/);
    assert.match(await wordsOf(rows(page).nth(1)), /^44 min ago Harassment medium answer kU7wQ2mXb9 00000045$/);
    await panel(page).getByText("20 shown", { exact: true }).waitFor();
    await panel(page).getByRole("button", { name: "Show more" }).press("Enter");
    await panel(page).getByText("40 shown", { exact: true }).waitFor();
    await panel(page).getByRole("button", { name: "Show more" }).click();
    await panel(page).getByText("46 shown, all there are").waitFor();
    assert.equal(await panel(page).getByRole("button", { name: "Show more" }).count(), 0);
    assert.deepEqual(asked(), ["limit=20", "limit=20&cursor=v0027", "limit=20&cursor=v0007"]);
  }));

  it("filters by category, side and user", visit(async (page) => {
    await panel(page).getByLabel("Category", { exact: true }).selectOption("PROMPT_INJECTION");
    await panel(page).getByText(/ shown, all there are/).waitFor();
    for (const name of await rows(page).locator("th").allInnerTexts()) assert.equal(name, "Prompt injection");
    await panel(page).getByLabel("Found in").selectOption("output");
    await page.waitForFunction(() => [...document.querySelectorAll(".violations tbody tr")].every((row) => row.innerText.includes("answer")));
    await page.getByRole("button", { name: /^Only user m3Zp8Ea5Yt/ }).first().click();
    const all = panel(page).getByRole("button", { name: "All users again, not only m3Zp8Ea5Yt" });
    await all.waitFor();
    assert.equal(asked().at(-1), "limit=20&category=PROMPT_INJECTION&stage=output&uid=m3Zp8Ea5YtqWx2CjNg7uHr0oKi6b");
    await panel(page).getByLabel("Category", { exact: true }).selectOption("SELF_HARM");
    await panel(page).getByText("No refusal fits these filters.").waitFor();
    await all.click();
    await panel(page).getByLabel("Category", { exact: true }).selectOption("");
    await panel(page).getByLabel("Found in").selectOption("");
    await panel(page).getByText("20 shown", { exact: true }).waitFor();
    assert.equal(asked().at(-1), "limit=20");
  }));

  it("reads again when more was counted, and keeps the pages that were opened", visit(async (page) => {
    await panel(page).getByRole("button", { name: "Show more" }).click();
    await panel(page).getByText("40 shown", { exact: true }).waitFor();
    const before = asked().length;
    mock.admin.violations.unshift(refusal(47, "SELF_HARM", "input", 0));
    Object.assign(mock.admin.hours.at(-1).incidents, { blocked_input: 9, violation_SELF_HARM: 1 });
    await rows(page).first().getByText("Self-harm").waitFor(); // by itself, with the next reading of the figures
    await panel(page).getByText("41 shown", { exact: true }).waitFor();
    assert.deepEqual(asked().slice(before), ["limit=20"]); // what has not grown is not read
    mock.admin.violations.unshift(refusal(48, "VIOLENCE", "output", 0));
    await readAgain(page);
    await panel(page).getByText("42 shown", { exact: true }).waitFor();
  }));

  it("says what went wrong and keeps what is shown", visit(async (page) => {
    await rows(page).nth(19).waitFor();
    mock.admin.refuse = [503, "store_unavailable", "The store does not answer."];
    await panel(page).getByRole("button", { name: "Show more" }).click();
    await panel(page).getByText("Not read: The store does not answer.").waitFor();
    assert.equal(await rows(page).count(), 20);
    mock.admin.refuse = null;
    await panel(page).getByRole("button", { name: "Try again" }).click();
    await panel(page).getByText("Not read").waitFor({ state: "detached" });
    mock.admin.refuse = [503, "store_unavailable", "The store does not answer."];
    await panel(page).getByLabel("Found in").selectOption("output");
    await panel(page).getByText("Not read: The store does not answer.").waitFor();
    assert.equal(await rows(page).count(), 0); // what was shown would not fit the filter
  }));

  it("shows nobody else what an administrator saw", visit(async (page) => {
    await rows(page).first().waitFor();
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await page.getByRole("button", { name: "bob", exact: true }).click();
    await page.getByText("Not an administrator").waitFor();
    assert.equal(await panel(page).count(), 0);
    assert.doesNotMatch(await page.locator("main").innerText(), /alice|Hate speech/);
  }));
});

describe("the screens", () => {
  it("follow the guard until they are told otherwise", visit(async (page) => {
    const personal = page.getByRole("group", { name: "Screens" }).getByLabel(/Personal data in answers/);
    assert.equal(await personal.evaluate((box) => box.selectedOptions[0].text), "as the guard: mask");
    await personal.selectOption("block");
    await page.getByText(/version 3 in force/).waitFor();
    await page.getByRole("switch", { name: "ENABLE_SAFETY_GUARD" }).uncheck();
    await page.getByText("the guard is switched off").waitFor();
    const injection = page.getByRole("group", { name: "Screens" }).getByLabel(/Prompt injection/);
    assert.equal(await injection.evaluate((box) => box.selectedOptions[0].text), "as the guard: off");
    await personal.selectOption("");
    await page.getByText(/version 5 in force/).waitFor();
    const patches = mock.admin.asked.filter(({ method }) => method === "PATCH").map(({ body }) => body);
    assert.deepEqual(patches, [{ safety: { pii: "block" } }, { flags: { ENABLE_SAFETY_GUARD: false } }, { safety: { pii: null } }]);
  }));

  it("go back where the server refuses", visit(async (page) => {
    const screens = page.getByRole("group", { name: "Screens" });
    mock.admin.refuse = [503, "store_unavailable", "The store does not answer."];
    await screens.getByLabel(/Prompt injection/).selectOption("flag");
    await screens.getByRole("alert").waitFor();
    assert.equal(await screens.getByLabel(/Prompt injection/).inputValue(), "");
  }));
});

describe("phone", () => {
  it("fits 375 px; the table scrolls inside", visit(async (page) => {
    await rows(page).first().waitFor();
    const width = await page.evaluate(() => Math.max(...[...document.querySelectorAll("html, main, .panel, .safety .sides > *, .screens")].map((box) => box.scrollWidth)));
    assert.ok(width <= 375, `${width} px`);
    assert.ok(await table(page).evaluate((box) => box.scrollWidth > box.clientWidth));
  }, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true }));
});
