// The user's API keys: create, copy once, revoke.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type ApiKey, createKey, listKeys, revokeKey } from "../api/account.ts";
import { token } from "../auth.ts";
import { date } from "../format.ts";
import { useAsked } from "./asked.ts";
import { Failure } from "./Failure.tsx";
import { Key } from "./icons.tsx";
import { CopyButton, Dialog } from "./parts.tsx";

type Made = ApiKey & { key: string };

export function Keys(props: { onClose: () => void }) {
  const [keys, setKeys] = useState<ApiKey[] | null>(null);
  const [made, setMade] = useState<Made | null>(null);
  const { ask, busy, problem } = useAsked();
  const load = () => ask(async () => setKeys(await listKeys(await token())));
  useEffect(() => void load(), []);
  const revoke = (id: string) =>
    ask(async () => {
      await revokeKey(await token(), id);
      setKeys((known) => known?.filter((key) => key.id !== id) ?? null);
      setMade((shown) => (shown?.id === id ? null : shown));
    });
  const create = (name: string, days: number) =>
    ask(async () => {
      const key = await createKey(await token(), {
        ...(name && { name }),
        ...(days > 0 && { expires_in_days: days }),
      });
      setMade(key);
      setKeys((known) => [key, ...(known ?? [])]);
    });
  return (
    <Dialog title="API keys" class="account" onClose={props.onClose}>
      <p>
        For servers, command-line tools and libraries: <code>Authorization: Bearer ck_…</code> is you,
        with your limits and without administrator's rights.
      </p>
      {made ? <Shown key={made.id} made={made} onDone={() => setMade(null)} /> : <Create busy={busy} onCreate={create} />}
      {problem && <Failure problem={problem} onRetry={keys ? undefined : load} />}
      {keys && <List keys={keys} busy={busy} onRevoke={revoke} />}
      {!keys && !problem && <p class="note">Reading your keys</p>}
    </Dialog>
  );
}

const ENDS = [[0, "Never ends"], [30, "Ends in 30 days"], [90, "Ends in 90 days"], [365, "Ends in a year"]] as const;

function Create(props: { busy: boolean; onCreate: (name: string, days: number) => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState(0);
  return (
    <form
      class="new-key"
      onSubmit={(event) => {
        event.preventDefault();
        if (!props.busy) props.onCreate(name.trim(), days);
      }}
    >
      <label class="field">
        <span>Name</span>
        <input type="text" maxLength={64} autocomplete="off" placeholder="home server" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>End</span>
        <select value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
          {ENDS.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
        </select>
      </label>
      <button type="submit" class="button" disabled={props.busy}><Key /> Create key</button>
    </form>
  );
}

/** The key itself, for as long as the window is open and nobody says that it is kept. */
function Shown(props: { made: Made; onDone: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.select(), []);
  return (
    <div class="new-secret" role="group" aria-label={`New key ${props.made.name}`}>
      <p role="status"><b>Copy it now.</b> It is not kept anywhere and not shown again.</p>
      <label class="field">
        <span>{props.made.name}</span>
        <input ref={field} type="text" readOnly spellcheck={false} class="mono" value={props.made.key} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <p class="buttons">
        <CopyButton text={() => props.made.key} label="Copy key" />
        <button type="button" class="button" onClick={props.onDone}>Done</button>
      </p>
    </div>
  );
}

function List(props: { keys: ApiKey[]; busy: boolean; onRevoke: (id: string) => void }) {
  const [asking, setAsking] = useState("");
  if (props.keys.length === 0) return <p class="note" role="status">You have no API keys.</p>;
  return (
    <ul class="key-list" aria-label="Your keys">
      {props.keys.map((key) => (
        <li key={key.id}>
          <div>
            <b>{key.name}</b>
            <span class="note"><code>{key.prefix}…</code> {about(key)}</span>
          </div>
          {asking === key.id ? (
            <Confirm
              name={key.name}
              busy={props.busy}
              onKeep={() => setAsking("")}
              onRevoke={() => props.onRevoke(key.id)}
            />
          ) : (
            <button type="button" class="quiet" aria-label={`Revoke ${key.name}`} onClick={() => setAsking(key.id)}>Revoke</button>
          )}
        </li>
      ))}
    </ul>
  );
}

function Confirm(props: { name: string; busy: boolean; onKeep: () => void; onRevoke: () => void }) {
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => keep.current?.focus(), []);
  return (
    <div class="confirm" role="group" aria-label={`Revoke ${props.name}?`}>
      <span class="note">Whoever uses it is refused within a minute.</span>
      <button ref={keep} type="button" class="button" onClick={props.onKeep}>Keep</button>
      <button type="button" class="button danger" disabled={props.busy} onClick={props.onRevoke}>Revoke</button>
    </div>
  );
}

const day = (seconds: number) => date(new Date(seconds * 1000).toISOString().slice(0, 10));

function about(key: ApiKey): string {
  const used = key.last_used_at === null ? "not used yet" : `last used ${day(key.last_used_at)}`;
  const ends = key.expires_at === null ? "" : `, ends ${day(key.expires_at)}`;
  return `created ${day(key.created_at)}, ${used}${ends}`;
}
