// One sample tool that runs in this page, so that a whole tool round trip can be seen.
import type { ToolCall, ToolSpec } from "./api/types.ts";

export const SAMPLE_TOOL: ToolSpec = {
  type: "function",
  function: {
    name: "local_time",
    description: "The current date and time in a time zone.",
    parameters: {
      type: "object",
      properties: {
        time_zone: { type: "string", description: "IANA time zone, for example Asia/Tokyo" },
      },
      required: ["time_zone"],
      additionalProperties: false,
    },
  },
};

/** The result of a call as JSON text; a call that makes no sense is told so, never thrown. */
export function runTool(call: ToolCall): string {
  if (call.function.name !== SAMPLE_TOOL.function.name) {
    return JSON.stringify({ error: `There is no tool ${call.function.name} here.` });
  }
  try {
    const { time_zone: zone } = JSON.parse(call.function.arguments) as { time_zone?: unknown };
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: String(zone),
      dateStyle: "full",
      timeStyle: "short",
    });
    return JSON.stringify({ time_zone: zone, local_time: format.format(new Date()) });
  } catch {
    return JSON.stringify({ error: "Expected {\"time_zone\": an IANA name}." });
  }
}
