// Figures as people read them.

/** 0.4 ms, 87 ms, 1.24 s, 12.5 s */
export function duration(ms: number): string {
  if (ms < 10 && !Number.isInteger(ms)) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** 45 s, 2 min, 1 min 5 s, 3 h 20 min: how long something still takes. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes > 0) return rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${rest} s`;
}

const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const SUFFIXES: Record<string, string> = { one: "st", two: "nd", few: "rd", other: "th" };

/** 1st, 2nd, 3rd, 11th */
export const ordinal = (place: number): string => `${place}${SUFFIXES[ordinals.select(place)] ?? "th"}`;

const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Unix milliseconds as 14:05:09 in the visitor's time zone. */
export const clockTime = (ms: number): string => timeOfDay.format(ms);

const dayAndTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** Unix milliseconds as 26 Nov 2026, 14:05 in the visitor's time zone. */
export const dateTime = (ms: number): string => dayAndTime.format(ms);

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

const compactFigure = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const wholeFigure = new Intl.NumberFormat("en-GB");

/** 950, 1.2K, 3.4M: counts where there is little room. */
export const compact = (count: number): string => compactFigure.format(count).toUpperCase();

/** 12,345 */
export const whole = (count: number): string => wholeFigure.format(count);

/** A share as 83 %, with a digit more near nothing and all (0.4 %, 99.7 %); a dash where nothing was counted. */
export function percent(part: number, of = 1): string {
  if (of <= 0) return "–";
  const share = (part / of) * 100;
  const fine = (share > 0 && share < 1) || (share > 99 && share < 100);
  return `${fine ? Math.min(99.9, Math.max(0.1, share)).toFixed(1) : Math.round(share)} %`;
}

/** How long ago a moment is, to be read beside it: now, 40 s ago, 3 min ago, 2 h ago, 5 d ago. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 3) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}
