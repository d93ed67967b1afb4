// The Vercel AI SDK through its provider for OpenAI-compatible services.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { apiKey, baseURL } from "./system.mjs";

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
