// What the visitor may set: routing wishes, providers to break, generation, theme and user.
import { useState } from "preact/hooks";
import { FAULT_KINDS, type FaultKind } from "../api/simulator.ts";
import { session } from "../auth.ts";
import { catalog, providerName, providersOf } from "../state/catalog.ts";
import {
  changedSettings,
  chooseTheme,
  readTheme,
  resetSettings,
  settings,
  type Theme,
  type Wish,
} from "../state/settings.ts";
import { useStore } from "../state/store.ts";
import { setFault, show, simulator } from "../state/view.ts";
import { Gauge, Key, Moon, Screen, Star, Sun, User } from "./icons.tsx";
import { Segments, Switch } from "./parts.tsx";

export function Controls() {
  const chosen = useStore(settings);
  return (
    <div class="controls">
      <section>
        <h2>Routing</h2>
        <Segments
          label="Prioritize"
          choices={[["", "Balanced"], ["speed", "Speed"], ["quality", "Quality"]] as const}
          value={chosen.prioritize}
          onChoose={(prioritize) => settings.update({ prioritize })}
        />
      </section>
      <Providers />
      <Generation />
      {changedSettings(chosen) > 0 && (
        <button type="button" class="button" onClick={resetSettings}>Reset settings</button>
      )}
      <section>
        <h2>Account</h2>
        <div class="pair-of-buttons">
          <button type="button" class="button" onClick={() => show("preferences")}><Star /> Preferences</button>
          <button type="button" class="button" onClick={() => show("keys")}><Key /> API keys</button>
        </div>
      </section>
      <section class="narrow-only">
        <h2>Page</h2>
        <ThemeChoice />
        <button type="button" class="button" onClick={() => show("user")}>
          <User /> <span class="hidden">Signed in as: </span>{useStore(session).method.label()}
        </button>
        <a class="button" href="/admin"><Gauge /> Dashboard for operators</a>
      </section>
    </div>
  );
}

function Providers() {
  const { models, state } = useStore(catalog);
  const { providers: simulated, faults, problem } = useStore(simulator);
  const [kind, setKind] = useState<FaultKind>("503");
  const providers = providersOf(models).filter((provider) => provider.chat);
  const broken = Object.keys(faults).length;
  const changeKind = (next: FaultKind) => {
    setKind(next);
    for (const id of Object.keys(faults)) void setFault(id, next);
  };
  return (
    <section>
      <h2>Providers</h2>
      {providers.length === 0 && <p class="note">{state === "loading" ? "Reading the catalog" : "The model list could not be read."}</p>}
      <ul class="providers">
        {providers.map(({ id, enabled }) => (
          <li key={id} data-broken={Boolean(faults[id])}>
            <span class="provider" data-provider={id}>{providerName(id)}</span>
            {enabled ? <WishChoice id={id} /> : <span class="note">no key</span>}
            {simulated.includes(id) && enabled && (
              <Switch
                danger
                checked={Boolean(faults[id])}
                label={faults[id] ? "Broken" : "Break"}
                name={`Break ${providerName(id)}`}
                onChange={(on) => void setFault(id, on ? kind : null)}
              />
            )}
          </li>
        ))}
      </ul>
      {simulated.length > 0 && (
        <>
          <label class="field">
            <span>A broken provider</span>
            <select value={kind} onChange={(event) => changeKind(event.currentTarget.value as FaultKind)}>
              {Object.entries(FAULT_KINDS).map(([value, { label }]) => (
                <option key={value} value={value}>{label}</option>
              ))}
            </select>
          </label>
          <p class="note" role="status">
            {problem ||
              (broken > 0
                ? "Ask something: the receipt shows how the router goes on."
                : "Break one and ask again: another provider answers.")}
          </p>
        </>
      )}
    </section>
  );
}

function WishChoice(props: { id: string }) {
  const chosen = useStore(settings);
  const choose = (value: string) => {
    const { [props.id]: _old, ...others } = chosen.wishes;
    settings.update({ wishes: value ? { ...others, [props.id]: value as Wish } : others });
  };
  return (
    <select
      class="small"
      aria-label={`Wish for ${providerName(props.id)}`}
      value={chosen.wishes[props.id] ?? ""}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="">any</option>
      <option value="prefer">prefer</option>
      <option value="avoid">avoid</option>
    </select>
  );
}

function Generation() {
  const chosen = useStore(settings);
  const { temperature } = chosen;
  return (
    <section>
      <h2>Generation</h2>
      <label class="field">
        <span>
          Temperature <b aria-hidden="true">{temperature === null ? "default" : temperature.toFixed(1)}</b>
        </span>
        <input
          type="range"
          min="-0.1"
          max="2"
          step="0.1"
          aria-valuetext={temperature === null ? "the model's default" : temperature.toFixed(1)}
          value={temperature ?? -0.1}
          onInput={(event) => {
            const value = event.currentTarget.valueAsNumber;
            settings.update({ temperature: value < 0 ? null : Math.round(value * 10) / 10 });
          }}
        />
      </label>
      <label class="field">
        <span>Max tokens</span>
        <input
          type="number"
          min="1"
          max="131072"
          inputMode="numeric"
          placeholder="model's limit"
          value={chosen.maxTokens ?? ""}
          onInput={(event) => {
            const value = event.currentTarget.valueAsNumber;
            settings.update({ maxTokens: value >= 1 ? Math.floor(value) : null });
          }}
        />
      </label>
      <Switch checked={chosen.stream} label="Stream the answer" onChange={(stream) => settings.update({ stream })} />
      <Switch
        checked={chosen.sampleTool}
        label={<>Offer a tool: <code>local_time</code></>}
        onChange={(sampleTool) => settings.update({ sampleTool })}
      />
    </section>
  );
}

const THEMES = [
  ["system", <><Screen /><span class="hidden">System</span></>],
  ["light", <><Sun /><span class="hidden">Light</span></>],
  ["dark", <><Moon /><span class="hidden">Dark</span></>],
] as const;

export function ThemeChoice() {
  const [theme, setTheme] = useState<Theme>(readTheme);
  return (
    <Segments
      label="Theme"
      choices={THEMES}
      value={theme}
      onChoose={(next) => {
        chooseTheme(next);
        setTheme(next);
      }}
    />
  );
}
