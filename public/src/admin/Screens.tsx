// The two local screens: what follows when they find something. Each choice takes effect at once.
import { useState } from "preact/hooks";
import type { Problem } from "../api/types.ts";
import { Refusal } from "./PatchEditor.tsx";
import { object, type Config } from "./shapes.ts";
import { patchConfig, problemFrom } from "./state.ts";

/** The value of a screen that is not set: it follows the guard's flag. */
const FOLLOWS = "";
const WORDS: Record<string, string> = { off: "off", flag: "only report", redact: "mask", block: "block" };

const SCREENS = [
  { key: "pii", label: "Personal data in answers", modes: ["off", "flag", "redact", "block"], guarded: "redact" },
  { key: "injection", label: "Prompt injection", modes: ["off", "flag", "block"], guarded: "block" },
] as const;

export function Screens(props: { config: Config }) {
  const { config } = props.config;
  const guard = object(config.flags).ENABLE_SAFETY_GUARD === true;
  const set = object(config.safety);
  const [pending, setPending] = useState<{ key: string; mode: string } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const change = async (key: string, mode: string) => {
    setPending({ key, mode });
    setProblem(null);
    try {
      await patchConfig({ safety: { [key]: mode || null } });
    } catch (error) {
      setProblem(problemFrom(error));
    }
    setPending(null);
  };
  return (
    <div class="flags screens" role="group" aria-label="Screens">
      {SCREENS.map(({ key, label, modes, guarded }) => {
        const stored = typeof set[key] === "string" ? (set[key] as string) : FOLLOWS;
        return (
          <label key={key} class="field">
            <span><b>{label}</b><code>safety.{key}</code></span>
            <select
              value={pending?.key === key ? pending.mode : stored}
              disabled={pending !== null}
              onChange={(event) => void change(key, event.currentTarget.value)}
            >
              <option value={FOLLOWS}>as the guard: {WORDS[guard ? guarded : "off"]}</option>
              {modes.map((mode) => <option key={mode} value={mode}>{WORDS[mode]}</option>)}
            </select>
          </label>
        );
      })}
      {problem && <Refusal problem={problem} />}
    </div>
  );
}
