// Counts an hour over the last day, stacked by kind.
import { compact, whole } from "../format.ts";

export interface Bar {
  key: string;
  /** UTC hour of the day, 0-23. */
  hour: number;
  /** One count for each kind of the chart. */
  parts: number[];
  /** What the bar tells when it is pointed at, after its hour. */
  about: string;
}

/** A kind's name in the style sheet, and in words. */
export type Kind = readonly [name: string, label: string];

const WIDTH = 480;
const HEIGHT = 96;
const STEP = WIDTH / 24;

const sumOf = (parts: number[]): number => parts.reduce((sum, count) => sum + count, 0);
const clock = (hour: number): string => `${String(hour).padStart(2, "0")}:00`;

/** `what` names what is counted: "Requests". `more` ends the text alternative. */
export function HourChart(props: { what: string; bars: Bar[]; kinds: readonly Kind[]; more?: string }) {
  const { what, bars, kinds, more = "" } = props;
  const highest = Math.max(0, ...bars.map((bar) => sumOf(bar.parts)));
  const peak = highest > 0 ? bars.find((bar) => sumOf(bar.parts) === highest) : undefined;
  const said = peak
    ? `${what} an hour over the last day. Highest: ${whole(highest)} in the hour from ${clock(peak.hour)} UTC.`
    : `${what} an hour over the last day: none.`;
  const unit = HEIGHT / Math.max(1, highest);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${said} ${more}`.trim()}>
        {bars.map((bar, at) => {
          let top = HEIGHT;
          return (
            <g key={bar.key}>
              <title>{`${clock(bar.hour)} UTC: ${bar.about}`}</title>
              <rect class="slot" x={at * STEP} y={0} width={STEP} height={HEIGHT} />
              {bar.parts.map((count, index) => {
                const height = count * unit;
                top -= height;
                return height > 0 && (
                  <rect key={index} class={kinds[index]?.[0]} x={at * STEP + STEP * 0.14} y={top} width={STEP * 0.72} height={height} />
                );
              })}
            </g>
          );
        })}
      </svg>
      <p class="axis" aria-hidden="true">
        {bars.filter((_, at) => at % 6 === 0).map((bar) => <span key={bar.key}>{clock(bar.hour)}</span>)}
        <span>UTC</span>
      </p>
      <figcaption>
        {kinds.map(([name, label]) => <span key={name} class={`key ${name}`}>{label}</span>)}
        <span class="peak">highest {compact(highest)} an hour</span>
      </figcaption>
    </figure>
  );
}
