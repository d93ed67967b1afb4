// The playground under a visitor's hands: stop, errors, images, keys, phone, themes.
import assert from "node:assert/strict";
import { deflateSync } from "node:zlib";
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
const sent = () => mock.requests.at(-1);

/** A valid black PNG of this size. */
function png(width, height) {
  const table = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  const crc = (data) => (data.reduce((c, byte) => table[(c ^ byte) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
  const part = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), part("IHDR", head), part("IDAT", pixels), part("IEND", Buffer.alloc(0))]);
}

describe("stop and go on", () => {
  it("stops by button: the text stays, the server sees the client leave", visit(async (page) => {
    await ask(page, "slow");
    await page.getByText("word5").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    const last = await answer(page, "stopped");
    assert.match(await last.innerText(), /word1 word2[\s\S]*Stopped after/);
    await assertSoon(() => sent().gone);
    await page.getByRole("button", { name: "Send" }).waitFor();
  }));

  it("stops by Escape, answers again, edits, starts anew and comes back", visit(async (page) => {
    await ask(page, "slow");
    await page.getByText("word3").waitFor();
    await page.keyboard.press("Escape");
    await answer(page, "stopped");
    await page.getByRole("button", { name: "Edit message" }).click();
    await ask(page, "hello");
    await answer(page);
    assert.deepEqual(sent().body.messages, [{ role: "user", content: "hello" }]);
    const before = mock.requests.length;
    await page.getByRole("button", { name: "Answer again" }).click();
    await assertSoon(() => mock.requests.length === before + 1);
    await answer(page);
    assert.equal(await page.locator("article").count(), 2);
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByRole("button", { name: "Bring the last one back" }).click();
    assert.equal(await page.locator("article").count(), 2);
    await page.reload();
    assert.match(await (await answer(page)).innerText(), /Hello world/);
  }));

  it("sends the conversation's history with the next message", visit(async (page) => {
    await ask(page, "hello");
    await answer(page);
    await ask(page, "think");
    await page.locator(".prose", { hasText: "The answer is 4." }).waitFor();
    const roles = sent().body.messages.map((message) => message.role);
    assert.deepEqual(roles, ["user", "assistant", "user"]);
  }));
});

describe("errors", () => {
  const shows = (text, title, parts, state = "failed") => visit(async (page) => {
    await ask(page, text);
    const last = await answer(page, state);
    const alert = last.getByRole("alert");
    assert.match(await alert.getByRole("heading").innerText(), title);
    const said = await alert.innerText();
    for (const part of parts) assert.ok(said.includes(part), `${part} in ${said}`);
  });

  it("401 offers to sign in", shows("unauthorized", /Not signed in/, ["The token is not valid.", "unauthenticated · 401", "req_failed", "Sign in"]));
  it("404 offers to choose a model", shows("missing", /No such model/, ["No model 'nope'.", "Choose a model"]));
  it("an error without a body says its status", shows("html", /Something went wrong/, ["502", "req_header"]));
  it("an error event keeps what had come", visit(async (page) => {
    await ask(page, "event");
    const last = await answer(page, "failed");
    assert.match(await last.innerText(), /Half an answer[\s\S]*Nobody could answer[\s\S]*Every model of the chain failed\./);
  }));
  it("a cut connection is no complete answer", shows("cut", /The answer was cut off/, ["cut_stream"]));
  it("a stream without an end is no complete answer", shows("ends", /The answer was cut off/, ["cut_stream"]));
  it("garbage is told, not thrown", shows("garbage", /The answer was damaged/, ["broken_stream"]));

  it("429 counts down, then lets try again", visit(async (page) => {
    await ask(page, "limited");
    const alert = (await answer(page, "failed")).getByRole("alert");
    assert.equal(await alert.getByRole("button", { name: /Try again in [12] s/ }).isDisabled(), true);
    const again = alert.getByRole("button", { name: "Try again", exact: true });
    await again.waitFor({ timeout: 5000 });
    const before = mock.requests.length;
    await again.click();
    await assertSoon(() => mock.requests.length === before + 1);
  }));

  it("says when the device is offline", visit(async (page) => {
    await page.context().setOffline(true);
    await page.getByText(/^Offline\./).waitFor();
    await ask(page, "hello");
    assert.match(await (await answer(page, "failed")).innerText(), /This device is offline\./);
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    assert.match(await (await answer(page)).innerText(), /Hello world/);
  }));
});

describe("images", () => {
  it("attaches from the picker, shrinks what is huge, sends data URLs", visit(async (page) => {
    await page.locator("input[type=file]").setInputFiles([
      { name: "small.png", mimeType: "image/png", buffer: png(20, 10) },
      { name: "huge.png", mimeType: "image/png", buffer: png(4000, 1000) },
    ]);
    await page.getByAltText("huge.png").waitFor();
    await ask(page, "hello");
    await answer(page);
    const [text, small, huge] = sent().body.messages[0].content;
    assert.deepEqual(text, { type: "text", text: "hello" });
    assert.match(small.image_url.url, /^data:image\/png;base64,/);
    assert.match(huge.image_url.url, /^data:image\/jpeg;base64,/);
    const size = await page.getByAltText("huge.png").evaluate((image) => [image.naturalWidth, image.naturalHeight]);
    assert.deepEqual(size, [1568, 392]);
  }));

  it("takes a dropped image, lets it go again, refuses other files", visit(async (page) => {
    const data = await page.evaluateHandle((bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "drop.png", { type: "image/png" }));
      transfer.items.add(new File(["x"], "notes.pdf", { type: "application/pdf" }));
      return transfer;
    }, [...png(8, 8)]);
    await page.dispatchEvent("body", "drop", { dataTransfer: data });
    await page.getByAltText("drop.png").waitFor();
    await page.getByText("notes.pdf is not a PNG, JPEG or WebP image.").waitFor();
    await page.getByRole("button", { name: "Remove drop.png" }).click();
    assert.equal(await page.getByAltText("drop.png").count(), 0);
    assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
  }));
});

describe("keyboard, phone, themes", () => {
  it("has / for the message, Shift+Enter for a line, no Enter while composing", visit(async (page) => {
    await page.getByRole("link", { name: "CODEEX Router" }).focus();
    await page.keyboard.press("/");
    const box = page.getByRole("textbox", { name: "Message" });
    assert.equal(await box.evaluate((area) => area === document.activeElement), true);
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    assert.equal(await box.inputValue(), "one\ntwo");
    await box.evaluate((area) => area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true })));
    assert.equal(await page.locator("article").count(), 0);
  }));

  it("starts from an example", visit(async (page) => {
    await page.getByRole("button", { name: /^Image/ }).click();
    await answer(page);
    assert.match(sent().body.messages[0].content[1].image_url.url, /^data:image\/png/);
  }));

  it("fits a phone of 375 px without sideways scrolling", visit(async (page) => {
    const fits = async (where) => {
      const width = await page.evaluate(() => Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("main, .scroller, dialog .sheet")].map((box) => box.scrollWidth)));
      assert.ok(width <= 375, `${where}: ${width} px`);
    };
    await fits("empty");
    await ask(page, "code");
    const last = await answer(page);
    await last.locator(".receipt summary").click();
    await fits("receipt");
    await page.getByRole("button", { name: "Controls" }).click();
    await page.getByRole("switch", { name: "Break Groq" }).waitFor();
    await fits("controls");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^Model:/ }).click();
    await page.getByRole("option", { name: /Kimi/ }).waitFor();
    await fits("models");
  }, { viewport: { width: 375, height: 667 }, hasTouch: true, isMobile: true }));

  it("follows the system's dark mode and keeps a chosen theme", visit(async (page) => {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await paper(), "rgb(18, 21, 20)");
    await page.getByRole("radio", { name: "Light" }).check();
    assert.equal(await paper(), "rgb(248, 247, 243)");
    await page.reload();
    assert.equal(await paper(), "rgb(248, 247, 243)");
  }, { colorScheme: "dark" }));
});

async function assertSoon(holds) {
  const end = Date.now() + 3000;
  while (!holds()) {
    assert.ok(Date.now() < end, `not within 3 s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
