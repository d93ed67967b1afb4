// What waits in line and what is being worked on.
import { ago, compact, words } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Nothing, Panel, Table, useNow } from "./pieces.tsx";
import type { JobRow } from "./shapes.ts";
import { known } from "./state.ts";

const ORDER = ["running", "queued"];

export function JobsView() {
  const { jobs } = useStore(known);
  const now = useNow(1000);
  const rows = [...(jobs?.rows ?? [])].sort(
    (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || (a.ahead ?? Infinity) - (b.ahead ?? Infinity),
  );
  const all = jobs ? jobs.queued + jobs.running : 0;
  return (
    <Panel
      title="Jobs"
      class="jobs"
      aside={jobs && <span class="note"><b>{compact(jobs.queued)}</b> waiting, <b>{compact(jobs.running)}</b> running</span>}
    >
      {!jobs && <Nothing>Nothing read yet.</Nothing>}
      {jobs && all === 0 && rows.length === 0 && <Nothing>Nothing waits: every request found room.</Nothing>}
      {rows.length > 0 && (
        <Table label="Jobs that wait or run" class="tall">
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">State</th>
              <th scope="col" class="figure">Place</th>
              <th scope="col" class="figure">Priority</th>
              <th scope="col" class="figure">Attempts</th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((job) => <Row key={job.id} job={job} now={now} />)}
          </tbody>
        </Table>
      )}
      {rows.length > 0 && rows.length < all && <p class="note">The first {rows.length} of {all}.</p>}
    </Panel>
  );
}

function Row(props: { job: JobRow; now: number }) {
  const { job, now } = props;
  const since = (job.status === "running" && job.startedAt) || job.createdAt;
  return (
    <tr>
      <th scope="row"><span class="kind">{words(job.kind)}</span> <code>{job.id.slice(-8)}</code></th>
      <td><span class="badge" data-job={job.status}>{job.status === "queued" ? "waiting" : job.status}</span></td>
      <td class="figure">{job.ahead === null ? "–" : job.ahead + 1}</td>
      <td class="figure">{job.priority ?? "–"}</td>
      <td class="figure">{job.attempts}</td>
      <td>{since === null ? "–" : ago(since, now)}</td>
    </tr>
  );
}
