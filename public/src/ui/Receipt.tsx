// The routing receipt: who answered, why, and everything that was tried on the way.
import type { Attempt, Receipt as Data } from "../api/types.ts";
import { useState } from "preact/hooks";
import { catalog, labelOf } from "../state/catalog.ts";
import type { AnswerTurn } from "../state/conversation.ts";
import { useStore } from "../state/store.ts";
import { duration, words } from "../format.ts";
import { Chevron, Warning } from "./icons.tsx";
import { CopyButton, Provider } from "./parts.tsx";
import { SafetySection } from "./Safety.tsx";

export function Receipt(props: { turn: AnswerTurn; receipt: Data }) {
  const { turn, receipt } = props;
  const { models } = useStore(catalog);
  const name = (id: string) => labelOf(id, models);
  const attempts = receipt.routing?.attempts ?? [];
  const last = attempts.at(-1);
  const model = turn.model ?? last?.model ?? "";
  const provider = models.find((item) => item.id === model)?.provider ?? last?.provider ?? turn.provider;
  const total = receipt.timings_ms?.total ?? turn.totalMs ?? 0;
  const failed = attempts.filter((attempt) => attempt.outcome !== "ok").length;
  return (
    <details
      class="receipt"
      onToggle={(event) => {
        if (event.currentTarget.open) event.currentTarget.scrollIntoView({ block: "nearest" });
      }}
    >
      <summary>
        <Chevron class="turn" />
        {provider && <Provider id={provider} />}
        <span class="model">{name(model)}</span>
        {receipt.classification?.category && (
          <span class="category">{words(receipt.classification.category)}</span>
        )}
        {receipt.guard === "not_scanned" && <span class="guard" data-guard="not_scanned">not scanned</span>}
        <span class="figures">
          <span>{duration(total)}</span>
          <span class={failed > 0 ? "fell" : ""}>
            {attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`}
          </span>
        </span>
        <span class="hidden">Routing receipt</span>
      </summary>
      <div class="slip">
        <Why receipt={receipt} />
        <Warnings warnings={receipt.warnings ?? []} />
        {attempts.length > 0 && <Attempts attempts={attempts} name={name} />}
        <Chain receipt={receipt} name={name} />
        <SafetySection receipt={receipt} name={name} />
        <Figures turn={turn} receipt={receipt} />
      </div>
    </details>
  );
}

/** Who sorted the request into its category. */
const SOURCES: Record<string, string> = {
  local: "by the local classifier",
  llm: "by a model that was asked",
  cache: "as a model said of a similar request",
};

function Why(props: { receipt: Data }) {
  const found = props.receipt.classification;
  const reason = props.receipt.routing?.reason;
  return (
    <section class="why">
      {found?.category && (
        <p class="verdict">
          <strong>{words(found.category)}</strong>
          {typeof found.confidence === "number" && <span>{Math.round(found.confidence * 100)} % sure</span>}
          {found.complexity && <span>{words(found.complexity)} complexity</span>}
          {found.source && <span>{SOURCES[found.source] ?? `by the ${words(found.source)} classifier`}</span>}
        </p>
      )}
      {found?.reasoning && <p>Why this category: {found.reasoning}</p>}
      {reason && <p>Why this chain: {reason}</p>}
    </section>
  );
}

function Warnings(props: { warnings: string[] }) {
  if (props.warnings.length === 0) return null;
  return (
    <ul class="warnings" aria-label="Warnings">
      {props.warnings.map((warning) => (
        <li key={warning}>
          <Warning />
          <span>{warning}</span>
        </li>
      ))}
    </ul>
  );
}

/** The attempts one after the other on one time axis. */
function Attempts(props: { attempts: Attempt[]; name: (id: string) => string }) {
  const total = Math.max(1, props.attempts.reduce((sum, attempt) => sum + attempt.latency_ms, 0));
  let before = 0;
  return (
    <section>
      <h2>Attempts</h2>
      <ol class="timeline">
        {props.attempts.map((attempt, index) => {
          const start = (before / total) * 100;
          const length = (attempt.latency_ms / total) * 100;
          before += attempt.latency_ms;
          const ok = attempt.outcome === "ok";
          return (
            <li key={index} data-outcome={ok ? "ok" : "failed"}>
              <span class="who">
                <Provider id={attempt.provider} /> {props.name(attempt.model)}
              </span>
              <span class="how">{ok ? "answered" : words(attempt.outcome)}</span>
              <span class="ms">{duration(attempt.latency_ms)}</span>
              <span class="bar" aria-hidden="true">
                <i style={{ marginLeft: `${Math.min(start, 98)}%`, width: `${Math.max(2, length)}%` }} />
              </span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

/** Longer chains open on request: the first links are what mattered. */
const CHAIN_SHOWN = 4;

function Chain(props: { receipt: Data; name: (id: string) => string }) {
  const [all, setAll] = useState(false);
  const chain = props.receipt.routing?.chain ?? [];
  if (chain.length === 0) return null;
  const shown = all ? chain : chain.slice(0, CHAIN_SHOWN);
  const tried = new Map(
    (props.receipt.routing?.attempts ?? []).map((attempt) => [attempt.model, attempt.outcome]),
  );
  return (
    <section>
      <h2>Chain</h2>
      <ol class="chain">
        {shown.map((entry) => {
          const outcome = tried.get(entry.model);
          return (
            <li key={entry.model} data-outcome={outcome && (outcome === "ok" ? "ok" : "failed")}>
              <Provider id={entry.provider} />
              <span>{props.name(entry.model)}</span>
              {typeof entry.priority === "number" && <small>{entry.priority}</small>}
              {entry.status && entry.status !== "ACTIVE" && (
                <span class="badge" data-status={entry.status}>{entry.status}</span>
              )}
            </li>
          );
        })}
        {shown.length < chain.length && (
          <li class="more">
            <button type="button" class="quiet" onClick={() => setAll(true)}>
              {chain.length - shown.length} more
            </button>
          </li>
        )}
      </ol>
    </section>
  );
}

function Figures(props: { turn: AnswerTurn; receipt: Data }) {
  const { turn, receipt } = props;
  const usage = turn.usage;
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  const rows: [string, string][] = Object.entries(receipt.timings_ms ?? {})
    .filter(([, value]) => typeof value === "number")
    .map(([key, value]) => [words(key.replace(/_ms$/, "")), duration(value)]);
  if (turn.firstTokenMs !== undefined && receipt.timings_ms?.first_token === undefined) rows.push(["first token", duration(turn.firstTokenMs)]);
  if (usage?.prompt_tokens !== undefined) rows.push(["tokens in", String(usage.prompt_tokens)]);
  if (usage?.completion_tokens !== undefined) {
    rows.push(["tokens out", `${usage.completion_tokens}${reasoning ? ` (${reasoning} thinking)` : ""}`]);
  }
  const id = receipt.request_id ?? turn.requestId;
  return (
    <section>
      <dl class="figures">
        {rows.map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="foot">
        {id && (
          <span class="id">
            <code>{id}</code>
            <CopyButton small text={() => id} label="Copy request id" />
          </span>
        )}
      </p>
    </section>
  );
}
