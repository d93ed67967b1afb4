// What went wrong and what to do about it.
import { advice } from "../api/problems.ts";
import type { Problem } from "../api/types.ts";
import { regenerate } from "../chat.ts";
import { clockTime, span } from "../format.ts";
import { show } from "../state/view.ts";
import { Retry, Warning } from "./icons.tsx";
import { CopyButton, useCountdown } from "./parts.tsx";

const TITLES: Record<string, string> = {
  unauthenticated: "Not signed in",
  forbidden: "Not allowed",
  rate_limited: "Too many requests",
  capacity_exhausted: "No capacity right now",
  job_gone: "No longer in line",
  model_not_found: "No such model",
  feature_disabled: "Switched off",
  all_models_failed: "Nobody could answer",
  provider_error: "The provider failed",
  payload_too_large: "Too large",
  deadline_exceeded: "Out of time",
  cut_stream: "The answer was cut off",
  broken_stream: "The answer was damaged",
  offline: "Offline",
  unreachable: "No connection",
  safety_unavailable: "No safety guard could be reached",
  invalid_request: "The request is not valid",
};

export function ErrorCard(props: { problem: Problem; onRetry?: () => void }) {
  const { problem } = props;
  const left = useCountdown(problem.retryAt ?? 0);
  const retry = props.onRetry ?? (() => void regenerate());
  return (
    <div class="error" role="alert">
      <h2>
        <Warning />
        {TITLES[problem.code] ?? "Something went wrong"}
      </h2>
      <p>{problem.message}</p>
      <p class="advice">
        {advice(problem)}
        {left > 0 && problem.retryAt && <> Free again at {clockTime(problem.retryAt)}.</>}
      </p>
      <p class="actions">
        <button type="button" class="button" disabled={left > 0} onClick={retry}>
          <Retry />
          {left > 0 ? `Try again in ${span(left)}` : "Try again"}
        </button>
        {problem.code === "unauthenticated" && (
          <button type="button" class="button" onClick={() => show("user")}>Sign in</button>
        )}
        {problem.code === "model_not_found" && (
          <button type="button" class="button" onClick={() => show("models")}>Choose a model</button>
        )}
      </p>
      <Foot problem={problem} />
    </div>
  );
}

/** What to look for in the log. */
export function Foot(props: { problem: Problem }) {
  const { code, status, requestId } = props.problem;
  return (
    <p class="foot">
      <code>{code}{status ? ` · ${status}` : ""}</code>
      {requestId && (
        <span class="id">
          <code>{requestId}</code>
          <CopyButton small text={() => requestId} label="Copy request id" />
        </span>
      )}
    </p>
  );
}
