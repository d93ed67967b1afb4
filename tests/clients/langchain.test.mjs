// LangChain's OpenAI integration, pointed here by its configuration.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { apiKey, baseURL } from "./system.mjs";

const model = () =>
  new ChatOpenAI({ model: "auto", apiKey, maxRetries: 0, configuration: { baseURL: `${baseURL}/v1` } });

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

test("stream", async () => {
  let text = "";
  for await (const chunk of await model().stream("Explain rain in three sentences.")) {
    text += chunk.content;
  }
  assert.ok(text.length > 20);
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
