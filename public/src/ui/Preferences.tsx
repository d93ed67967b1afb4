// What the user prefers wherever a request says nothing itself.
import { useEffect, useState } from "preact/hooks";
import { readPreferences, type StoredPreferences, storePreferences } from "../api/account.ts";
import { token } from "../auth.ts";
import { catalog, providerName, providersOf } from "../state/catalog.ts";
import type { Wish } from "../state/settings.ts";
import { useStore } from "../state/store.ts";
import { useAsked } from "./asked.ts";
import { Failure } from "./Failure.tsx";
import { Dialog, Segments } from "./parts.tsx";

export function Preferences(props: { onClose: () => void }) {
  const [value, setValue] = useState<StoredPreferences | null>(null);
  const [said, setSaid] = useState("");
  const { ask, busy, problem } = useAsked();
  const load = () => ask(async () => setValue(await readPreferences(await token())));
  useEffect(() => void load(), []);
  const change = (part: Partial<StoredPreferences>) => {
    setSaid("");
    setValue((known) => known && { ...known, ...part });
  };
  const save = async () => {
    setSaid("");
    const done = await ask(async () => {
      if (value) setValue(await storePreferences(await token(), value));
    });
    if (done) setSaid("Saved.");
  };
  return (
    <Dialog title="Preferences" class="account" onClose={props.onClose}>
      <p>They hold wherever a request says nothing itself, for your API keys too. What you choose under Controls comes first.</p>
      {value && (
        <form
          class="preferences"
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <Segments
            label="Prioritize"
            choices={[["", "Balanced"], ["speed", "Speed"], ["quality", "Quality"]] as const}
            value={value.prioritize ?? ""}
            onChoose={(wish) => change({ prioritize: wish || null })}
          />
          <Wishes value={value} onChange={change} />
          <label class="field">
            <span>Language of your own apps, as a tag (empty: none)</span>
            <input
              type="text"
              maxLength={35}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              placeholder="de, pt-BR, zh-Hant-TW"
              value={value.language ?? ""}
              onInput={(event) => change({ language: event.currentTarget.value.trim() || null })}
            />
          </label>
          <p class="buttons">
            <button type="submit" class="button" disabled={busy}>Save</button>
            <span class="note" role="status">{said}</span>
          </p>
        </form>
      )}
      {problem && <Failure problem={problem} onRetry={value ? undefined : load} />}
      {!value && !problem && <p class="note">Reading your preferences</p>}
    </Dialog>
  );
}

function Wishes(props: { value: StoredPreferences; onChange: (part: Partial<StoredPreferences>) => void }) {
  const { models } = useStore(catalog);
  const { preferred_providers: preferred, avoid_providers: avoided } = props.value;
  const shown = providersOf(models).filter((provider) => provider.chat).map(({ id }) => id);
  const named = [...preferred, ...avoided].filter((id) => !shown.includes(id));
  const choose = (id: string, wish: string) => {
    const others = (list: string[]) => list.filter((name) => name !== id);
    props.onChange({
      preferred_providers: wish === "prefer" ? [...others(preferred), id] : others(preferred),
      avoid_providers: wish === "avoid" ? [...others(avoided), id] : others(avoided),
    });
  };
  return (
    <ul class="providers" aria-label="Providers">
      {[...shown, ...new Set(named)].map((id) => (
        <li key={id}>
          <span class="provider" data-provider={id}>{providerName(id)}</span>
          <select class="small" aria-label={`Preference for ${providerName(id)}`} value={wishOf(props.value, id)} onChange={(event) => choose(id, event.currentTarget.value)}>
            <option value="">any</option>
            <option value="prefer">prefer</option>
            <option value="avoid">avoid if possible</option>
          </select>
        </li>
      ))}
    </ul>
  );
}

function wishOf(value: StoredPreferences, id: string): Wish | "" {
  if (value.avoid_providers.includes(id)) return "avoid";
  return value.preferred_providers.includes(id) ? "prefer" : "";
}
