// The router's HTTP API as the page needs it: models and chat, plain or streamed.
import { ApiError, connectionProblem, problemIn, problemOf } from "./problems.ts";
import { readEvents } from "./sse.ts";
import type { ChatBody, Receipt, ToolCall, Usage } from "./types.ts";

/** Where the API answers: the page's own origin, or what the build was told. */
export const apiOrigin: string =
  document.querySelector<HTMLMetaElement>('meta[name="codeex-api"]')?.content || location.origin;

/** A part of an answer as it grows. Only what is new is set. */
export interface Delta {
  text?: string;
  reasoning?: string;
}

export interface AnswerHead {
  model?: string;
  provider?: string;
  requestId?: string;
}

export interface Answer {
  model?: string;
  toolCalls: ToolCall[];
  finishReason?: string;
  usage?: Usage;
  receipt?: Receipt;
}

export interface ChatCall {
  token: string;
  signal: AbortSignal;
  onHead(head: AnswerHead): void;
  onDelta(delta: Delta): void;
}

interface WireToolDelta {
  index?: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

interface WireSide {
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  tool_calls?: WireToolDelta[] | null;
}

interface WireAnswer {
  model?: string;
  choices?: { delta?: WireSide; message?: WireSide; finish_reason?: string | null }[];
  usage?: Usage | null;
  codeex?: Receipt;
}

/** GET a JSON document. Raises ApiError. */
export async function getJson(path: string, token: string): Promise<unknown> {
  const response = await send(path, { headers: bearer(token) });
  if (!response.ok) throw new ApiError(await problemOf(response));
  return response.json() as Promise<unknown>;
}

const bearer = (token: string): Record<string, string> =>
  token ? { Authorization: `Bearer ${token}` } : {};

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${apiOrigin}${path}`, { ...init, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(connectionProblem());
  }
}

/**
 * One chat request. Text and reasoning arrive through `onDelta`, the rest is returned at the end.
 * Raises ApiError for what the server or the connection got wrong, AbortError when `signal` fires.
 */
export async function chat(body: ChatBody, call: ChatCall): Promise<Answer> {
  const response = await send("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...bearer(call.token) },
    body: JSON.stringify(body),
    signal: call.signal,
  });
  if (response.status !== 200) throw new ApiError(await problemOf(response));
  call.onHead({
    model: response.headers.get("x-codeex-model") ?? undefined,
    provider: response.headers.get("x-codeex-provider") ?? undefined,
    requestId: response.headers.get("x-request-id") ?? undefined,
  });
  const type = response.headers.get("Content-Type") ?? "";
  try {
    return type.startsWith("text/event-stream") && response.body
      ? await streamed(response.body, call)
      : whole((await response.json()) as WireAnswer, call);
  } catch (error) {
    if (error instanceof ApiError || call.signal.aborted) throw error;
    throw new ApiError(
      navigator.onLine
        ? { code: "cut_stream", message: "The connection broke before the answer was complete." }
        : connectionProblem(),
    );
  }
}

function whole(body: WireAnswer, call: ChatCall): Answer {
  const problem = problemIn(body);
  if (problem) throw new ApiError(problem);
  const answer: Answer = { toolCalls: [] };
  take(body, answer, call);
  return answer;
}

async function streamed(body: ReadableStream<Uint8Array>, call: ChatCall): Promise<Answer> {
  const answer: Answer = { toolCalls: [] };
  let complete = false;
  for await (const { data } of readEvents(body)) {
    if (data.trim() === "[DONE]") {
      complete = true;
      break;
    }
    const chunk = parse(data);
    const problem = problemIn(chunk);
    if (problem) throw new ApiError(problem);
    take(chunk, answer, call);
  }
  if (!complete && !answer.finishReason) {
    throw new ApiError({
      code: "cut_stream",
      message: "The answer ended before its end was announced.",
    });
  }
  return answer;
}

function parse(data: string): WireAnswer {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value as WireAnswer;
  } catch {
    // told below
  }
  throw new ApiError({ code: "broken_stream", message: "A part of the answer could not be read." });
}

/** Adds one chunk, or a whole answer, to what was gathered. */
function take(chunk: WireAnswer, answer: Answer, call: ChatCall): void {
  if (chunk.model) answer.model = chunk.model;
  if (chunk.usage) answer.usage = chunk.usage;
  if (chunk.codeex) answer.receipt = chunk.codeex;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  const side = choice.delta ?? choice.message ?? {};
  const text = (side.content ?? "") + (side.refusal ?? "");
  const reasoning = side.reasoning_content ?? "";
  if (text || reasoning) call.onDelta({ text, reasoning });
  for (const [position, part] of (side.tool_calls ?? []).entries()) {
    addToolCall(answer.toolCalls, part, part.index ?? position);
  }
  if (choice.finish_reason) answer.finishReason = choice.finish_reason;
}

function addToolCall(calls: ToolCall[], part: WireToolDelta, index: number): void {
  const known = calls[index];
  if (known) {
    if (part.function?.name && !known.function.name) known.function.name = part.function.name;
    known.function.arguments += part.function?.arguments ?? "";
    return;
  }
  calls[index] = {
    id: part.id ?? `call_${index}`,
    type: "function",
    function: { name: part.function?.name ?? "", arguments: part.function?.arguments ?? "" },
  };
}
