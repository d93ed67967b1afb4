// Jobs: what a request becomes when no provider has room for it within its patience.
import { getJson, sendJson } from "./http.ts";

export type JobStatus = "queued" | "running" | "succeeded" | "failed" | "cancelled";

export interface Job {
  id: string;
  status: JobStatus;
  progress?: { done: number; total: number };
  /** How many are before it in line; only while it is queued. */
  ahead?: number;
  /** Seconds, as estimated when `seenAt` was. */
  estimatedWait?: number;
  attempts: number;
  result?: unknown;
  resultUrl?: string;
  error?: unknown;
  /** Unix milliseconds of the moment this page read it. */
  seenAt: number;
}

/** Not an error: the request was taken and waits as this job. */
export class Queued extends Error {
  constructor(readonly job: Job) {
    super(`The request waits as job ${job.id}.`);
  }
}

type Loose = Record<string, unknown>;
const STATUSES: readonly JobStatus[] = ["queued", "running", "succeeded", "failed", "cancelled"];
const number = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** The job in a parsed body; undefined when it is none. */
export function jobIn(value: unknown): Job | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const job = value as Loose;
  const id = text(job.id);
  const status = STATUSES.find((name) => name === job.status);
  if (!id || !status) return undefined;
  const progress = (job.progress ?? {}) as Loose;
  const [done, total] = [number(progress.done), number(progress.total)];
  return {
    id,
    status,
    progress: done !== undefined && total !== undefined ? { done, total } : undefined,
    ahead: number(job.position),
    estimatedWait: number(job.estimated_wait_seconds),
    attempts: number(job.attempts) ?? 0,
    result: job.result ?? undefined,
    resultUrl: text(job.result_url),
    error: job.error ?? undefined,
    seenAt: Date.now(),
  };
}

const path = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`;

/** The job as it stands; undefined where the answer is none. Raises ApiError. */
export async function readJob(id: string, token: string): Promise<Job | undefined> {
  return jobIn(await getJson(path(id), token));
}

/** Takes the request back. Raises ApiError, 409 when it came too late. */
export async function cancelJob(id: string, token: string): Promise<Job | undefined> {
  return jobIn(await sendJson("POST", `${path(id)}/cancel`, token));
}
