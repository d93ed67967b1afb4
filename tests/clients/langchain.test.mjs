// LangChain's OpenAI integration, pointed here by its configuration.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { addFault, apiKey, baseURL, heal, pixel, untilLeft } from "./system.mjs";

const model = (fields = {}) =>
  new ChatOpenAI({
    model: "auto",
    apiKey,
    maxRetries: 0,
    configuration: { baseURL: `${baseURL}/v1` },
    ...fields,
  });

const weather = tool(async ({ city }) => `17 degrees in ${city}`, {
  name: "get_weather",
  description: "The weather of a city today",
  schema: z.object({ city: z.string() }),
});

test("invoke", async () => {
  const answer = await model().invoke([new HumanMessage("Hello!")]);
  assert.ok(answer.content.length > 0);
  assert.ok(answer.usage_metadata.total_tokens > 0);
});

test("stream with usage", async () => {
  let whole;
  for await (const chunk of await model().stream("Explain rain in three sentences.")) {
    whole = whole === undefined ? chunk : whole.concat(chunk);
  }
  assert.ok(whole.content.length > 20);
  assert.ok(whole.usage_metadata.output_tokens > 0);
});

test("tool calls round trip", async () => {
  const bound = model().bindTools([weather], { tool_choice: "any" });
  const question = new HumanMessage("What is the weather in Lima?");
  const first = await bound.invoke([question]);
  const [call] = first.tool_calls;
  assert.equal(call.name, "get_weather");
  const result = await weather.invoke(call.args);
  const second = await model()
    .bindTools([weather])
    .invoke([question, first, new ToolMessage({ tool_call_id: call.id, content: result })]);
  assert.ok(second.content.length > 0);
});

test("structured output", async () => {
  const person = await model()
    .withStructuredOutput(z.object({ name: z.string(), age: z.number().int() }), {
      method: "jsonSchema",
    })
    .invoke("Invent a person.");
  assert.equal(typeof person.name, "string");
});

test("streamed tool call", async () => {
  let whole;
  const bound = model().bindTools([weather], { tool_choice: "any" });
  for await (const chunk of await bound.stream("What is the weather in Lima?")) {
    whole = whole === undefined ? chunk : whole.concat(chunk);
  }
  const [call] = whole.tool_calls;
  assert.equal(call.name, "get_weather");
  assert.equal(typeof call.args.city, "string");
});

test("image", async () => {
  const answer = await model().invoke([
    new HumanMessage({
      content: [
        { type: "text", text: "What colour is this?" },
        { type: "image_url", image_url: { url: pixel } },
      ],
    }),
  ]);
  assert.match(answer.content, /image/);
});

test("errors carry status and code", async () => {
  const failing = async (fields, status) =>
    assert.rejects(model(fields).invoke("hi"), (error) => error.status === status);
  await failing({ temperature: 9 }, 400);
  await failing({ apiKey: "nonsense" }, 401);
  await failing({ model: "no-such-model" }, 404);
});

test("cancelled stream", async () => {
  const question = "Tell a long story about the eastern sea, please.";
  await addFault({ provider: "huggingface", kind: "slow", delay_ms: 1500, times: 1 });
  const left = new AbortController();
  const stream = await model({ model: "hf-gpt-oss-20b" }).stream(question, { signal: left.signal });
  await assert.rejects(async () => {
    for await (const _ of stream) left.abort();
  });
  await untilLeft("huggingface", question);
  await heal();
});
