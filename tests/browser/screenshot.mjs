// Takes the README's picture: a real conversation with a broken provider and its receipt open.
// Writes docs/images/playground.png (1280x800). BASE_URL or a router of its own, as in the tests.
import { fileURLToPath } from "node:url";
import { answer, ask, launch, open } from "./support/browser.mjs";
import { favourite, faultsAre, startRouter } from "./support/real_server.mjs";

const target = fileURLToPath(new URL("../../docs/images/playground.png", import.meta.url));
const first = "Write a Python function that merges overlapping intervals.";
const second = "What is 348 * 27?";

const router = await startRouter({ SIM_LATENCY: "typical" });
const browser = await launch();
try {
  const page = await open(browser, router.url, { colorScheme: "light", reducedMotion: "reduce" });
  page.setDefaultTimeout(30_000);
  await ask(page, first);
  await (await answer(page)).locator(".hljs-keyword").first().waitFor();
  const usual = await favourite(router.url, second);
  await page.getByRole("switch", { name: `Break ${usual}` }).check();
  await faultsAre(router.url, 1);
  await ask(page, second);
  await page.locator("article.answer").nth(1).waitFor();
  const last = await answer(page);
  await last.locator(".receipt summary").click();
  await page.mouse.move(640, 20);
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForTimeout(300);
  await page.screenshot({ path: target });
  console.log(`written: ${target}`);
} finally {
  await fetch(`${router.url}/sim/faults`, { method: "DELETE" });
  await browser.close();
  await router.close();
}
