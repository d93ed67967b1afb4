// The event parser alone: any split of the bytes gives the same events.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { test } from "./support/bounded.mjs";

const require = createRequire(new URL("../../public/package.json", import.meta.url));
const { buildSync } = require("esbuild");
const bundled = buildSync({
  entryPoints: [fileURLToPath(new URL("../../public/src/api/sse.ts", import.meta.url))],
  bundle: true, format: "esm", write: false,
});
const { EventParser } = await import(`data:text/javascript,${encodeURIComponent(bundled.outputFiles[0].text)}`);

const STREAMS = {
  "line feeds": ': hi\n\ndata: {"a": "grüße 👋"}\n\ndata: one\ndata: two\n\nevent: error\ndata:tight\n\nid: 1\n\ndata: [DONE]\n\n',
  "carriage returns": ": hi\r\rdata: x\r\rdata: y\r\r",
  "both": "data: x\r\n\r\n: c\r\ndata: y\r\ndata\r\n\r\nretry: 5\r\n\r\ndata: z\r\n\r\n",
  "no last empty line": "data: x\n\ndata: [DONE]\n",
};
const EXPECTED = {
  "line feeds": ['{"a": "grüße 👋"}', "one\ntwo", "tight", "[DONE]"],
  "carriage returns": ["x", "y"],
  "both": ["x", "y\n", "z"],
  "no last empty line": ["x", "[DONE]"],
};

function parse(packets) {
  const parser = new EventParser();
  return [...packets.flatMap((packet) => parser.push(packet)), ...parser.end()].map((event) => event.data);
}

for (const [name, text] of Object.entries(STREAMS)) {
  test(`events with ${name} survive every split`, () => {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(parse([bytes]), EXPECTED[name]);
    assert.deepEqual(parse([...bytes].map((_, at) => bytes.subarray(at, at + 1))), EXPECTED[name]);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second += 3) {
        const packets = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        assert.deepEqual(parse(packets), EXPECTED[name], `split at ${first} and ${second}`);
      }
    }
  });
}

test("the event's name is kept", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push(new TextEncoder().encode("event: queued\ndata: 1\n\n")), [{ event: "queued", data: "1" }]);
});
