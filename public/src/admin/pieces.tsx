// Small parts of the dashboard.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ALERT } from "./groups.ts";

export type Level = "calm" | "alert" | "full";
export const levelOf = (utilization: number, closed = false): Level =>
  closed || utilization >= 1 ? "full" : utilization >= ALERT ? "alert" : "calm";

/** A titled part of the page. */
export function Panel(props: {
  title: string;
  class?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  const id = `panel-${props.title.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section class={`panel ${props.class ?? ""}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{props.title}</h2>
        {props.aside && <div class="aside">{props.aside}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** A table that scrolls inside its own frame, by keyboard too. */
export function Table(props: { label: string; class?: string; children: ComponentChildren }) {
  return (
    <div class={`table ${props.class ?? ""}`} role="region" aria-label={props.label} tabIndex={0}>
      <table>{props.children}</table>
    </div>
  );
}

/** A bar from 0 to 1 with a mark at 80 %. The figure beside it says the same in words. */
export function Bar(props: { share: number; level: Level }) {
  return (
    <span class="gauge" data-level={props.level} aria-hidden="true">
      <i style={{ width: `${Math.min(100, Math.max(0, props.share * 100))}%` }} />
    </span>
  );
}

/** A figure to see first, in a list of class `tiles`. */
export function Tile(props: { name: string; value: string; about: string; level?: string }) {
  return (
    <div data-level={props.level}>
      <dt>{props.name}</dt>
      <dd class="value">{props.value}</dd>
      <dd class="about">{props.about || "\u00a0"}</dd>
    </div>
  );
}

/** Before anything was read, or when there is nothing. */
export const Nothing = (props: { children: ComponentChildren }) => <p class="note nothing">{props.children}</p>;

/** The current time in Unix milliseconds, renewed every `everyMs`; it stands while the page is hidden. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
