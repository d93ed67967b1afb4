// What was blocked, masked or not looked at, and why: in the playground.
import assert from "node:assert/strict";
import { after, before, describe, it } from "./support/bounded.mjs";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { startMock } from "./support/mock_server.mjs";

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
const sent = () => mock.requests.at(-1).body.messages.map(({ content }) => content);
const messageBox = (page) => page.getByRole("textbox", { name: "Message" });
/** The card of a refusal; its words, blanks and line ends alike. */
const card = async (page) => (await answer(page, "failed")).getByRole("alert");
const wordsOf = async (place) => (await place.innerText()).replace(/\s+/g, " ");

async function receiptOf(page) {
  const last = await answer(page);
  await last.locator(".receipt summary").click();
  return wordsOf(last.locator(".slip"));
}

describe("the receipt's safety", () => {
  it("says who checked what, how sure it is and what that took", visit(async (page) => {
    await ask(page, "checked");
    const slip = await receiptOf(page);
    assert.match(slip, /Safety checked Your message safe, 98 % sure, said GPT-OSS 120B after 143 ms The answer safe, 91 % sure, said GPT-OSS 120B Prompt injection no sign of one, score 0\.03 Personal data none found in the answer Effort 412 tokens judged in 3 calls, which took 1,204 tokens/);
    assert.equal(await page.locator(".safety-line").count(), 0); // nothing to tell beside the answer
  }));

  it("tells beside the answer what was masked in it", visit(async (page) => {
    await ask(page, "masked");
    const last = await answer(page);
    assert.equal(await last.locator(".safety-line").innerText(), "2 e-mail addresses and a phone number were masked in this answer.");
    const slip = await receiptOf(page);
    assert.match(slip, /Personal data 2 e-mail addresses and a phone number, masked/);
    assert.match(slip, /The answer safe, 64 % sure, with slight signs of harassment \(low\)/);
  }));

  it("tells what was only reported, and an injection that was let by", visit(async (page) => {
    await ask(page, "reported");
    const last = await answer(page);
    assert.equal(await last.locator(".safety-line").innerText(), "An IP address stands in this answer, unmasked as configured.");
    assert.match(await receiptOf(page), /Prompt injection looks like one, let by as configured, score 0\.81 Personal data an IP address, left as configured/);
  }));

  it("warns of images that no guard saw and of what nobody looked at", visit(async (page) => {
    await ask(page, "unseen");
    assert.match(await (await answer(page)).locator(".safety-line").innerText(), /No guard could see the images: only the text was checked\./);
    await ask(page, "unscanned");
    const last = page.locator("article.answer").nth(1);
    await last.locator(".safety-line").waitFor();
    assert.match(await last.locator(".safety-line").innerText(), /Not all of this was checked/);
    assert.match(await last.locator(".receipt summary").innerText(), /not scanned/);
    assert.match(await receiptOf(page), /by a model that was asked.*Your message not scanned: no guard answered/);
  }));

  it("says that nobody looked where the guard is off", visit(async (page) => {
    await ask(page, "hello");
    assert.match(await receiptOf(page), /Safety unguarded No safety guard looked at this request or its answer\./);
  }));
});

describe("what is refused", () => {
  it("names category, severity and side, and offers to edit the question", visit(async (page) => {
    await ask(page, "unsafe");
    const blocked = await card(page);
    assert.match(await wordsOf(blocked), /^Your message was blocked: hate speech The request was judged unsafe .* Category Hate speech Severity High Found in Your message No model has seen it.* safety_violation · 422 req_failed/);
    assert.equal(await blocked.getByRole("button", { name: /again|more/i }).count(), 0);
    await blocked.getByRole("button", { name: "Edit the question" }).press("Enter");
    assert.equal(await messageBox(page).inputValue(), "unsafe");
    assert.equal(await messageBox(page).evaluate((box) => box === document.activeElement), true);
    await ask(page, "checked");
    await answer(page);
    assert.equal(await page.locator("article").count(), 2); // it took the refused one's place
    assert.deepEqual(sent(), ["checked"]);
  }));

  it("leaves a refused message out of what is asked next", visit(async (page) => {
    await ask(page, "hello");
    await answer(page);
    await ask(page, "override");
    assert.match(await wordsOf(await card(page)), /^Your message was blocked: prompt injection .* Found in Your message/);
    await ask(page, "checked");
    await answer(page);
    assert.deepEqual(sent(), ["hello", "Hello **world**, grüße 👋 日本語.", "checked"]);
  }));

  it("keeps what had come before an answer was stopped, and says so", visit(async (page) => {
    await ask(page, "unsafe answer");
    const last = await answer(page, "failed");
    assert.match(await last.locator(".prose").innerText(), /First you need a quiet room\. Then you/);
    assert.match(await wordsOf(await card(page)), /^The rest of the answer was withheld: violence .* Severity Critical Found in The answer What stands above had passed the check\./);
    await page.reload();
    assert.match(await wordsOf(await card(page)), /The rest of the answer was withheld: violence/);
    const buttons = await (await card(page)).locator(".actions button").allInnerTexts();
    assert.deepEqual(buttons.map((text) => text.trim()), ["Edit the question", "Ask once more"]);
    await page.getByRole("button", { name: "Ask once more" }).click();
    await card(page);
    assert.equal(mock.requests.filter(({ body }) => body.messages.at(-1).content === "unsafe answer").length, 2);
  }));

  it("withholds a whole answer for its personal data", visit(async (page) => {
    await ask(page, "leak");
    assert.match(await wordsOf(await card(page)), /^The answer was withheld: personal data .* Nothing of it was shown\./);
  }));

  it("points to help where somebody may need it", visit(async (page) => {
    await ask(page, "hurt");
    const blocked = await card(page);
    assert.match(await wordsOf(blocked), /^Your message was blocked: self-harm .* please talk to somebody now/);
    assert.equal(await blocked.getByRole("link").getAttribute("rel"), "noopener noreferrer");
  }));

  it("may be tried again where no guard could be reached", visit(async (page) => {
    await ask(page, "no guard");
    const alert = await card(page);
    assert.match(await wordsOf(alert), /^No safety guard could be reached .* Nothing is answered unchecked\..*Try again in [12] s/);
    await alert.getByRole("button", { name: "Try again", exact: true }).waitFor();
  }));

  it("fits a phone", visit(async (page) => {
    for (const text of ["masked", "unsafe answer", "unsafe"]) await ask(page, text).then(() => page.getByRole("button", { name: "Send" }).waitFor());
    await page.locator(".receipt summary").click();
    const width = await page.evaluate(() => Math.max(...[...document.querySelectorAll("html, main, .scroller, .thread")].map((box) => box.scrollWidth)));
    assert.ok(width <= 375, `${width} px`);
  }, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true }));
});
