// The figures to see first.
import { compact, percent } from "../format.ts";
import { providerName } from "../state/catalog.ts";
import { useStore } from "../state/store.ts";
import { groups } from "./groups.ts";
import { anyUsed, totals } from "./figures.ts";
import { levelOf, Tile } from "./pieces.tsx";
import { safetyOf, spanOfSafety } from "./safety.ts";
import { known } from "./state.ts";

export function Summary() {
  const { quotas, jobs, hours, now } = useStore(known);
  const fullest = quotas && groups(quotas, [])[0];
  // Until the first figures are stored, this instance's are all there are.
  const own = hours !== null && !anyUsed(hours) && now !== null && anyUsed([now]);
  const span = own ? "this instance" : "24 h";
  const sum = hours && totals((own ? [now] : hours).flatMap((hour) => hour.categories));
  const { notScanned } = safetyOf(spanOfSafety(hours, now).hours);
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
      <Tile name={`Requests, ${span}`} value={sum ? compact(sum.requests) : "–"} about={sum ? `${compact(sum.answered)} answered` : ""} />
      <Tile name="Answered" value={sum ? percent(sum.answered, sum.requests) : "–"} about={`of the requests, ${span}`} />
      <Tile name="Fallbacks" value={sum ? percent(sum.fallbacks, sum.requests) : "–"} about="needed more than one attempt" />
      {notScanned > 0 && <Tile name="Not scanned" value={compact(notScanned)} about="no guard could look at them" level="alert" />}
    </dl>
  );
}
