// The newest refusals, by category, side and user. No word of what was said is kept.
import { useEffect } from "preact/hooks";
import { ago, dateTime, words } from "../format.ts";
import { capital, CATEGORIES, categoryName } from "../safety.ts";
import { useStore } from "../state/store.ts";
import { Cross } from "../ui/icons.tsx";
import { CopyButton } from "../ui/parts.tsx";
import { Nothing, Table, useNow } from "./pieces.tsx";
import { cssName } from "./safety.ts";
import { choose, followViolations, listing, more, renew, type Violation, type Wanted } from "./violations.ts";

/** This much of an id tells users, and requests, apart; the request's end is what differs. */
const UID_SHOWN = 10;
const REQUEST_SHOWN = 8;
const STAGES = [["input", "Message"], ["output", "Answer"]] as const;

export function Violations() {
  const { wanted, rows, next, reading, problem } = useStore(listing);
  const now = useNow(10_000);
  useEffect(followViolations, []);
  const narrowed = Object.values(wanted).some(Boolean);
  return (
    <div class="violations" aria-busy={reading}>
      <header>
        <h3>Newest refusals</h3>
        <Filters wanted={wanted} />
      </header>
      {problem && (
        <p class="note trouble" role="status">
          Not read: {problem.message} <button type="button" class="quiet" onClick={() => void renew()}>Try again</button>
        </p>
      )}
      {rows === null && !problem && <Nothing>{reading ? "Reading." : "Nothing read yet."}</Nothing>}
      {rows?.length === 0 && next === null && (
        <Nothing>{narrowed ? "No refusal fits these filters." : "Nothing was refused in the last 90 days."}</Nothing>
      )}
      {rows !== null && rows.length > 0 && (
        <Table label="Newest refusals" class="tall">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Category</th>
              <th scope="col">Severity</th>
              <th scope="col">Found in</th>
              <th scope="col">User</th>
              <th scope="col">Request</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => <Row key={row.id} row={row} now={now} chosen={wanted.uid === row.uid} />)}
          </tbody>
        </Table>
      )}
      {rows !== null && (rows.length > 0 || next !== null) && (
        <p class="actions">
          {next !== null && <button type="button" class="button" disabled={reading} onClick={() => void more()}>Show more</button>}
          <span class="note" role="status">{rows.length} shown{next === null ? ", all there are" : ""}</span>
        </p>
      )}
    </div>
  );
}

function Filters(props: { wanted: Wanted }) {
  const { category, stage, uid } = props.wanted;
  return (
    <div class="filters" role="group" aria-label="Filters">
      {uid && (
        <button type="button" class="button chosen" title={uid} aria-label={`All users again, not only ${uid.slice(0, UID_SHOWN)}`} onClick={() => void choose({ uid: "" })}>
          {uid.slice(0, UID_SHOWN)}<Cross />
        </button>
      )}
      <select class="small" aria-label="Category" value={category} onChange={(event) => void choose({ category: event.currentTarget.value })}>
        <option value="">Every category</option>
        {CATEGORIES.map((name) => <option key={name} value={name}>{capital(categoryName(name))}</option>)}
      </select>
      <select class="small" aria-label="Found in" value={stage} onChange={(event) => void choose({ stage: event.currentTarget.value })}>
        <option value="">Messages and answers</option>
        {STAGES.map(([name, label]) => <option key={name} value={name}>{label}s</option>)}
      </select>
    </div>
  );
}

function Row(props: { row: Violation; now: number; chosen: boolean }) {
  const { row, now, chosen } = props;
  const side = STAGES.find(([name]) => name === row.stage)?.[1] ?? row.stage;
  return (
    <tr>
      <td title={row.at === null ? undefined : dateTime(row.at)}>{row.at === null ? "–" : ago(row.at, now)}</td>
      <th scope="row"><span class={`key ${cssName(row.category)}`}>{capital(categoryName(row.category))}</span></th>
      <td><span class="badge" data-severity={row.severity}>{words(row.severity)}</span></td>
      <td>{side.toLowerCase()}</td>
      <td>
        {chosen || !row.uid ? (
          <code title={row.uid}>{row.uid.slice(0, UID_SHOWN) || "–"}</code>
        ) : (
          <button type="button" class="quiet" aria-label={`Only user ${row.uid.slice(0, UID_SHOWN)}`} title={`Only ${row.uid}`} onClick={() => void choose({ uid: row.uid })}>
            <code>{row.uid.slice(0, UID_SHOWN)}</code>
          </button>
        )}
      </td>
      <td class="request">
        <code title={row.requestId}>{row.requestId.slice(-REQUEST_SHOWN)}</code>
        {row.requestId && <CopyButton small text={() => row.requestId} label={`Copy request id ${row.requestId}`} />}
      </td>
    </tr>
  );
}
