// The figures to see first.
import { compact, percent } from "../format.ts";
import { providerName } from "../state/catalog.ts";
import { useStore } from "../state/store.ts";
import { groups } from "./groups.ts";
import { totals } from "./figures.ts";
import { levelOf } from "./pieces.tsx";
import { known } from "./state.ts";

export function Summary() {
  const { quotas, jobs, hours } = useStore(known);
  const fullest = quotas && groups(quotas, [])[0];
  const day = hours && totals(hours.flatMap((hour) => hour.categories));
  const closed = quotas?.filter((quota) => quota.closed && quota.model === null).length ?? 0;
  return (
    <dl class="tiles">
      <Tile
        name="Fullest provider"
        value={fullest ? percent(fullest.share) : "–"}
        about={fullest ? `${providerName(fullest.provider)}${closed > 0 ? ` · ${closed} ${closed === 1 ? "provider" : "providers"} closed` : ""}` : ""}
        level={fullest ? levelOf(fullest.share) : "calm"}
      />
      <Tile name="Waiting jobs" value={jobs ? compact(jobs.queued) : "–"} about={jobs ? `${compact(jobs.running)} running` : ""} />
      <Tile name="Requests, 24 h" value={day ? compact(day.requests) : "–"} about={day ? `${compact(day.answered)} answered` : ""} />
      <Tile name="Answered" value={day ? percent(day.answered, day.requests) : "–"} about="of the requests, 24 h" />
      <Tile name="Fallbacks" value={day ? percent(day.fallbacks, day.requests) : "–"} about="needed more than one attempt" />
    </dl>
  );
}

function Tile(props: { name: string; value: string; about: string; level?: string }) {
  return (
    <div data-level={props.level}>
      <dt>{props.name}</dt>
      <dd class="value">{props.value}</dd>
      <dd class="about">{props.about || "\u00a0"}</dd>
    </div>
  );
}
