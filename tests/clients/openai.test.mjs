// The official OpenAI JavaScript SDK: base address and key changed, nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { addFault, apiKey, baseURL, heal, pixel, untilLeft, weatherTool } from "./system.mjs";

const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const ask = (content) => [{ role: "user", content }];

test("plain answer with usage and receipt", async () => {
  const answer = await client.chat.completions.create({ model: "auto", messages: ask("Hello!") });
  assert.ok(answer.choices[0].message.content);
  assert.ok(answer.usage.total_tokens > 0);
  assert.equal(answer.codeex.routing.attempts.at(-1).outcome, "ok");
});

test("stream with usage", async () => {
  const stream = await client.chat.completions.create({
    model: "auto",
    messages: ask("Explain gravity in three sentences."),
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let last;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    last = chunk;
  }
  assert.ok(text.length > 20);
  assert.ok(last.usage.completion_tokens > 0);
});

test("the SDK's own stream helper accumulates tool calls", async () => {
  const runner = client.chat.completions.stream({
    model: "auto",
    messages: ask("What is the weather in Rome?"),
    tools: [weatherTool],
    tool_choice: "required",
  });
  const final = await runner.finalChatCompletion();
  const call = final.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "get_weather");
  assert.equal(typeof JSON.parse(call.function.arguments).city, "string");
});

test("tools round trip", async () => {
  const messages = ask("What is the weather in Rome? Use the tool.");
  const first = await client.chat.completions.create({
    model: "auto",
    messages,
    tools: [weatherTool],
    tool_choice: "required",
  });
  const { message } = first.choices[0];
  const [call] = message.tool_calls;
  const second = await client.chat.completions.create({
    model: "auto",
    tools: [weatherTool],
    messages: [
      ...messages,
      message,
      { role: "tool", tool_call_id: call.id, content: '{"celsius": 21}' },
    ],
  });
  assert.ok(second.choices[0].message.content);
});

test("json_schema", async () => {
  const answer = await client.chat.completions.create({
    model: "auto",
    messages: ask("Invent a person."),
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "person",
        strict: true,
        schema: {
          type: "object",
          properties: { name: { type: "string" }, age: { type: "integer" } },
          required: ["name", "age"],
          additionalProperties: false,
        },
      },
    },
  });
  const person = JSON.parse(answer.choices[0].message.content);
  assert.equal(typeof person.name, "string");
  assert.ok(Number.isInteger(person.age));
});

test("image part", async () => {
  const answer = await client.chat.completions.create({
    model: "auto",
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "What colour is this?" },
          { type: "image_url", image_url: { url: pixel } },
        ],
      },
    ],
  });
  assert.equal(answer.codeex.classification.category, "VISION_IN");
});

test("model list", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.length >= 60);
});

test("errors are the SDK's own types", async () => {
  await assert.rejects(
    client.chat.completions.create({ model: "auto", messages: ask("hi"), temperature: 9 }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
  );
  await assert.rejects(
    client.chat.completions.create({ model: "no-such-model", messages: ask("hi") }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  const stranger = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: "nonsense", maxRetries: 0 });
  await assert.rejects(
    stranger.chat.completions.create({ model: "auto", messages: ask("hi") }),
    OpenAI.AuthenticationError,
  );
});

test("cancelled stream", async () => {
  const question = "Tell a long story about the western sea, please.";
  await addFault({ provider: "cerebras", kind: "slow", delay_ms: 1500, times: 1 });
  const stream = await client.chat.completions.create({
    model: "cerebras-gpt-oss-120b",
    messages: ask(question),
    stream: true,
  });
  let seen = 0;
  for await (const chunk of stream) {
    seen += chunk.choices.length;
    stream.controller.abort();
  }
  assert.ok(seen >= 1);
  await untilLeft("cerebras", question);
  await heal();
});

test("moderations", async () => {
  const answer = await client.moderations.create({ input: ["I launder money.", "Hello!"] });
  assert.deepEqual(
    answer.results.map((result) => result.flagged),
    [true, false],
  );
  assert.equal(answer.results[0].categories.illicit, true);
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({
    model: "gemini-embedding-001",
    input: ["one", "two"],
    dimensions: 768,
  });
  assert.deepEqual(
    answer.data.map((item) => item.embedding.length),
    [768, 768],
  );
});
