// The playground against scripted answers: everything a visitor does, and what may go wrong.
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

/** Runs `work` on a fresh page; no test may leave an uncaught error or ask another origin. */
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
const sent = () => mock.requests.at(-1);

describe("answers", () => {
  it("streams an answer through packets split anywhere", visit(async (page) => {
    await ask(page, "hello");
    const last = await answer(page);
    assert.match(await last.locator(".prose").innerText(), /Hello world, grüße 👋 日本語\./);
    assert.equal(await last.locator(".prose strong").innerText(), "world");
    assert.equal(sent().authorization, "Bearer dev-alice");
    assert.equal(sent().body.model, "auto");
    assert.equal(sent().body.stream, true);
  }));

  it("shows reasoning apart, closed until asked for", visit(async (page) => {
    await ask(page, "think");
    const last = await answer(page);
    const thoughts = last.locator("details.thoughts");
    assert.equal(await thoughts.locator("strong").isVisible(), false);
    await thoughts.locator("summary").click();
    assert.equal(await thoughts.locator("strong").innerText(), "both");
    assert.match(await last.innerText(), /The answer is 4\./);
  }));

  it("colours code, copies it, draws tables", visit(async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: mock.url });
    await ask(page, "code");
    const last = await answer(page);
    await last.locator(".hljs-keyword").first().waitFor();
    await last.getByRole("button", { name: "Copy code" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "def add(a, b):\n    return a + b");
    assert.equal(await last.locator("td[align=right]").innerText(), "2");
  }));

  it("keeps an answer's scripts, forms and beacons inert", visit(async (page) => {
    await ask(page, "inject");
    const last = await answer(page);
    await page.waitForTimeout(200); // handlers, had they come through, would have run by now
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    const prose = last.locator(".prose > div"); // code blocks carry the page's own buttons
    assert.equal(await prose.locator("script, img, svg, iframe, form, input, style").count(), 0);
    const hrefs = await prose.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    for (const href of hrefs) assert.match(href ?? "none", /^(https:\/\/|none$)/);
    assert.equal(await prose.locator("[onerror], [onload], [onmouseover], [style]").count(), 0);
    assert.match((await prose.allInnerTexts()).join("\n"), /<script>window\.hacked = 1<\/script>/);
  }));

  it("takes a whole answer when streaming is off", visit(async (page) => {
    await page.getByRole("switch", { name: "Stream the answer" }).uncheck();
    await ask(page, "hello");
    assert.match(await (await answer(page)).innerText(), /A whole answer\./);
    assert.equal(sent().body.stream, false);
    assert.equal("stream_options" in sent().body, false);
  }));

  it("runs the sample tool and sends its result back", visit(async (page) => {
    await page.getByRole("switch", { name: /Offer a tool/ }).check();
    await ask(page, "tool");
    await page.locator(".prose", { hasText: "The tool says: Asia/Tokyo" }).waitFor();
    const [, assistant, tool] = sent().body.messages;
    assert.equal(assistant.tool_calls[0].function.arguments, '{"time_zone": "Asia/Tokyo"}');
    assert.equal(tool.tool_call_id, "call_7");
    assert.match(tool.content, /local_time/);
  }));
});

describe("receipt and broken providers", () => {
  it("expands to category, reason, attempts, chain and the guard's absence", visit(async (page) => {
    await ask(page, "hello");
    const slip = (await answer(page)).locator("details.receipt");
    assert.match(await slip.locator("summary").innerText(), /Groq\s+GPT-OSS 120B\s+coding\s+640 ms\s+1 attempt/);
    await slip.locator("summary").press("Enter");
    const text = await slip.locator(".slip").innerText();
    for (const part of ["92 % sure", "Asks for a function.", "Best coding model with room.", "answered", "DYING", "unguarded", "req_0123456789abcdef", "34"]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
  }));

  it("breaks a provider, shows the fallback, heals it", visit(async (page) => {
    await page.getByLabel("A broken provider").selectOption("429");
    const groq = page.getByRole("switch", { name: "Break Groq" });
    await groq.check();
    await ask(page, "hello");
    const last = await answer(page);
    assert.deepEqual(mock.faults().groq, { provider: "groq", kind: "status", status: 429, retry_after: 20 });
    const slip = last.locator("details.receipt");
    assert.match(await slip.locator("summary").innerText(), /Cerebras[\s\S]*2 attempts/);
    await slip.locator("summary").click();
    const lines = await slip.locator(".timeline li").allInnerTexts();
    assert.match(lines[0], /Groq[\s\S]*server error[\s\S]*90 ms/);
    assert.match(lines[1], /Cerebras[\s\S]*answered[\s\S]*540 ms/);
    assert.match(await slip.innerText(), /groq failed; cerebras answered\./);
    await groq.uncheck();
    await page.getByText("Break one and ask again").waitFor();
    await page.waitForFunction(async () => (await (await fetch("/sim/faults")).json()).faults.length === 0);
  }));

  it("has no such switches where there is no simulator", async () => {
    const plain = await startMock({ simulator: false });
    const page = await open(browser, plain.url);
    try {
      await page.getByText("Kimi").or(page.locator(".providers li").first()).first().waitFor();
      assert.equal(await page.getByRole("switch", { name: /Break/ }).count(), 0);
    } finally {
      await page.context().close();
      await plain.close();
    }
  });
});

describe("model picker", () => {
  it("is worked by keyboard alone", visit(async (page) => {
    await page.keyboard.press("Control+k");
    const search = page.getByRole("combobox", { name: "Search models" });
    await search.waitFor();
    assert.equal(await search.evaluate((box) => box === document.activeElement), true);
    await page.getByRole("option", { name: /Gemini 3.8 Flash/ }).waitFor();
    await search.pressSequentially("google vision");
    await page.getByRole("option", { name: /Kimi/ }).waitFor({ state: "detached" });
    assert.equal(await page.getByRole("listbox", { name: "Models" }).getByRole("option").count(), 2);
    await page.keyboard.press("ArrowDown");
    assert.equal(await search.getAttribute("aria-activedescendant"), "model-google-gemini-2.5-flash");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Model: Gemini 2.5 Flash" }).waitFor();
    await ask(page, "hello");
    await answer(page);
    assert.equal(sent().body.model, "google-gemini-2.5-flash");
  }));

  it("moves the mark with the very next key, on a slow machine too", visit(async (page) => {
    const slow = await page.context().newCDPSession(page);
    await slow.send("Emulation.setCPUThrottlingRate", { rate: 12 });
    await page.keyboard.press("Control+k");
    const search = page.getByRole("combobox", { name: "Search models" });
    await page.getByRole("option", { name: /Gemini 3.8 Flash/ }).waitFor();
    await search.pressSequentially("google vision");
    await page.keyboard.press("ArrowDown");
    assert.equal(await search.getAttribute("aria-activedescendant"), "model-google-gemini-2.5-flash");
  }));

  it("shows lifecycle, health and what cannot be asked", visit(async (page) => {
    await page.getByRole("button", { name: /^Model:/ }).click();
    const option = (name) => page.getByRole("option", { name });
    await option(/Kimi K3/).waitFor();
    assert.match(await option(/Gemini 2.5 Flash/).innerText(), /DYING 1 Dec 2026/);
    assert.match(await option(/Llama 3.3/).innerText(), /DEAD 16 Aug 2026[\s\S]*replaced by groq-gpt-oss-120b/);
    assert.match(await option(/degraded/).innerText(), /GPT-OSS 120B/);
    assert.equal(await option(/Kimi K3/).getAttribute("aria-disabled"), "true");
    assert.equal(await option(/Gemini Embedding/).getAttribute("aria-disabled"), "true");
    await page.getByRole("combobox", { name: "Search models" }).pressSequentially("coding");
    await option(/^Coding/).click();
    await ask(page, "hello");
    await answer(page);
    assert.equal(sent().body.model, "auto:coding");
  }));
});

describe("settings", () => {
  it("sends what was chosen and keeps it over a reload", visit(async (page) => {
    await page.getByRole("radio", { name: "Quality" }).check();
    await page.getByLabel("Wish for Google").selectOption("prefer");
    await page.getByLabel("Wish for Groq").selectOption("avoid");
    await page.getByLabel("Max tokens").fill("256");
    await page.getByLabel(/Temperature/).fill("0.7");
    await page.reload();
    await ask(page, "hello");
    await answer(page);
    const { body } = sent();
    assert.deepEqual(body.codeex, { prioritize: "quality", preferred_providers: ["google"], avoid_providers: ["groq"] });
    assert.equal(body.max_tokens, 256);
    assert.equal(body.temperature, 0.7);
  }));

  it("signs in as another user", visit(async (page) => {
    await page.getByRole("button", { name: /Signed in as/ }).click();
    await page.getByRole("button", { name: "bob", exact: true }).click();
    await ask(page, "hello");
    await answer(page);
    assert.equal(sent().authorization, "Bearer dev-bob");
  }));

  it("has no made-up user on a deployed site, and copies without the clipboard interface", async () => {
    const deployed = await startMock({ simulator: false });
    const page = await open(browser, deployed.url.replace("127.0.0.1", "hosting.test"));
    try {
      await page.getByRole("button", { name: /Signed in as: Sign in/ }).click();
      assert.equal(await page.getByRole("button", { name: "alice" }).count(), 0);
      await page.keyboard.press("Escape");
      await ask(page, "hello");
      await answer(page);
      assert.equal(deployed.requests.at(-1).authorization, undefined);
      await page.getByRole("button", { name: "Copy answer" }).click();
      await page.getByText("Copied").first().waitFor({ state: "attached" });
      await page.getByRole("textbox", { name: "Message" }).press("Control+v");
      assert.match(await page.getByRole("textbox", { name: "Message" }).inputValue(), /^Hello \*\*world/);
      await page.getByRole("button", { name: /Signed in as: Sign in/ }).click();
      await page.getByLabel(/ID token/).fill("ck_secret");
      await page.getByRole("button", { name: "Use" }).click();
      await page.getByRole("button", { name: "Answer again" }).click();
      await page.getByRole("button", { name: "Send" }).waitFor();
      await answer(page);
      assert.equal(deployed.requests.at(-1).authorization, "Bearer ck_secret");
      await page.getByRole("button", { name: "Code samples" }).click();
      assert.match(await page.locator("dialog pre").innerText(), /Bearer YOUR_TOKEN/);
      assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("ck_secret")), false);
    } finally {
      await page.context().close();
      await deployed.close();
    }
  });

  it("writes code samples with address, model, settings and dev token", visit(async (page) => {
    await page.getByLabel("Wish for Groq").selectOption("avoid");
    await ask(page, "it's hello");
    await answer(page);
    await page.getByRole("button", { name: "Code samples" }).click();
    const code = page.locator("dialog pre");
    const curl = await code.innerText();
    assert.ok(curl.includes(`${mock.url}/v1/chat/completions`) && curl.includes("Bearer dev-alice"));
    assert.ok(curl.includes("it'\\''s hello") && curl.includes("avoid_providers"));
    await page.getByRole("radio", { name: "Python" }).check();
    assert.match(await code.innerText(), /extra_body=\{"codeex": \{"avoid_providers": \["groq"\]\}\}/);
    await page.getByRole("radio", { name: "JavaScript" }).check();
    assert.match(await code.innerText(), /new OpenAI\(\{ baseURL: ".*\/v1", apiKey: "dev-alice" \}\)/);
  }));
});
