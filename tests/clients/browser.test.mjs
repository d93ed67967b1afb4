// Web apps on other origins in Chromium: the Firebase SDK, OpenAI's SDK and fetch across CORS.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "../browser/support/browser.mjs";
import { after, before, describe, it } from "../browser/support/bounded.mjs";
import { addFault, apiKey, authEmulator, baseURL, heal, untilLeft } from "./system.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const { buildSync } = createRequire(new URL("../../public/package.json", import.meta.url))("esbuild");
const packed = (source) =>
  buildSync({ ...source, absWorkingDir: here, bundle: true, format: "esm", write: false }).outputFiles[0].contents;
const scripts = { "/app.js": packed({ entryPoints: ["browser_page.mjs"] }) };

// The web apps of docs/clients.md, at the addresses of the system here.
const snippets = [...readFileSync(join(here, "../../docs/clients.md"), "utf8").matchAll(/^```javascript\n([^]*?)^```$/gm)]
  .map(([, text]) => text)
  .filter((text) => text.includes("firebase/"))
  .map((text) => text.replaceAll("http://127.0.0.1:8080", baseURL).replaceAll("http://127.0.0.1:9099", authEmulator()))
  .map((text) => text.replaceAll('"127.0.0.1", 8080', `"127.0.0.1", ${new URL(baseURL).port}`));
snippets.forEach((contents, at) => {
  scripts[`/snippet-${at}.js`] = packed({ stdin: { contents, resolveDir: here } });
});

let browser;
let site;
before(async () => {
  site = createServer((request, response) => {
    const script = scripts[request.url];
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    const named = request.url === "/" ? "/app.js" : `${request.url}.js`;
    response.end(script ?? `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${named}"></script>`);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
});

/** Runs `work(page)` on the app's page at this host, which is not the system's origin. */
const visit = (work, host = "localhost") => async () => {
  const page = await browser.newPage();
  try {
    await page.goto(`http://${host}:${site.address().port}/`);
    await page.waitForFunction(() => "OpenAI" in globalThis);
    await work(page);
  } finally {
    await page.close();
  }
};

/** Runs `work(chat, given)` in the page; `chat` and `jobs` are the functions of a signed-in app. */
const signedIn = (page, work, given = null) =>
  page.evaluate(
    async ([source, address, emulator, given]) => {
      const app = initializeApp({ projectId: "demo-codeex", apiKey: "any" });
      await signIn(app, emulator);
      const functions = getFunctions(app);
      connectFunctionsEmulator(functions, address.hostname, Number(address.port));
      const of = (name) => httpsCallable(functions, name);
      return await (0, eval)(`(${source})`)(of("chat"), of("jobs"), given);
    },
    [String(work), { hostname: new URL(baseURL).hostname, port: new URL(baseURL).port }, authEmulator(), given],
  );

describe("the Firebase SDK", () => {
  it("calls and streams", visit(async (page) => {
    const seen = await signedIn(page, async (chat) => {
      const { data } = await chat({ prompt: "Explain how vaccines work." });
      const { stream, data: whole } = await chat.stream({ prompt: "Explain gravity." });
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
      return { object: data.object, text, whole: (await whole).choices[0].message.content };
    });
    assert.equal(seen.object, "chat.completion");
    assert.ok(seen.text.length > 20);
    assert.equal(seen.whole, seen.text);
  }));

  it("tells errors by their codes, plain and streamed", visit(async (page) => {
    const codes = await signedIn(page, async (chat, jobs) => {
      const codeOf = async (promise) => promise.then(() => "none", ({ code, details }) => `${code} ${details?.code}`);
      const streamed = async (data) => {
        const { stream, data: result } = await chat.stream(data);
        const read = async () => {
          for await (const _ of stream) void _;
        };
        return Promise.all([codeOf(read()), codeOf(result)]);
      };
      return {
        argument: await codeOf(chat({ prompt: "Hi", temperature: 9 })),
        model: await streamed({ prompt: "Hi", model: "no-such-model" }),
        job: await codeOf(jobs({ op: "get", id: "job_of_nobody" })),
      };
    });
    const model = "functions/not-found model_not_found";
    assert.deepEqual(codes, {
      argument: "functions/invalid-argument invalid_request",
      model: [model, model],
      job: "functions/not-found not_found",
    });
  }));

  it("cancels at the provider within a second", visit(async (page) => {
    const question = `A long text about the sea, number ${Math.random()}, please.`;
    await addFault({ provider: "google", kind: "slow", delay_ms: 1500, times: 1 });
    const code = await signedIn(page, async (chat, _, prompt) => {
      const abort = new AbortController();
      const { data } = await chat.stream({ prompt, model: "google-gemini-3.8-flash" }, { signal: abort.signal });
      setTimeout(() => abort.abort(), 300);
      return data.then(() => "none", (error) => error.code);
    }, question);
    assert.equal(code, "functions/cancelled");
    await untilLeft("google", question);
    await heal();
  }));
});

describe("OpenAI's SDK", () => {
  const ask = (page, stream, address = baseURL) =>
    page.evaluate(
      async ([baseURL, apiKey, stream]) => {
        const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
        const messages = [{ role: "user", content: "Explain how tides work." }];
        const { data, response } = await client.chat.completions.create({ model: "auto", messages, stream }).withResponse();
        const names = ["x-request-id", "x-codeex-model", "x-codeex-provider", "x-ratelimit-remaining-requests"];
        let text = "";
        if (stream) for await (const chunk of data) text += chunk.choices[0]?.delta?.content ?? "";
        else text = data.choices[0].message.content;
        return { text, headers: names.map((name) => response.headers.get(name)) };
      },
      [address, apiKey, stream],
    );

  for (const stream of [false, true]) {
    it(`answers ${stream ? "a stream" : "whole"}, with headers that can be read`, visit(async (page) => {
      const { text, headers } = await ask(page, stream);
      assert.ok(text.length > 20);
      assert.ok(headers.every(Boolean), String(headers));
    }));
  }

  it("asks once whether it may", visit(async (page) => {
    const asked = [];
    const between = createServer((request, response) => {
      asked.push(request.method);
      const { method, headers } = request;
      const passed = forward(baseURL + request.url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      request.pipe(passed);
    });
    await new Promise((resolve) => between.listen(0, "127.0.0.1", resolve));
    for (let turn = 0; turn < 3; turn++) await ask(page, false, `http://127.0.0.1:${between.address().port}`);
    between.closeAllConnections();
    between.close();
    assert.deepEqual(asked, ["OPTIONS", "POST", "POST", "POST"]);
  }));

  it("gets errors as its own types", visit(async (page) => {
    const seen = await page.evaluate(async ([baseURL, apiKey]) => {
      const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
      const messages = [{ role: "user", content: "Hi" }];
      try {
        await client.chat.completions.create({ model: "no-such-model", messages });
      } catch (error) {
        return [error instanceof OpenAI.NotFoundError, error.code, error.requestID];
      }
    }, [baseURL, apiKey]);
    assert.deepEqual(seen.slice(0, 2), [true, "model_not_found"]);
    assert.match(seen[2], /^req_/);
  }));
});

describe("docs/clients.md", () => {
  it("has web apps", () => assert.ok(snippets.length >= 3));
  snippets.forEach((_, at) => {
    it(`web app ${at + 1} answers in a page`, async () => {
      const page = await browser.newPage();
      const said = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(String(error)));
      await page.goto(`http://localhost:${site.address().port}/snippet-${at}`);
      const end = Date.now() + 10_000;
      while (!said.join(" ").includes("[simulated") && Date.now() < end) await page.waitForTimeout(50);
      await page.close();
      assert.match(said.join(" "), /\[simulated/);
    });
  });
});

describe("fetch", () => {
  const ALLOWED = { GET: "/v1/models", POST: "/v1/jobs/job_x/cancel", PATCH: "/admin/api/config", DELETE: "/v1/me/keys/x", PUT: "/v1/models" };
  for (const [method, path] of Object.entries(ALLOWED)) {
    it(`${method} ${path} is answered across origins`, visit(async (page) => {
      const seen = await page.evaluate(async ([url, method, key]) => {
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
        const answer = await fetch(url, { method, headers, body: method === "GET" ? undefined : "{}" });
        return [answer.status, answer.headers.get("x-request-id")];
      }, [baseURL + path, method, apiKey]);
      assert.ok(seen[0] >= 200 && seen[0] < 500, String(seen));
      assert.match(seen[1], /^req_/);
    }));
  }

  it("reads nothing from a site that is not allowed", visit(async (page) => {
    const seen = await page.evaluate(async ([url, key]) => {
      const outcome = async (address, options) => fetch(address, options).then(() => "read", (error) => error.name);
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      return [
        await outcome(`${url}/health`, {}),
        await outcome(`${url}/v1/models`, { headers }),
        await outcome(`${url}/callable/chat`, { method: "POST", headers, body: '{"data": {"prompt": "Hi"}}' }),
      ];
    }, [baseURL, apiKey]);
    assert.deepEqual(seen, ["TypeError", "TypeError", "TypeError"]);
  }, "stranger.test"));
});
