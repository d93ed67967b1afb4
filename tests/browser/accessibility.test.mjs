// axe-core's rules on every view, light and dark, desktop and phone: contrast, names, roles, order.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { startMock } from "./support/mock_server.mjs";

const require = createRequire(new URL("../../public/package.json", import.meta.url));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

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

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 375]) {
    test(`no violation in ${colorScheme} at ${width} px`, async () => {
      // The rules run as a script of the test's own, which the page's policy rightly refuses.
      const page = await open(browser, mock.url, {
        colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce", bypassCSP: true,
      });
      await page.evaluate(axe);
      const check = async (view) => {
        const { violations } = await page.evaluate(() => window.axe.run());
        const found = violations.map(({ id, nodes }) => `${view}: ${id} at ${nodes.map((node) => node.html)}`);
        assert.deepEqual(found, []);
      };
      await check("empty");
      await ask(page, "code");
      const last = await answer(page);
      await last.locator(".hljs-keyword").first().waitFor();
      await last.locator(".receipt summary").click();
      await check("receipt");
      await ask(page, "limited");
      await answer(page, "failed");
      await check("error");
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
  }
}
