// What the instance asked of the store, by collection.
import { dateTime, whole } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Nothing, Panel, Table } from "./pieces.tsx";
import { known } from "./state.ts";

export function StoreOperations() {
  const { operations } = useStore(known);
  const rows = operations?.rows ?? [];
  const sum = (key: "reads" | "writes" | "deletes") => rows.reduce((total, row) => total + row[key], 0);
  const since = operations?.since ?? null;
  return (
    <Panel
      title="Store operations"
      aside={<span class="note">of this instance{since !== null && ` since ${dateTime(since)}`}</span>}
    >
      {rows.length === 0 ? (
        <Nothing>{operations ? "The store was not asked for anything yet." : "Nothing read yet."}</Nothing>
      ) : (
        <Table label="Store operations by collection" class="tall">
          <thead>
            <tr>
              <th scope="col">Collection</th>
              <th scope="col" class="figure">Reads</th>
              <th scope="col" class="figure">Writes</th>
              <th scope="col" class="figure">Deletes</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <th scope="row"><code>{row.name}</code></th>
                <td class="figure">{whole(row.reads)}</td>
                <td class="figure">{whole(row.writes)}</td>
                <td class="figure">{whole(row.deletes)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">Together</th>
              <td class="figure">{whole(sum("reads"))}</td>
              <td class="figure">{whole(sum("writes"))}</td>
              <td class="figure">{whole(sum("deletes"))}</td>
            </tr>
          </tfoot>
        </Table>
      )}
    </Panel>
  );
}
