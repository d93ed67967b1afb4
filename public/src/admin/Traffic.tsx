// What went through: by the hour, by category, by provider.
import { useState } from "preact/hooks";
import { duration, percent, whole, words } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Provider, Segments } from "../ui/parts.tsx";
import { anyUsed, byCategory, byIncident, byProvider, slots, totals, type Slot } from "./figures.ts";
import { HourChart } from "./HourChart.tsx";
import { Nothing, Panel, Table, useNow } from "./pieces.tsx";
import type { Hour } from "./shapes.ts";
import { known } from "./state.ts";

type Span = "day" | "instance";

export function Traffic() {
  const { hours, now } = useStore(known);
  const [wished, wish] = useState<Span | null>(null);
  const minute = useNow(60_000);
  // The instance's own figures reach the day's within half a minute; until then they are all there is.
  const own = now !== null && anyUsed([now]);
  const chosen = (own && wished) || (own && hours && !anyUsed(hours) ? "instance" : "day");
  const part = chosen === "day" ? (hours ?? []) : now ? [now] : [];
  const sum = totals(part.flatMap((hour) => hour.categories));
  return (
    <Panel
      title="Traffic"
      class="traffic"
      aside={
        own && <Segments label="Span of the figures" choices={[["day", "24 hours"], ["instance", "This instance"]] as const} value={chosen} onChoose={wish} />
      }
    >
      {!hours && <Nothing>Nothing read yet.</Nothing>}
      {hours && (
        <>
          {anyUsed(hours) && <Chart slots={slots(hours, new Date(minute))} />}
          {!anyUsed(hours) && own && <Nothing>The hours appear here within a minute or so of the first requests.</Nothing>}
          {sum.requests === 0 ? (
            <Nothing>{chosen === "day" ? "No request was counted in the last 24 hours." : "This instance has counted no request yet."}</Nothing>
          ) : (
            <Categories hours={part} />
          )}
          <Providers hours={part} />
          <Callers hours={part} />
        </>
      )}
    </Panel>
  );
}

const KINDS = [["primary", "first choice"], ["rescued", "another model"], ["unanswered", "unanswered"]] as const;

/** What the first choice answered, what another did, and what nobody did. */
function Chart(props: { slots: Slot[] }) {
  const bars = props.slots.map((slot) => ({
    key: slot.key,
    hour: slot.hour,
    parts: [slot.primary, slot.rescued, slot.unanswered],
    about: `${whole(slot.requests)} requests, ${whole(slot.rescued)} by another model, ${whole(slot.unanswered)} unanswered`,
  }));
  return <HourChart what="Requests" bars={bars} kinds={KINDS} />;
}

function Categories(props: { hours: Hour[] }) {
  const rows = byCategory(props.hours);
  return (
    <Table label="Requests by category" class="tall">
      <thead>
        <tr>
          <th scope="col">Category</th>
          <th scope="col" class="figure">Requests</th>
          <th scope="col" class="figure">Answered</th>
          <th scope="col" class="figure">First choice</th>
          <th scope="col" class="figure">Fallbacks</th>
          <th scope="col" class="figure">Mean depth</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.name}>
            <th scope="row" class="category">{words(row.name)}</th>
            <td class="figure">{whole(row.requests)}</td>
            <td class="figure">{percent(row.answered, row.requests)}</td>
            <td class="figure">{percent(row.primary, row.requests)}</td>
            <td class="figure">{percent(row.fallbacks, row.requests)}</td>
            <td class="figure">{row.requests > 0 ? (row.depth / row.requests).toFixed(2) : "–"}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Providers(props: { hours: Hour[] }) {
  const rows = byProvider(props.hours);
  if (rows.length === 0) return null;
  return (
    <Table label="Calls by provider">
      <thead>
        <tr>
          <th scope="col">Provider</th>
          <th scope="col" class="figure">Calls</th>
          <th scope="col" class="figure">Success</th>
          <th scope="col" class="figure">Mean time</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.name}>
            <th scope="row"><Provider id={row.name} /></th>
            <td class="figure">{whole(row.requests)}</td>
            <td class="figure">{percent(row.successes, row.successes + row.errors)}</td>
            <td class="figure">{row.successes > 0 ? duration(row.latencyMs / row.successes) : "–"}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

const INCIDENTS: Record<string, string> = {
  blocked: "Suspicious and blocked",
  captcha_cleared: "Cleared by a captcha",
  app_check_missing: "Without an App Check token",
  app_check_invalid: "With a bad App Check token",
  app_check_unchecked: "App Check could not be asked",
};

function Callers(props: { hours: Hour[] }) {
  const rows = byIncident(props.hours);
  if (rows.length === 0) return null;
  return (
    <Table label="Callers">
      <thead>
        <tr>
          <th scope="col">Callers</th>
          <th scope="col" class="figure">Times</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.name}>
            <th scope="row">{INCIDENTS[row.name] ?? words(row.name)}</th>
            <td class="figure">{whole(row.count)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
