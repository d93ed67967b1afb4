// One chat request, plain or streamed, and the answer as it comes.
import { bearer, send } from "./http.ts";
import { jobIn, Queued } from "./jobs.ts";
import { ApiError, connectionProblem, problemIn, problemOf } from "./problems.ts";
import { readEvents } from "./sse.ts";
import type { ChatBody, Receipt, ToolCall, Usage } from "./types.ts";

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
  /** The server keeps the stream alive without saying anything yet. */
  onAlive?(): void;
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

/**
 * One chat request. Text and reasoning arrive through `onDelta`, the rest is returned at the end.
 * Raises Queued where the request now waits as a job, ApiError for what the server or the
 * connection got wrong, AbortError when `signal` fires.
 */
export async function chat(body: ChatBody, call: ChatCall): Promise<Answer> {
  const response = await send("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...bearer(call.token) },
    body: JSON.stringify(body),
    signal: call.signal,
  });
  if (response.status === 202) await throwQueued(response);
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
    if (error instanceof ApiError || error instanceof Queued || call.signal.aborted) throw error;
    throw new ApiError(
      navigator.onLine
        ? { code: "cut_stream", message: "The connection broke before the answer was complete." }
        : connectionProblem(),
    );
  }
}

/** A 202 carries the job as its body; one that does not is told as a problem by the caller. */
async function throwQueued(response: Response): Promise<void> {
  const body: unknown = await response.clone().json().catch(() => null);
  const job = jobIn(body);
  if (job) throw new Queued(job);
}

/** The answer in a whole completion, as a finished job carries it. */
export function readCompletion(body: unknown): Answer & { text: string; reasoning: string } {
  const grown = { text: "", reasoning: "" };
  const answer = whole((body ?? {}) as WireAnswer, {
    onDelta(delta) {
      grown.text += delta.text ?? "";
      grown.reasoning += delta.reasoning ?? "";
    },
  });
  return { ...answer, ...grown, toolCalls: answer.toolCalls.filter(Boolean) };
}

type Listener = Pick<ChatCall, "onDelta">;

function whole(body: WireAnswer, call: Listener): Answer {
  const problem = problemIn(body);
  if (problem) throw new ApiError(problem);
  const answer: Answer = { toolCalls: [] };
  take(body, answer, call);
  return answer;
}

async function streamed(body: ReadableStream<Uint8Array>, call: ChatCall): Promise<Answer> {
  const answer: Answer = { toolCalls: [] };
  let complete = false;
  for await (const { data } of readEvents(body, call.onAlive)) {
    if (data.trim() === "[DONE]") {
      complete = true;
      break;
    }
    const chunk = parse(data);
    const job = jobIn((chunk as { error?: { job?: unknown } }).error?.job);
    if (job) throw new Queued(job);
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
function take(chunk: WireAnswer, answer: Answer, call: Listener): void {
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
