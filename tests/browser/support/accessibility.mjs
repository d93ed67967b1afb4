// axe-core's rules on every view, desktop and phone: contrast, names, roles, order.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "./bounded.mjs";
import { answer, ask, launch, open, openDashboard } from "./browser.mjs";
import { startMock } from "./mock_server.mjs";

const require = createRequire(new URL("../../../public/package.json", import.meta.url));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let browser;
let mock;

/** Declares the tests of one colour scheme ("light", "dark"): a file each, so that they run side by side. */
export function checkEveryView(colorScheme) {
  before(async () => {
    mock = await startMock();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await mock?.close();
  });

  for (const width of [1280, 375]) {
    // The rules run as a script of the test's own, which the page's policy rightly refuses.
    const options = { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce", bypassCSP: true };

    test(`no violation in ${colorScheme} at ${width} px`, async () => {
      const page = await open(browser, mock.url, options);
      const check = await checker(page);
      await check("empty");
      await ask(page, "code");
      const last = await answer(page);
      await last.locator(".hljs-keyword").first().waitFor();
      await last.locator(".receipt summary").click();
      await check("receipt");
      await ask(page, "limited");
      await answer(page, "failed");
      await check("error");
      await ask(page, "masked");
      await answer(page);
      await page.locator(".receipt summary").last().click();
      await check("safety in the receipt");
      await ask(page, "unscanned");
      await answer(page);
      await ask(page, "hurt");
      await answer(page, "failed");
      await check("refusal");
      await ask(page, "queue");
      await page.getByRole("region", { name: "Waiting in line" }).waitFor();
      await check("queued");
      await page.getByRole("button", { name: /^Model:/ }).click();
      await page.getByRole("option", { name: /Kimi/ }).waitFor();
      await check("models");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Code samples" }).click();
      await check("samples");
      await page.keyboard.press("Escape");
      if (width === 375) {
        await page.getByRole("button", { name: "Controls" }).click();
        await check("controls");
      }
      await page.context().close();
    });

    test(`no violation on the dashboard in ${colorScheme} at ${width} px`, async () => {
      const page = await openDashboard(browser, mock.url, options);
      const check = await checker(page);
      await check("figures");
      for (const row of await page.locator(".provider-row summary").all()) await row.click();
      for (const row of await page.locator(".in-force summary").all()) await row.click();
      await check("all open");
      await page.getByRole("button", { name: /^Only user k/ }).first().click();
      await page.getByRole("button", { name: /^All users again/ }).waitFor();
      // Until the answer has come the old rows stand there, paler.
      const answered = page.waitForResponse((response) => response.url().includes("category=SELF_HARM"));
      await page.locator(".violations").getByLabel("Category").selectOption("SELF_HARM");
      await answered;
      await page.locator('.violations:not([aria-busy="true"])').waitFor();
      await check("refusals of one user");
      await page.getByRole("textbox", { name: "Change it" }).fill('{"nope": 1, "client_limits": {"user_rpm": null}}');
      await page.getByRole("button", { name: "Store 2 changes" }).click();
      await page.getByRole("alert").waitFor();
      await check("refused");
      await page.getByRole("button", { name: "Roll back to version 1" }).click();
      await check("confirm");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /Signed in as/ }).click();
      await page.getByRole("button", { name: "bob", exact: true }).click();
      await page.getByText("Not an administrator").waitFor();
      await check("forbidden");
      await page.context().close();
    });
  }
}

/** A function that runs the rules on the page as it is now. */
async function checker(page) {
  await page.evaluate(axe);
  return async (view) => {
    // What passed is not described, and no style sheet fetched again: half of the time.
    const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"], preload: false }));
    const found = violations.map(({ id, nodes }) => `${view}: ${id} at ${nodes.map((node) => node.html)}`);
    assert.deepEqual(found, []);
  };
}
