// What went through: by the hour, by category, by provider.
import { useState } from "preact/hooks";
import { compact, duration, percent, whole, words } from "../format.ts";
import { useStore } from "../state/store.ts";
import { Provider, Segments } from "../ui/parts.tsx";
import { anyUsed, byCategory, byIncident, byProvider, slots, totals, type Slot } from "./figures.ts";
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

const WIDTH = 480;
const HEIGHT = 96;
const STEP = WIDTH / 24;

/** Requests an hour; each bar is what the first choice answered, what another did, and what nobody did. */
function Chart(props: { slots: Slot[] }) {
  const highest = Math.max(1, ...props.slots.map((slot) => slot.requests));
  const peak = props.slots.find((slot) => slot.requests === highest);
  const said = peak
    ? `Requests an hour over the last day. Highest: ${whole(highest)} in the hour from ${clock(peak.hour)} UTC.`
    : "Requests an hour over the last day: none.";
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={said}>
        {props.slots.map((slot, at) => {
          const unit = HEIGHT / highest;
          const heights = [slot.primary, slot.rescued, slot.unanswered].map((count) => count * unit);
          let top = HEIGHT;
          return (
            <g key={slot.key}>
              <title>{`${clock(slot.hour)} UTC: ${whole(slot.requests)} requests, ${whole(slot.rescued)} by another model, ${whole(slot.unanswered)} unanswered`}</title>
              <rect class="slot" x={at * STEP} y={0} width={STEP} height={HEIGHT} />
              {heights.map((height, index) => {
                top -= height;
                return height > 0 && (
                  <rect key={index} class={KINDS[index]?.[0]} x={at * STEP + STEP * 0.14} y={top} width={STEP * 0.72} height={height} />
                );
              })}
            </g>
          );
        })}
      </svg>
      <p class="axis" aria-hidden="true">
        {props.slots.filter((_, at) => at % 6 === 0).map((slot) => <span key={slot.key}>{clock(slot.hour)}</span>)}
        <span>UTC</span>
      </p>
      <figcaption>
        {KINDS.map(([name, label]) => <span key={name} class={`key ${name}`}>{label}</span>)}
        <span class="peak">highest {compact(peak ? highest : 0)} an hour</span>
      </figcaption>
    </figure>
  );
}

const KINDS = [["primary", "first choice"], ["rescued", "another model"], ["unanswered", "unanswered"]] as const;
const clock = (hour: number): string => `${String(hour).padStart(2, "0")}:00`;

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
