// The conversation: turns in memory, kept in localStorage, and their form on the wire.
import type { Job } from "../api/jobs.ts";
import type { ImagePart, Problem, Receipt, TextPart, ToolCall, Usage, WireMessage } from "../api/types.ts";
import { refusedMessage } from "../safety.ts";
import { createStore, load, save } from "./store.ts";

export interface Picture {
  name: string;
  /** A data URL; empty where the browser's storage had no room for it. */
  url: string;
  width: number;
  height: number;
}

export interface UserTurn {
  role: "user";
  id: string;
  text: string;
  pictures: Picture[];
  /** The sample tool is offered for this message, whatever the settings say. */
  tool?: boolean;
}

export type AnswerState = "waiting" | "streaming" | "queued" | "done" | "stopped" | "failed";

export interface RanTool extends ToolCall {
  result?: string;
}

export interface AnswerTurn {
  role: "assistant";
  id: string;
  state: AnswerState;
  text: string;
  reasoning: string;
  tools: RanTool[];
  model?: string;
  provider?: string;
  requestId?: string;
  finishReason?: string;
  receipt?: Receipt;
  usage?: Usage;
  problem?: Problem;
  /** The job this answer waits as, or waited as. Its result is not kept here. */
  job?: Job;
  /** What went wrong while following the job; it is followed on. */
  jobNote?: string;
  /** Cancelling came too late: the answer is on its way. */
  tooLate?: boolean;
  /** Still without a provider after some seconds, on a stream that is kept alive. */
  noRoomYet?: boolean;
  /** Measured by the page, in ms from sending. */
  firstTokenMs?: number;
  totalMs?: number;
}

export type Turn = UserTurn | AnswerTurn;

export interface Conversation {
  turns: Turn[];
  /** The turns a new chat put away, for as long as they can be brought back. */
  putAway: Turn[] | null;
}

const KEY = "codeex.conversation.v1";

export const newId = (): string => Math.random().toString(36).slice(2, 10);

export const conversation = createStore<Conversation>({ turns: restored(), putAway: null });

function restored(): Turn[] {
  const turns = load<unknown>(KEY, []);
  if (!Array.isArray(turns)) return [];
  return (turns as Turn[])
    .filter((turn) => turn?.role === "user" || turn?.role === "assistant")
    .map((turn) =>
      turn.role === "assistant" && (turn.state === "waiting" || turn.state === "streaming")
        ? { ...turn, state: "stopped" as const } // the page was left in the middle
        : turn,
    );
}

/** Stores the conversation; pictures go first where the browser's room (about 5 MB) is not enough. */
export function keepConversation(): void {
  const { turns } = conversation.get();
  if (save(KEY, turns)) return;
  const light = turns.map((turn) =>
    turn.role === "user"
      ? { ...turn, pictures: turn.pictures.map((picture) => ({ ...picture, url: "" })) }
      : turn,
  );
  save(KEY, light);
}

export function setTurns(turns: Turn[]): void {
  conversation.update({ turns, putAway: null });
}

/** Changes one answer; it may be gone by now, then nothing happens. */
export function changeAnswer(id: string, change: Partial<AnswerTurn>): void {
  const { turns } = conversation.get();
  const at = turns.findIndex((turn) => turn.id === id);
  const turn = turns[at];
  if (turn?.role !== "assistant") return;
  conversation.update({ turns: turns.with(at, { ...turn, ...change }) });
}

export function newChat(): void {
  const { turns } = conversation.get();
  if (turns.length === 0) return;
  conversation.set({ turns: [], putAway: turns });
  keepConversation();
}

export function bringBack(): void {
  const { putAway } = conversation.get();
  if (!putAway) return;
  conversation.set({ turns: putAway, putAway: null });
  keepConversation();
}

/** The message that an answer answers. */
export function questionOf(answerId: string): UserTurn | undefined {
  const { turns } = conversation.get();
  const before = turns.slice(0, turns.findIndex((turn) => turn.id === answerId));
  return before.findLast((turn) => turn.role === "user");
}

/**
 * The turns as OpenAI messages. Answers without content, pictures no longer held and messages that
 * were refused are left out: as history they would reach a model all the same.
 */
export function toMessages(turns: Turn[]): WireMessage[] {
  return turns.flatMap((turn, at) => {
    if (turn.role === "assistant") return answerMessages(turn);
    const next = turns[at + 1];
    return next?.role === "assistant" && refusedMessage(next.problem) ? [] : [userMessage(turn)];
  });
}

function userMessage(turn: UserTurn): WireMessage {
  const pictures = turn.pictures.filter((picture) => picture.url !== "");
  if (pictures.length === 0) return { role: "user", content: turn.text };
  const parts: (TextPart | ImagePart)[] = pictures.map((picture) => ({
    type: "image_url",
    image_url: { url: picture.url },
  }));
  if (turn.text) parts.unshift({ type: "text", text: turn.text });
  return { role: "user", content: parts };
}

function answerMessages(turn: AnswerTurn): WireMessage[] {
  const ran = turn.tools.filter((tool) => tool.result !== undefined);
  if (ran.length === 0) return turn.text ? [{ role: "assistant", content: turn.text }] : [];
  return [
    {
      role: "assistant",
      content: turn.text || null,
      tool_calls: ran.map(({ id, type, function: called }) => ({ id, type, function: called })),
    },
    ...ran.map((tool): WireMessage => ({
      role: "tool",
      tool_call_id: tool.id,
      content: tool.result ?? "",
    })),
  ];
}
