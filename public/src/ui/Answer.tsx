// What a model answered, with its thoughts, its tool calls and its receipt.
import { useState } from "preact/hooks";
import { regenerate } from "../chat.ts";
import { duration } from "../format.ts";
import { isRefusal } from "../safety.ts";
import type { AnswerTurn, RanTool } from "../state/conversation.ts";
import { Blocked } from "./Blocked.tsx";
import { ErrorCard } from "./ErrorCard.tsx";
import { Chevron, Retry, Tool } from "./icons.tsx";
import { Markdown } from "./Markdown.tsx";
import { CopyButton } from "./parts.tsx";
import { Receipt } from "./Receipt.tsx";
import { SafetyLines } from "./Safety.tsx";
import { InLine, OnItsWay } from "./Waiting.tsx";

export function Answer(props: { turn: AnswerTurn; last: boolean; busy: boolean }) {
  const { turn, last, busy } = props;
  const growing = turn.state === "waiting" || turn.state === "streaming";
  const empty = turn.state === "done" && !turn.text && turn.tools.length === 0;
  return (
    <article class="answer" data-state={turn.state} aria-label="Answer" aria-busy={growing}>
      {turn.reasoning && <Thoughts text={turn.reasoning} thinking={growing && !turn.text} />}
      {turn.text && <Markdown text={turn.text} />}
      {turn.tools.map((tool) => (
        <ToolView key={tool.id} tool={tool} />
      ))}
      {turn.state === "waiting" && <OnItsWay turn={turn} />}
      {turn.state === "queued" && turn.job && <InLine turn={turn} job={turn.job} />}
      {empty && <p class="note">The model answered without text.</p>}
      {turn.state === "stopped" && turn.job && <p class="note">Cancelled while it waited in line.</p>}
      {turn.state === "stopped" && !turn.job && <p class="note">Stopped{turn.totalMs ? ` after ${duration(turn.totalMs)}` : ""}.</p>}
      {turn.finishReason === "length" && (
        <p class="note">The answer reached its token limit. Raise max tokens to get more.</p>
      )}
      {turn.receipt && <SafetyLines receipt={turn.receipt} />}
      {turn.problem && (isRefusal(turn.problem) ? <Blocked turn={turn} problem={turn.problem} last={last} busy={busy} /> : <ErrorCard problem={turn.problem} />)}
      {!growing && turn.state !== "queued" && (
        <div class="foot-row">
          {turn.receipt && <Receipt turn={turn} receipt={turn.receipt} />}
          <div class="actions">
            {turn.text && <CopyButton small text={() => turn.text} label="Copy answer" />}
            {last && !turn.problem && (
              <button
                type="button"
                class="quiet"
                aria-label="Answer again"
                title="Answer again"
                disabled={busy}
                onClick={() => void regenerate()}
              >
                <Retry />
              </button>
            )}
          </div>
        </div>
      )}
    </article>
  );
}

function Thoughts(props: { text: string; thinking: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="thoughts" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Chevron class="turn" />
        {props.thinking ? "Thinking" : "Thoughts"}
      </summary>
      <Markdown text={props.text} />
    </details>
  );
}

function ToolView(props: { tool: RanTool }) {
  const { tool } = props;
  return (
    <div class="tool">
      <p>
        <Tool />
        <code>{tool.function.name}</code>
        <code class="arguments">{tool.function.arguments}</code>
      </p>
      {tool.result !== undefined && <pre tabIndex={0}>{tool.result}</pre>}
    </div>
  );
}
