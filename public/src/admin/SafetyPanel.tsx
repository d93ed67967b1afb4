// What safety did: what was refused and why, what nobody looked at, and what looking costs.
import { compact, duration, percent, whole } from "../format.ts";
import { capital, CATEGORIES, categoryName } from "../safety.ts";
import { useStore } from "../state/store.ts";
import { lastDay } from "./figures.ts";
import { HourChart, type Kind } from "./HourChart.tsx";
import { Nothing, Panel, Tile, useNow } from "./pieces.tsx";
import { cssName, refusalsOf, safetyOf, spanOfSafety, type SafetyFigures } from "./safety.ts";
import { object, type Hour } from "./shapes.ts";
import { known } from "./state.ts";
import { Violations } from "./Violations.tsx";

export function SafetyPanel() {
  const { hours, now, config } = useStore(known);
  const span = spanOfSafety(hours, now);
  const figures = safetyOf(span.hours);
  const guarded = object(config?.config.flags).ENABLE_SAFETY_GUARD !== false;
  return (
    <Panel
      title="Safety"
      class="safety"
      aside={
        <span class="note">
          {!guarded && <span class="badge" data-level="alert">the guard is switched off</span>}{" "}
          {span.own ? "this instance, nothing stored yet" : "the last 24 hours"}
        </span>
      }
    >
      {!hours && <Nothing>Nothing read yet.</Nothing>}
      {hours && (
        <>
          <Tiles figures={figures} />
          <div class="sides">
            <div class="by-hour">
              <h3>Blocked by hour</h3>
              {figures.blocked > 0 && !span.own && <ByHour hours={hours} />}
              {figures.blocked > 0 && span.own && <Nothing>The hours appear here within a minute or so.</Nothing>}
              {figures.blocked === 0 && <Nothing>Nothing was blocked in the last 24 hours.</Nothing>}
              <Otherwise figures={figures} />
            </div>
            <Violations />
          </div>
        </>
      )}
    </Panel>
  );
}

function Tiles(props: { figures: SafetyFigures }) {
  const { figures } = props;
  const sorted = figures.local + figures.asked + figures.remembered;
  const answers = figures.blocked - figures.blockedMessages;
  return (
    <dl class="tiles">
      <Tile
        name="Blocked"
        value={compact(figures.blocked)}
        about={figures.blocked > 0 ? `${counted(figures.blockedMessages, "message")}, ${counted(answers, "answer")}` : ""}
      />
      <Tile
        name="Not scanned"
        value={compact(figures.notScanned)}
        about={figures.notScanned > 0 ? "no guard could look at them" : figures.checks > 0 ? "everything was looked at" : ""}
        level={figures.notScanned > 0 ? "alert" : "calm"}
      />
      <Tile
        name="Mean guard time"
        value={figures.checks > 0 ? duration(figures.guardMs / figures.checks) : "–"}
        about={figures.checks > 0 ? `${compact(figures.checks)} checks, ${compact(figures.calls)} calls` : ""}
      />
      <Tile
        name="Classified locally"
        value={percent(figures.local, sorted)}
        about={sorted > 0 ? `${compact(figures.asked)} by a model, ${compact(figures.remembered)} remembered` : ""}
      />
    </dl>
  );
}

const counted = (count: number, what: string): string => `${compact(count)} ${what}${count === 1 ? "" : "s"}`;

/** Each category that was refused on this day, in its colour; the key tells how often. */
function ByHour(props: { hours: Hour[] }) {
  const minute = useNow(60_000);
  const byKey = new Map(props.hours.map((hour) => [hour.hour, hour]));
  const day = lastDay(new Date(minute)).map((slot) => ({ ...slot, refusals: refusalsOf(byKey.get(slot.key)) }));
  const sums = CATEGORIES.map((_, at) => day.reduce((sum, slot) => sum + (slot.refusals[at] ?? 0), 0));
  const shown = CATEGORIES.map((category, at) => ({ category, at, sum: sums[at] ?? 0 })).filter(({ sum }) => sum > 0);
  const kinds = shown.map(({ category, sum }): Kind => [cssName(category), `${capital(categoryName(category))} ${whole(sum)}`]);
  const bars = day.map(({ key, hour, refusals }) => {
    const parts = shown.map(({ at }) => refusals[at] ?? 0);
    const named = shown.map(({ category }, index) => [categoryName(category), parts[index] ?? 0] as const);
    const about = named.filter(([, count]) => count > 0).map(([name, count]) => `${name} ${whole(count)}`).join(", ");
    return { key, hour, parts, about: about || "nothing blocked" };
  });
  const more = `By category: ${shown.map(({ category, sum }) => `${categoryName(category)} ${whole(sum)}`).join(", ")}.`;
  return <HourChart what="Blocked" bars={bars} kinds={kinds} more={more} />;
}

/** What safety did without blocking anything. */
function Otherwise(props: { figures: SafetyFigures }) {
  const { masked, reported, letBy, again } = props.figures;
  const lines = [
    masked > 0 && `Personal data masked in answers: ${whole(masked)}.`,
    reported > 0 && `Personal data only reported: ${whole(reported)}.`,
    letBy > 0 && `Injections let by as configured: ${whole(letBy)}.`,
    again > 0 && `Sorted again after a failed answer: ${whole(again)}.`,
  ].filter(Boolean);
  return lines.length > 0 ? <p class="note otherwise">{lines.join(" ")}</p> : null;
}
