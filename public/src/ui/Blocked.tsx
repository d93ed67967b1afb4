// A message or an answer that was refused for what it says: why, and the way on.
import type { Problem } from "../api/types.ts";
import { regenerate } from "../chat.ts";
import { words } from "../format.ts";
import { capital, categoryName, refusalAdvice, refusalTitle, refusedMessage } from "../safety.ts";
import { questionOf, type AnswerTurn } from "../state/conversation.ts";
import { view } from "../state/view.ts";
import { Foot } from "./ErrorCard.tsx";
import { Pencil, Retry, Shield } from "./icons.tsx";

export function Blocked(props: { turn: AnswerTurn; problem: Problem; last: boolean; busy: boolean }) {
  const { turn, problem, last, busy } = props;
  const shown = turn.text !== "";
  const edit = () => view.update({ editing: questionOf(turn.id)?.id ?? null });
  return (
    <div class="error blocked" role="alert">
      <h2>
        <Shield />
        {refusalTitle(problem, shown)}
      </h2>
      <p>{capital(problem.message)}</p>
      <Facts problem={problem} />
      <p class="advice">{refusalAdvice(problem, shown)}</p>
      {problem.category === "SELF_HARM" && refusedMessage(problem) && <Help />}
      <p class="actions">
        <button type="button" class="button main" disabled={busy} onClick={edit}>
          <Pencil />
          Edit the question
        </button>
        {last && !refusedMessage(problem) && (
          <button type="button" class="button" disabled={busy} onClick={() => void regenerate()}>
            <Retry />
            Ask once more
          </button>
        )}
      </p>
      <Foot problem={problem} />
    </div>
  );
}

function Facts(props: { problem: Problem }) {
  const { category, severity, stage, code } = props.problem;
  const rows: [string, string | undefined][] = [
    ["Category", category && capital(categoryName(category))],
    ["Severity", severity && capital(words(severity))],
    ["Found in", stage === "output" ? "The answer" : stage === "input" || code === "injection_detected" ? "Your message" : undefined],
  ];
  const told = rows.filter(([, value]) => value);
  if (told.length === 0) return null;
  return (
    <dl class="facts">
      {told.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A machine's refusal must not be the last word to somebody who is in need. */
const Help = () => (
  <p>
    If you think of hurting yourself, please talk to somebody now: your emergency number, or a{" "}
    <a href="https://findahelpline.com" target="_blank" rel="noopener noreferrer">helpline near you</a>.
  </p>
);
