// node:test with an end to everything: no test, hook or open handle can keep the suite from ending.
// (The flag --test-timeout counts for a whole file, skips its `after`, and Node 18 has none.)
import * as suite from "node:test";

/** Milliseconds. A test needs seconds; a hook starts a browser and a router (60 s at most). */
const TEST_MS = 120_000;
const HOOK_MS = 90_000;
/** What is still open this long after the last hook is not waited for. */
const LEFT_OPEN_MS = 15_000;

export const { describe } = suite;
export const it = (name, work) => suite.it(name, { timeout: TEST_MS }, work);
export const test = (name, work) => suite.test(name, { timeout: TEST_MS }, work);
export const before = (work) => suite.before(work, { timeout: HOOK_MS });
export const beforeEach = (work) => suite.beforeEach(work, { timeout: HOOK_MS });
export const afterEach = (work) => suite.afterEach(work, { timeout: HOOK_MS });

/** Runs `work` after the last test; then the process ends, whatever was left open. */
export const after = (work) =>
  suite.after(
    async () => {
      setTimeout(() => process.exit(), LEFT_OPEN_MS + HOOK_MS).unref();
      await work();
      setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
    },
    { timeout: HOOK_MS },
  );
