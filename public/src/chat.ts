// What happens between pressing Send and the last word of the answer.
import { chat } from "./api/client.ts";
import { Queued } from "./api/jobs.ts";
import { ApiError, connectionProblem } from "./api/problems.ts";
import type { ChatBody } from "./api/types.ts";
import { token } from "./auth.ts";
import {
  changeAnswer,
  conversation,
  keepConversation,
  newId,
  setTurns,
  toMessages,
  type AnswerTurn,
  type Picture,
  type Turn,
} from "./state/conversation.ts";
import { routerOptions, settings, type Settings } from "./state/settings.ts";
import { createStore } from "./state/store.ts";
import { runTool, SAMPLE_TOOL } from "./tools.ts";

/** Tool rounds after which the page stops asking: a model may call for ever. */
const MAX_TOOL_ROUNDS = 4;
/** After this long (ms) without a provider a kept-alive stream waits for capacity. */
const NO_ROOM_MS = 4000;

/** What a screen reader is told, and whether an answer is under way. */
export const activity = createStore<{ busy: boolean; said: string }>({ busy: false, said: "" });

let running: AbortController | null = null;

export function stop(): void {
  running?.abort();
}

export interface SendOptions {
  /** The turn this message replaces, with everything after it. */
  replaces?: string;
  tool?: boolean;
}

export async function send(
  text: string,
  pictures: Picture[],
  { replaces, tool }: SendOptions = {},
): Promise<void> {
  const { turns } = conversation.get();
  const at = replaces ? turns.findIndex((turn) => turn.id === replaces) : -1;
  const before = at >= 0 ? turns.slice(0, at) : turns;
  await answer([...before, { role: "user", id: newId(), text, pictures, tool }]);
}

/** Asks again for the answer that followed the last message. */
export async function regenerate(): Promise<void> {
  const { turns } = conversation.get();
  const last = turns.findLastIndex((turn) => turn.role === "user");
  if (last >= 0) await answer(turns.slice(0, last + 1));
}

/** The body of a request for these turns under these settings. Shared with the code samples. */
export function chatBody(turns: Turn[], chosen: Settings): ChatBody {
  const asked = turns.findLast((turn) => turn.role === "user");
  const tool = chosen.sampleTool || (asked?.role === "user" && asked.tool === true);
  return {
    model: chosen.model,
    messages: toMessages(turns),
    stream: chosen.stream,
    ...(chosen.stream && { stream_options: { include_usage: true } }),
    ...(chosen.temperature !== null && { temperature: chosen.temperature }),
    ...(chosen.maxTokens !== null && { max_tokens: chosen.maxTokens }),
    ...(tool && { tools: [SAMPLE_TOOL] }),
    codeex: routerOptions(chosen),
  };
}

async function answer(turns: Turn[]): Promise<void> {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  activity.set({ busy: true, said: "Answering." });
  let history = turns;
  for (let round = 0; round <= MAX_TOOL_ROUNDS; round++) {
    const turn = await ask(history, mine.signal);
    if (!turn || turn.state !== "done" || round === MAX_TOOL_ROUNDS || !ranTools(turn)) break;
    history = conversation.get().turns;
  }
  if (running !== mine) return; // a newer request took over
  running = null;
  keepConversation();
  const last = conversation.get().turns.at(-1);
  activity.set({ busy: false, said: last?.role === "assistant" ? outcome(last) : "" });
}

/** Runs the tools an answer asks for; false where it asks for none. */
function ranTools(turn: AnswerTurn): boolean {
  if (turn.tools.length === 0) return false;
  changeAnswer(turn.id, { tools: turn.tools.map((call) => ({ ...call, result: runTool(call) })) });
  return true;
}

/** Goes on after an answer that came as a job: its tools, when nothing was asked since. */
export async function goOn(id: string): Promise<void> {
  const turn = conversation.get().turns.at(-1);
  if (turn?.id !== id || turn.role !== "assistant" || running) return;
  activity.set({ busy: false, said: outcome(turn) });
  if (turn.state === "done" && ranTools(turn)) await answer(conversation.get().turns);
}

function outcome(turn: AnswerTurn): string {
  if (turn.state === "failed") return `Error: ${turn.problem?.message ?? "unknown"}`;
  if (turn.state === "queued") return "Every provider is full. The request waits in line.";
  if (turn.state === "stopped") return "Stopped.";
  return `Answer complete. ${turn.text.slice(0, 400)}`;
}

/** One request: adds the answer's turn, fills it as it comes, returns it as it ended. */
async function ask(history: Turn[], signal: AbortSignal): Promise<AnswerTurn | undefined> {
  const id = newId();
  const started = performance.now();
  const elapsed = () => Math.round(performance.now() - started);
  setTurns([
    ...history,
    { role: "assistant", id, state: "waiting", text: "", reasoning: "", tools: [] },
  ]);
  keepConversation();
  const grown = { text: "", reasoning: "" };
  const paint = onNextFrame(() => changeAnswer(id, { ...grown, state: "streaming" }));
  try {
    const done = await chat(chatBody(history, settings.get()), {
      token: await token(),
      signal,
      onHead: (head) => changeAnswer(id, head),
      onDelta(delta) {
        if (!grown.text && !grown.reasoning) changeAnswer(id, { firstTokenMs: elapsed() });
        grown.text += delta.text ?? "";
        grown.reasoning += delta.reasoning ?? "";
        paint.request();
      },
      onAlive() {
        if (elapsed() > NO_ROOM_MS && !grown.text && !grown.reasoning) changeAnswer(id, { noRoomYet: true });
      },
    });
    paint.cancel();
    changeAnswer(id, {
      ...grown,
      state: "done",
      tools: done.toolCalls.filter(Boolean),
      finishReason: done.finishReason,
      receipt: done.receipt,
      usage: done.usage,
      totalMs: elapsed(),
      ...(done.model && { model: done.model }),
    });
  } catch (error) {
    paint.cancel();
    if (error instanceof Queued && !signal.aborted) changeAnswer(id, { ...grown, state: "queued", job: error.job });
    else changeAnswer(id, { ...grown, ...ending(error, signal), totalMs: elapsed() });
  }
  const turn = conversation.get().turns.find((item) => item.id === id);
  return turn?.role === "assistant" ? turn : undefined;
}

function ending(error: unknown, signal: AbortSignal): Partial<AnswerTurn> {
  if (signal.aborted) return { state: "stopped" };
  return {
    state: "failed",
    problem: error instanceof ApiError ? error.problem : connectionProblem(),
  };
}

/** Runs `work` at most once a frame; in a hidden tab, where frames stop, every 200 ms. */
function onNextFrame(work: () => void): { request(): void; cancel(): void } {
  let cancelPending: (() => void) | null = null;
  const run = () => {
    cancelPending = null;
    work();
  };
  return {
    request() {
      if (cancelPending) return;
      if (document.hidden) {
        const timer = setTimeout(run, 200);
        cancelPending = () => clearTimeout(timer);
      } else {
        const frame = requestAnimationFrame(run);
        cancelPending = () => cancelAnimationFrame(frame);
      }
    },
    cancel() {
      cancelPending?.();
      cancelPending = null;
    },
  };
}
