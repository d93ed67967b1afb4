// The Vercel AI SDK through its provider for OpenAI-compatible services.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { addFault, apiKey, baseURL, heal, pixel, untilLeft } from "./system.mjs";

const codeex = createOpenAICompatible({
  name: "codeex",
  apiKey,
  baseURL: `${baseURL}/v1`,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = codeex("auto");

test("generateText", async () => {
  const { text, usage } = await generateText({ model, prompt: "Hello!", maxRetries: 0 });
  assert.ok(text.length > 0);
  assert.ok(usage.totalTokens > 0);
});

test("streamText", async () => {
  const result = streamText({ model, prompt: "Explain snow in three sentences.", maxRetries: 0 });
  let text = "";
  for await (const part of result.textStream) text += part;
  assert.ok(text.length > 20);
  assert.equal(await result.finishReason, "stop");
  assert.ok((await result.usage).outputTokens > 0);
});

test("tools over two steps", async () => {
  const asked = [];
  const { text } = await generateText({
    model,
    prompt: "What is the weather in Quito? Use the tool.",
    maxRetries: 0,
    stopWhen: stepCountIs(2),
    tools: {
      get_weather: tool({
        description: "The weather of a city today",
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => {
          asked.push(city);
          return { celsius: 15 };
        },
      }),
    },
  });
  assert.equal(asked.length, 1);
  assert.ok(text.length > 0);
});

test("structured output", async () => {
  const { output } = await generateText({
    model,
    prompt: "Invent a person.",
    maxRetries: 0,
    output: Output.object({ schema: z.object({ name: z.string(), age: z.number().int() }) }),
  });
  assert.ok(Number.isInteger(output.age));
});

test("streamed tools over two steps", async () => {
  const asked = [];
  const result = streamText({
    model,
    prompt: "What is the weather in Quito? Use the tool.",
    maxRetries: 0,
    stopWhen: stepCountIs(2),
    tools: {
      get_weather: tool({
        description: "The weather of a city today",
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => {
          asked.push(city);
          return { celsius: 15 };
        },
      }),
    },
  });
  assert.match(await result.text, /celsius/);
  assert.equal(asked.length, 1);
});

test("image", async () => {
  const { text } = await generateText({
    model,
    maxRetries: 0,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "What colour is this?" },
          { type: "image", image: pixel },
        ],
      },
    ],
  });
  assert.match(text, /image/);
});

test("errors carry status and message", async () => {
  const failing = async (options, status) =>
    assert.rejects(
      generateText({ model, prompt: "hi", maxRetries: 0, ...options }),
      (error) => APICallError.isInstance(error) && error.statusCode === status,
    );
  await failing({ temperature: 9 }, 400);
  await failing({ model: codeex("no-such-model") }, 404);
  const stranger = createOpenAICompatible({
    name: "codeex",
    apiKey: "nonsense",
    baseURL: `${baseURL}/v1`,
  });
  await failing({ model: stranger("auto") }, 401);
});

test("cancelled stream", async () => {
  const question = "Tell a long story about the frozen sea, please.";
  await addFault({ provider: "huggingface", kind: "slow", delay_ms: 1500, times: 1 });
  const left = new AbortController();
  const { textStream } = streamText({
    model: codeex("hf-gpt-oss-20b"),
    prompt: question,
    maxRetries: 0,
    abortSignal: left.signal,
  });
  for await (const _ of textStream) left.abort();
  await untilLeft("huggingface", question);
  await heal();
});

test("embeddings", async () => {
  const { embeddings } = await embedMany({
    model: codeex.embeddingModel("gemini-embedding-001"),
    values: ["one", "two"],
    maxRetries: 0,
  });
  assert.equal(embeddings.length, 2);
  assert.ok(embeddings[0].length > 100);
});
