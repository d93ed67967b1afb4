// A merge patch as text: checked while it is written, shown as what it changes, stored on request.
import { useMemo, useState } from "preact/hooks";
import type { Problem } from "../api/types.ts";
import { Warning } from "../ui/icons.tsx";
import { changes, parsePatch, problemsIn, type Change } from "./patch.ts";
import type { Config } from "./shapes.ts";
import { known, patchConfig, problemFrom } from "./state.ts";

const EXAMPLES: readonly (readonly [string, object])[] = [
  ["Limit a provider", { limits: { groq: { rpm: 20 } } }],
  ["Switch off a model", { models: { "groq-gpt-oss-20b": { enabled: false } } }],
  ["Requests per user", { client_limits: { user_rpm: 20 } }],
  ["Report personal data only", { safety: { pii: "flag" } }],
];

export function PatchEditor(props: { config: Config }) {
  const [text, setText] = useState("");
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [saved, setSaved] = useState("");
  const parsed = useMemo(() => parsePatch(text), [text]);
  const diff = "patch" in parsed ? changes(props.config.config, props.config.stored, parsed.patch) : [];
  const ready = diff.length > 0 && !saving;

  const write = (next: string) => {
    setText(next);
    setProblem(null);
    setSaved("");
  };
  const store = async () => {
    if (!ready || !("patch" in parsed)) return;
    setSaving(true);
    setProblem(null);
    try {
      await patchConfig(parsed.patch);
      setText("");
      setSaved(`Stored as version ${known.get().config?.version ?? "?"}. Every instance follows within 30 s.`);
    } catch (error) {
      setProblem(problemFrom(error));
    }
    setSaving(false);
  };

  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        void store();
      }}
    >
      <h3><label for="patch">Change it</label></h3>
      <p class="note" id="patch-help">
        A JSON merge patch: what you name is changed, <code>null</code> goes back to the default.
        Nothing takes effect unless all of it is valid.
      </p>
      <p class="examples-row">
        {EXAMPLES.map(([name, patch]) => (
          <button type="button" key={name} class="quiet" onClick={() => write(JSON.stringify(patch, null, 2))}>{name}</button>
        ))}
      </p>
      <textarea
        id="patch"
        rows={9}
        value={text}
        spellcheck={false}
        autocomplete="off"
        placeholder={'{\n  "limits": {"groq": {"rpm": 20}}\n}'}
        aria-describedby="patch-help patch-state"
        aria-invalid={problem !== null || ("problem" in parsed && parsed.problem !== "")}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void store();
          }
        }}
      />
      <div id="patch-state" class="patch-state" role="status">
        {"problem" in parsed && parsed.problem && <p class="note trouble">{parsed.problem}</p>}
        {"patch" in parsed && diff.length === 0 && <p class="note">This changes nothing.</p>}
        {saved && <p class="note saved">{saved}</p>}
      </div>
      {diff.length > 0 && <Diff changes={diff} />}
      {problem && <Refusal problem={problem} />}
      <p class="actions">
        <button type="submit" class="button main" disabled={!ready}>
          {saving ? "Storing" : diff.length > 0 ? `Store ${diff.length === 1 ? "1 change" : `${diff.length} changes`}` : "Store"}
        </button>
        {text && <button type="button" class="button" onClick={() => write("")}>Clear</button>}
        <span class="note"><kbd>Ctrl</kbd>+<kbd>Enter</kbd> stores</span>
      </p>
    </form>
  );
}

function Diff(props: { changes: Change[] }) {
  return (
    <ul class="diff" tabIndex={0} aria-label="What changes">
      {props.changes.map((change) => (
        <li key={change.keys.join("\n")}>
          <code class="path">{change.keys.join(".")}</code>
          <span class="hidden">from</span>
          {change.before === undefined ? <span class="note">not set</span> : <del>{JSON.stringify(change.before)}</del>}
          <span class="hidden">to</span>
          <ins>{change.after === undefined ? "default" : JSON.stringify(change.after)}</ins>
        </li>
      ))}
    </ul>
  );
}

/** Why the server refused, every problem on its own line. */
export function Refusal(props: { problem: Problem }) {
  const lines = problemsIn(props.problem.message);
  return (
    <div class="error refusal" role="alert">
      <h2><Warning />{lines.length > 1 ? `Refused: ${lines.length} problems` : "Refused"}</h2>
      <ul>
        {lines.map((line, at) => <li key={at}>{line}</li>)}
      </ul>
      <p class="advice">What was in force stays in force.</p>
    </div>
  );
}
