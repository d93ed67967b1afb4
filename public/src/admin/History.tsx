// How the configuration came to be what it is, and the way back.
import { useState } from "preact/hooks";
import type { Problem } from "../api/types.ts";
import { dateTime } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Dialog } from "../ui/parts.tsx";
import { leaves } from "./patch.ts";
import { Refusal } from "./PatchEditor.tsx";
import { Nothing, Table } from "./pieces.tsx";
import type { Version } from "./shapes.ts";
import { known, problemFrom, rollBack } from "./state.ts";

/** Before the first change: nothing stored, all as environment and defaults say. */
const START: Version = { version: 0, changedAt: null, changedBy: "", patch: {}, rolledBackTo: null };
const when = (version: Version): string => (version.changedAt === null ? "at an unknown time" : dateTime(version.changedAt));

/** Who changed something is told by a long pseudonym; this much tells people apart. */
const BY_SHOWN = 10;

export function History() {
  const { history, config } = useStore(known);
  const [chosen, setChosen] = useState<Version | null>(null);
  if (!config) return null;
  const whole = history.at(-1)?.version === 1;
  const rows = whole ? [...history, START] : history;
  return (
    <div class="history">
      <h3>History</h3>
      {history.length === 0 && <Nothing>Nothing was changed yet.</Nothing>}
      {history.length > 0 && (
        <Table label="Versions of the configuration" class="tall">
          <thead>
            <tr>
              <th scope="col" class="figure">Version</th>
              <th scope="col">Changed</th>
              <th scope="col">By</th>
              <th scope="col">Patch</th>
              <th scope="col"><span class="hidden">Back to it</span></th>
            </tr>
          </thead>
          <tbody>
            {rows.map((version) => (
              <tr key={version.version} data-current={version.version === config.version}>
                <th scope="row" class="figure">{version.version}</th>
                <td class="when">{version.version === 0 ? "at first" : when(version)}</td>
                <td title={version.changedBy}>{version.changedBy.slice(0, BY_SHOWN)}</td>
                <td class="patch">
                  {version.version === 0 && <span class="note">nothing stored</span>}
                  {version.rolledBackTo !== null && <span class="note">back to version {version.rolledBackTo} </span>}
                  {version.version > 0 && <code>{inShort(version)}</code>}
                </td>
                <td class="do">
                  {version.version === config.version ? (
                    <span class="badge" data-level="stored">in force</span>
                  ) : (
                    <button type="button" class="button" aria-label={`Roll back to version ${version.version}`} onClick={() => setChosen(version)}>
                      Roll back
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      {chosen && <Confirm version={chosen} from={config.version} onClose={() => setChosen(null)} />}
    </div>
  );
}

/** The values a patch sets, on one line. */
function inShort(version: Version): string {
  const set = leaves(version.patch).filter((leaf) => leaf.keys.length > 0);
  return set.length === 0 ? "{}" : set.map((leaf) => `${leaf.keys.join(".")}: ${JSON.stringify(leaf.value)}`).join(", ");
}

function Confirm(props: { version: Version; from: number; onClose: () => void }) {
  const { version } = props;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const go = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await rollBack(version.version);
      props.onClose();
    } catch (error) {
      setProblem(problemFrom(error));
      setBusy(false);
    }
  };
  const undone = props.from - version.version;
  return (
    <Dialog title={`Roll back to version ${version.version}?`} class="confirm" onClose={props.onClose}>
      <p>
        {version.version === 0
          ? "Nothing is stored any more: the environment and the defaults hold, as a new version."
          : `What was stored as version ${version.version} on ${when(version)} comes into force again, as a new version.`}
        {undone > 0 && ` What ${undone === 1 ? "the version" : `the ${undone} versions`} after it changed is taken back.`}
        {" "}Every instance follows within 30 s.
      </p>
      {problem && <Refusal problem={problem} />}
      <p class="actions">
        <button type="button" class="button" autofocus onClick={props.onClose}>Keep version {props.from}</button>
        <button type="button" class="button main" disabled={busy} onClick={() => void go()}>
          {busy ? "Rolling back" : `Roll back to version ${version.version}`}
        </button>
      </p>
    </Dialog>
  );
}
