// Chromium for the tests: one browser, a fresh profile for each page, errors of the page collected.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../public/package.json", import.meta.url));
const { chromium } = require("playwright-core");

// Without windows first: the suite takes six tenths of the time in it.
const PLACES = [
  "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
];

/**
 * How many times slower the pages run: CODEEX_TEST_SLOWED=8 finds tests that look before the page is
 * there, which otherwise fail one time in a hundred.
 */
const SLOWED = Number(process.env.CODEEX_TEST_SLOWED ?? 1);

/** The browser of CHROMIUM_PATH, or the system's. Raises Error where there is none. */
export async function launch() {
  const executablePath = process.env.CHROMIUM_PATH || PLACES.find((path) => existsSync(path));
  if (!executablePath) {
    throw new Error("No Chromium found: install the chromium package or set CHROMIUM_PATH.");
  }
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--host-resolver-rules=MAP *.test 127.0.0.1", // an address that is not this machine's own
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/**
 * A page in a profile of its own, at `url`, once `ready(page)` is there, signed in
 * as `user` under `make run`. `page.faults` holds uncaught errors and violations of
 * the content security policy; `page.foreign` the addresses asked outside of `url`.
 */
export async function open(browser, url, { path = "", ready = messageBox, user, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
  if (user) await context.addInitScript((uid) => (localStorage["codeex.user.v1"] ??= JSON.stringify(uid)), user);
  const page = await context.newPage();
  page.faults = [];
  page.foreign = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    if (/Content Security Policy|TrustedHTML|Trusted Type/i.test(text)) page.faults.push(text);
  });
  page.on("request", (request) => {
    const address = request.url();
    if (/^https?:/.test(address) && !address.startsWith(url)) page.foreign.push(address);
  });
  page.setDefaultTimeout(8000 * SLOWED);
  if (SLOWED > 1) {
    const session = await context.newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWED });
  }
  await page.goto(`${url}${path}`);
  await ready(page).waitFor();
  return page;
}

const messageBox = (page) => page.getByRole("textbox", { name: "Message" });

/** The dashboard, once everything was read. */
export const openDashboard = (browser, url, options = {}) =>
  open(browser, url, { path: "/admin", ready: (page) => page.locator(".fresh[data-live=true]"), ...options });

/** Writes a message and sends it by Enter. */
export async function ask(page, text) {
  const box = page.getByRole("textbox", { name: "Message" });
  await box.fill(text);
  await box.press("Enter");
}

/** The last answer, once it has ended in the state named (done, stopped or failed). */
export async function answer(page, state = "done") {
  const last = page.locator("article.answer").last();
  await page.locator(`article.answer >> nth=-1`).and(page.locator(`[data-state="${state}"]`)).waitFor();
  return last;
}
