// What was refused for safety, newest first: read a page at a time, and again when more was counted.
import { getJson } from "../api/http.ts";
import type { Problem } from "../api/types.ts";
import { session, token } from "../auth.ts";
import { createStore } from "../state/store.ts";
import { blockedIn } from "./safety.ts";
import { list, moment, object, text } from "./shapes.ts";
import { known, problemFrom } from "./state.ts";

/** Each one is a document of the store that is read. */
const PAGE = 20;

export interface Violation {
  id: string;
  uid: string;
  category: string;
  severity: string;
  stage: string;
  requestId: string;
  /** Unix milliseconds. */
  at: number | null;
}

/** What is asked for; "" does not matter. */
export interface Wanted {
  category: string;
  stage: string;
  uid: string;
}

export interface Listing {
  wanted: Wanted;
  rows: Violation[] | null;
  /** Where the next page begins. */
  next: string | null;
  reading: boolean;
  problem: Problem | null;
}

const EVERYTHING: Wanted = { category: "", stage: "", uid: "" };
const EMPTY: Listing = { wanted: EVERYTHING, rows: null, next: null, reading: false, problem: null };

export const listing = createStore<Listing>(EMPTY);

function toPage(body: unknown): { rows: Violation[]; next: string | null } {
  const rows = list(object(body).data).map((row) => ({
    id: text(row.id),
    uid: text(row.uid),
    category: text(row.category),
    severity: text(row.severity),
    stage: text(row.stage),
    requestId: text(row.request_id),
    at: moment(row.at),
  }));
  return { rows, next: text(object(body).next) || null };
}

/** An answer that was overtaken, or that belongs to another user, is not taken. */
let readings = 0;

/** One page into the listing; `unread` is what it becomes where none came. */
async function read(
  cursor: string | null,
  take: (page: ReturnType<typeof toPage>) => Partial<Listing>,
  unread: Partial<Listing> = {},
): Promise<void> {
  const mine = ++readings;
  const { wanted } = listing.get();
  listing.update({ reading: true });
  const asked = Object.entries({ ...wanted, cursor: cursor ?? "" }).filter(([, value]) => value !== "");
  const query = new URLSearchParams([["limit", String(PAGE)], ...asked]);
  try {
    const page = toPage(await getJson(`/admin/api/violations?${query}`, await token().catch(() => "")));
    if (mine === readings) listing.update({ ...take(page), reading: false, problem: null });
  } catch (error) {
    if (mine === readings) listing.update({ ...unread, reading: false, problem: problemFrom(error) });
  }
}

/** Reads the newest again; what was shown behind them stays. */
export const renew = (): Promise<void> =>
  read(null, (page) => {
    const { rows, next } = listing.get();
    const last = page.rows.at(-1)?.id;
    const at = rows?.findIndex((row) => row.id === last) ?? -1;
    if (!rows || at < 0) return page; // nothing in common: begin anew
    return { rows: [...page.rows, ...rows.slice(at + 1)], next: rows.length > at + 1 ? next : page.next };
  });

/** Shows only what is wanted. */
export function choose(change: Partial<Wanted>): Promise<void> {
  const { wanted } = listing.get();
  listing.update({ wanted: { ...wanted, ...change } });
  return read(null, (page) => page, { rows: null, next: null }); // others would not fit
}

/** Adds the next page. */
export function more(): Promise<void> {
  const { next } = listing.get();
  if (next === null) return Promise.resolve();
  return read(next, (page) => ({ rows: [...(listing.get().rows ?? []), ...page.rows], next: page.next }));
}

/** Reads now, and whenever more refusals were counted, until the returned function is called. */
export function followViolations(): () => void {
  let seen: number | null = null;
  const counted = () => {
    const { hours, now } = known.get();
    if (hours === null) return;
    const count = [...hours, ...(now ? [now] : [])].reduce((sum, hour) => sum + blockedIn(hour), 0);
    if (seen !== null && count > seen) void renew();
    seen = count;
  };
  const unwatch = [
    known.watch(counted),
    session.watch(() => {
      listing.set(EMPTY); // another user may not see what this one saw
      seen = null;
      void renew();
    }),
  ];
  counted();
  void renew();
  return () => {
    readings++;
    listing.set(EMPTY);
    for (const stop of unwatch) stop();
  };
}
