// Figures as people read them.

/** 0.4 ms, 87 ms, 1.24 s, 12.5 s */
export function duration(ms: number): string {
  if (ms < 10 && !Number.isInteger(ms)) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** 8K, 128K, 1M tokens: powers of ten or two, whichever the figure is near. */
export function tokens(count: number): string {
  if (count >= 1_000_000) return `${Math.round(count / 1_000_000)}M`;
  if (count >= 1000) return `${Math.round(count / (count % 1024 === 0 ? 1024 : 1000))}K`;
  return String(count);
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** 2026-12-01 as 1 Dec 2026; text that is no date stays as it is. */
export function date(iso: string): string {
  const time = Date.parse(`${iso}T00:00:00Z`);
  return Number.isNaN(time) ? iso : day.format(time);
}

/** rate_limited as "rate limited"; VISION_IN as "vision in". */
export const words = (name: string): string => name.replaceAll("_", " ").toLowerCase();
