// Small parts that several rooms of the page use.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { providerName } from "../state/catalog.ts";
import { Check, Copy, Cross } from "./icons.tsx";

/** Copies text; says so for two seconds, or that it could not. */
export function CopyButton(props: { text: () => string; label: string; small?: boolean }) {
  const [said, setSaid] = useState<"" | "Copied" | "Not copied">("");
  const copy = async () => {
    setSaid((await copyText(props.text())) ? "Copied" : "Not copied");
    setTimeout(() => setSaid(""), 2000);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()} aria-label={props.label} title={props.label}>
      {said === "Copied" ? <Check /> : <Copy />}
      {!props.small && <span>{said || "Copy"}</span>}
      <span class="hidden" role="status">{said}</span>
    </button>
  );
}

/** The clipboard API exists on https and localhost only; elsewhere a selection is copied. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A provider's name with its colour. */
export function Provider(props: { id: string }) {
  return (
    <span class="provider" data-provider={props.id}>
      {providerName(props.id)}
    </span>
  );
}

/** A modal window: Escape, the cross and a press beside it close it; focus returns by itself. */
export function Dialog(props: {
  title: string;
  class?: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => {
      gone.current = true; // the event comes late, and would close the window that took this one's place
      dialog?.close();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={`dialog ${props.class ?? ""}`}
      aria-label={props.title}
      onClose={() => !gone.current && props.onClose()}
      onClick={(event) => {
        if (event.target === ref.current) props.onClose();
      }}
    >
      <div class="sheet">
        <header>
          <h2>{props.title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={props.onClose}>
            <Cross />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

/** A row of choices of which one holds. */
export function Segments<T extends string>(props: {
  label: string;
  choices: readonly (readonly [T, ComponentChildren])[];
  value: T;
  onChoose: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="hidden">{props.label}</legend>
      {props.choices.map(([value, words]) => (
        <label key={value}>
          <input
            type="radio"
            name={name}
            checked={props.value === value}
            onChange={() => props.onChoose(value)}
          />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** An on/off switch with its words. */
export function Switch(props: {
  checked: boolean;
  label: ComponentChildren;
  name?: string;
  danger?: boolean;
  disabled?: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <label class={`switch ${props.danger ? "danger" : ""}`}>
      <input
        type="checkbox"
        role="switch"
        aria-label={props.name}
        checked={props.checked}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span class="track" aria-hidden="true" />
      <span>{props.label}</span>
    </label>
  );
}

/** Seconds left until a moment (Unix milliseconds), counted down. */
export function useCountdown(until: number): number {
  const rest = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const [left, setLeft] = useState(rest);
  useEffect(() => {
    setLeft(rest());
    if (rest() === 0) return;
    const timer = setInterval(() => {
      setLeft(rest());
      if (rest() === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [until]);
  return left;
}

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => setHolds(list.matches);
    change();
    list.addEventListener("change", change);
    return () => list.removeEventListener("change", change);
  }, [query]);
  return holds;
}
