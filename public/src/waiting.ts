// Answers that wait as jobs: followed until they end, over reloads of the page, and taken back.
import { readCompletion } from "./api/client.ts";
import { cancelJob, readJob, type Job } from "./api/jobs.ts";
import { apiOrigin } from "./api/http.ts";
import { ApiError, connectionProblem, problemIn } from "./api/problems.ts";
import type { Problem } from "./api/types.ts";
import { session, token } from "./auth.ts";
import { goOn } from "./chat.ts";
import { changeAnswer, conversation, keepConversation, type AnswerTurn } from "./state/conversation.ts";

/** Milliseconds between two looks at a job: soon at first, then more and more patient. */
const FIRST_MS = 1000;
const LONGEST_MS = 5000;
const GROWTH = 1.4;

/** The turns whose jobs are being followed, with what makes them look at once. */
const followed = new Map<string, () => void>();

/** Follows every waiting answer of the conversation from now on. */
export function followJobs(): () => void {
  const look = () => {
    for (const turn of conversation.get().turns) {
      if (turn.role !== "assistant" || turn.state !== "queued" || !turn.job) continue;
      if (!followed.has(turn.id)) void follow(turn.id, turn.job.id);
    }
  };
  const wake = () => {
    if (!document.hidden) for (const hurry of followed.values()) hurry();
  };
  look();
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  const stops = [conversation.watch(look), session.watch(wake)];
  return () => {
    for (const stop of stops) stop();
    document.removeEventListener("visibilitychange", wake);
    removeEventListener("online", wake);
  };
}

async function follow(turnId: string, jobId: string): Promise<void> {
  let pause = FIRST_MS;
  try {
    for (;;) {
      await rest(turnId, pause);
      pause = Math.min(LONGEST_MS, pause * GROWTH);
      const turn = held(turnId);
      if (turn === "away") continue; // a new chat put it away; it may be brought back
      if (turn === "gone") return void cancelJob(jobId, await token()).catch(() => undefined);
      if (turn.state !== "queued") return;
      await look(turn, jobId);
    }
  } finally {
    followed.delete(turnId);
  }
}

/** Waits; in a hidden page until it is seen again. What is in `followed` ends the wait at once. */
function rest(turnId: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      if (!document.hidden) resolve();
    }, ms);
    followed.set(turnId, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function held(turnId: string): AnswerTurn | "away" | "gone" {
  const { turns, putAway } = conversation.get();
  const turn = turns.find((item) => item.id === turnId);
  if (turn?.role === "assistant") return turn;
  return putAway?.some((item) => item.id === turnId) ? "away" : "gone";
}

async function look(turn: AnswerTurn, jobId: string): Promise<void> {
  try {
    const job = await readJob(jobId, await token());
    if (job) await take(turn.id, job);
  } catch (error) {
    const problem = error instanceof ApiError ? error.problem : connectionProblem();
    if (problem.status === 404) {
      fail(turn.id, { ...problem, code: "job_gone", message: "This request is no longer in line." });
    } else {
      changeAnswer(turn.id, { jobNote: trouble(problem) });
    }
  }
}

function trouble(problem: Problem): string {
  if (problem.status === 401) return "Sign in again to follow it. It keeps its place.";
  if (problem.code === "offline") return "This device is offline. It keeps its place.";
  return "The server does not answer just now; this page asks again.";
}

/** Puts what became of the job into the conversation. */
async function take(turnId: string, job: Job): Promise<void> {
  const { result: _result, ...slim } = job;
  switch (job.status) {
    case "queued":
    case "running":
      return changeAnswer(turnId, { job: slim, jobNote: undefined });
    case "cancelled":
      changeAnswer(turnId, { state: "stopped", job: slim, jobNote: undefined });
      break;
    case "failed":
      return fail(turnId, problemIn({ error: job.error ?? { message: "The request failed." } }), slim);
    case "succeeded": {
      const answer = await resultOf(job);
      if ("code" in answer) return fail(turnId, answer, slim);
      changeAnswer(turnId, {
        state: "done",
        text: answer.text,
        reasoning: answer.reasoning,
        tools: answer.toolCalls,
        finishReason: answer.finishReason,
        receipt: answer.receipt,
        usage: answer.usage,
        job: slim,
        jobNote: undefined,
        ...(answer.model && { model: answer.model }),
      });
    }
  }
  keepConversation();
  await goOn(turnId);
}

function fail(turnId: string, problem: Problem | undefined, job?: Job): void {
  changeAnswer(turnId, { state: "failed", problem, jobNote: undefined, ...(job && { job }) });
  keepConversation();
  void goOn(turnId);
}

/** A job's completion, or why it cannot be read; large ones lie elsewhere. */
async function resultOf(job: Job): Promise<ReturnType<typeof readCompletion> | Problem> {
  try {
    if (job.result !== undefined || !job.resultUrl) return readCompletion(job.result);
    const response = await fetch(new URL(job.resultUrl, apiOrigin), { credentials: "omit" });
    if (response.ok) return readCompletion(await response.json());
  } catch (error) {
    if (error instanceof ApiError) return error.problem;
  }
  return { code: "result_unread", message: "The answer is ready but could not be fetched." };
}

/**
 * Takes a waiting request back. When it came too late, the answer is on its way. Resolves to why it
 * could not be taken back, where the server did not say what became of it.
 */
export async function cancelWaiting(turn: AnswerTurn): Promise<string | undefined> {
  if (!turn.job) return undefined;
  try {
    const job = await cancelJob(turn.job.id, await token());
    if (job) await take(turn.id, job);
    else followed.get(turn.id)?.();
  } catch (error) {
    const problem = error instanceof ApiError ? error.problem : connectionProblem();
    if (problem.status !== 409) return problem.message;
    changeAnswer(turn.id, { tooLate: true });
    followed.get(turn.id)?.();
  }
  return undefined;
}
