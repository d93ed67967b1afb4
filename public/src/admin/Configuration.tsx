// The runtime configuration: its switches, what is in force, how to change it, how it changed.
import { useState } from "preact/hooks";
import type { Problem } from "../api/types.ts";
import { useStore } from "../state/store.ts";
import { Chevron, Warning } from "../ui/icons.tsx";
import { Switch } from "../ui/parts.tsx";
import { History } from "./History.tsx";
import { isStored, leaves } from "./patch.ts";
import { PatchEditor, Refusal } from "./PatchEditor.tsx";
import { Nothing, Panel } from "./pieces.tsx";
import { Screens } from "./Screens.tsx";
import { object, type Config, type Loose } from "./shapes.ts";
import { known, patchConfig, problemFrom } from "./state.ts";

export function Configuration() {
  const { config } = useStore(known);
  return (
    <Panel
      title="Configuration"
      class="configuration"
      aside={config && <span class="note">{config.version > 0 ? <>version <b>{config.version}</b> in force</> : "as the environment says; nothing stored"}</span>}
    >
      {!config && <Nothing>Nothing read yet.</Nothing>}
      {config && (
        <>
          {config.problems.length > 0 && <Unusable problems={config.problems} />}
          <Flags config={config} />
          <Screens config={config} />
          <div class="halves">
            <InForce config={config} />
            <PatchEditor config={config} />
          </div>
        </>
      )}
      <History />
    </Panel>
  );
}

function Unusable(props: { problems: string[] }) {
  return (
    <div class="error refusal" role="alert">
      <h2><Warning />What is stored cannot be used</h2>
      <ul>
        {props.problems.map((line, at) => <li key={at}>{line}</li>)}
      </ul>
      <p class="advice">The last good configuration stays in force. Roll back to a version that fits.</p>
    </div>
  );
}

const FLAGS: Record<string, string> = {
  ENABLE_SAFETY_GUARD: "Safety guard",
  ENABLE_MEMORY_SYSTEM: "Memory",
  ENABLE_VIDEO_GENERATION: "Video generation",
  ENABLE_COMPUTER_USE: "Computer use",
};

/** The flags as switches: each takes effect at once, as a version of its own. */
function Flags(props: { config: Config }) {
  const flags = Object.entries(object(props.config.config.flags)).filter(([, on]) => typeof on === "boolean");
  const [pending, setPending] = useState<{ name: string; on: boolean } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const change = async (name: string, on: boolean) => {
    setPending({ name, on });
    setProblem(null);
    try {
      await patchConfig({ flags: { [name]: on } });
    } catch (error) {
      setProblem(problemFrom(error));
    }
    setPending(null);
  };
  return (
    <div class="flags" role="group" aria-label="Flags">
      {flags.map(([name, on]) => (
        <Switch
          key={name}
          name={name}
          checked={pending?.name === name ? pending.on : on === true}
          disabled={pending !== null}
          label={<span class="flag"><b>{FLAGS[name] ?? name}</b><code>{name}</code></span>}
          onChange={(next) => void change(name, next)}
        />
      ))}
      {problem && <Refusal problem={problem} />}
    </div>
  );
}

/** Everything that holds, by section; what was stored is told from what is a default. */
function InForce(props: { config: Config }) {
  const { config, stored } = props.config;
  const sections = Object.keys(config).filter((name) => name !== "flags");
  return (
    <div class="in-force">
      <h3>In force</h3>
      {sections.map((name) => <Section key={name} name={name} value={config[name]} stored={stored} />)}
    </div>
  );
}

function Section(props: { name: string; value: unknown; stored: Loose }) {
  const { name, value, stored } = props;
  const rows = leaves(value, [name]).filter((row) => row.keys.length > 1 || !isEmpty(row.value));
  const set = rows.filter((row) => isStored(stored, row.keys)).length;
  return (
    <details>
      <summary>
        <Chevron class="turn" />
        <code>{name}</code>
        <span class="note">
          {rows.length === 0 ? "nothing set" : rows.length === 1 ? "1 value" : `${rows.length} values`}
        </span>
        {set > 0 && <span class="badge" data-level="stored">{set} stored</span>}
      </summary>
      {rows.length > 0 && (
        <ul class="values" tabIndex={0} aria-label={`Values of ${name}`}>
          {rows.map((row) => (
            <li key={row.keys.join("\n")} data-stored={isStored(stored, row.keys)}>
              {row.keys.length > 1 && <code class="path">{row.keys.slice(1).join(".")}</code>}
              {row.value === null ? <span class="note">not set</span> : <code class="value">{JSON.stringify(row.value)}</code>}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}

const isEmpty = (value: unknown): boolean => JSON.stringify(value) === "{}" || JSON.stringify(value) === "[]";
