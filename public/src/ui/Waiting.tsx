// An answer that has no words yet: on its way, or in line for capacity.
import { useState } from "preact/hooks";
import type { Job } from "../api/jobs.ts";
import { ordinal, span } from "../format.ts";
import type { AnswerTurn } from "../state/conversation.ts";
import { cancelWaiting } from "../waiting.ts";
import { Clock } from "./icons.tsx";
import { CopyButton, Provider, useCountdown } from "./parts.tsx";

const Dots = () => <span class="dots" aria-hidden="true"><i /><i /><i /></span>;

/** Between sending and the first word. */
export function OnItsWay(props: { turn: AnswerTurn }) {
  const { provider, noRoomYet } = props.turn;
  return (
    <p class="waiting">
      <Dots />
      <span>{provider ? <>Waiting for <Provider id={provider} /></> : noRoomYet ? "Waiting for capacity" : "Routing"}</span>
    </p>
  );
}

/** The request waits as a job: its place, how long that may take, and the way out. */
export function InLine(props: { turn: AnswerTurn; job: Job }) {
  const { turn, job } = props;
  const [cancelling, setCancelling] = useState(false);
  const [refused, setRefused] = useState<string | undefined>();
  const left = useCountdown(job.seenAt + (job.estimatedWait ?? 0) * 1000);
  const running = job.status === "running";
  const cancel = async () => {
    setCancelling(true);
    setRefused(await cancelWaiting(turn));
    setCancelling(false);
  };
  return (
    <section class="in-line" aria-label="Waiting in line" data-running={running}>
      <header>
        <h2>{running ? <Dots /> : <Clock />}{running ? "Being answered" : "In line for capacity"}</h2>
        <button type="button" class="button" disabled={cancelling || turn.tooLate} onClick={() => void cancel()}>
          {cancelling ? "Cancelling" : "Cancel"}
        </button>
      </header>
      {!running && (
        <dl>
          {job.ahead !== undefined && (
            <div>
              <dt>Position</dt>
              <dd><span role="status">{job.ahead < 1 ? "Next" : ordinal(job.ahead + 1)}</span></dd>
            </div>
          )}
          {job.estimatedWait !== undefined && (
            <div>
              <dt>Estimated wait</dt>
              <dd>{left > 0 ? `about ${span(left)}` : "any moment"}</dd>
            </div>
          )}
        </dl>
      )}
      {running && job.progress && job.progress.total > 1 && (
        <progress value={job.progress.done} max={job.progress.total} aria-label="Progress" />
      )}
      <p class="note">
        {running
          ? "A provider has room now. The answer appears here."
          : "Every provider that could answer is at its limit. You can leave this page: the request keeps its place and the answer will be here."}
        {job.attempts > 1 && ` Attempt ${job.attempts}.`}
      </p>
      {turn.tooLate && <p class="note trouble" role="status">Too late to cancel: the answer is on its way.</p>}
      {refused && !turn.tooLate && <p class="note trouble" role="status">Not cancelled: {refused}</p>}
      {turn.jobNote && <p class="note trouble" role="status">{turn.jobNote}</p>}
      <p class="foot">
        <span class="id">
          <code>{job.id}</code>
          <CopyButton small text={() => job.id} label="Copy job id" />
        </span>
      </p>
    </section>
  );
}
