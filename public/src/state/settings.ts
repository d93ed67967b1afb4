// What the visitor chose: model, routing wishes, generation settings, theme.
import type { RouterOptions } from "../api/types.ts";
import { createStore, load, save } from "./store.ts";

export type Theme = "system" | "light" | "dark";
export type Wish = "prefer" | "avoid";

export interface Settings {
  model: string;
  prioritize: "" | "speed" | "quality";
  /** Providers with a wish; all others are left to the router. */
  wishes: Record<string, Wish>;
  /** null: not sent, the model's own default holds. */
  temperature: number | null;
  maxTokens: number | null;
  stream: boolean;
  sampleTool: boolean;
  panelOpen: boolean;
}

const KEY = "codeex.settings.v1";
const DEFAULTS: Settings = {
  model: "auto",
  prioritize: "",
  wishes: {},
  temperature: null,
  maxTokens: null,
  stream: true,
  sampleTool: false,
  panelOpen: true,
};

export const settings = createStore<Settings>({ ...DEFAULTS, ...load<Partial<Settings>>(KEY, {}) });
settings.watch((value) => save(KEY, value));

export function resetSettings(): void {
  const { panelOpen } = settings.get();
  settings.set({ ...DEFAULTS, panelOpen });
}

/** How many settings differ from the defaults (the model has its own place on the page). */
export function changedSettings(value: Settings): number {
  return (
    Number(value.prioritize !== "") +
    Object.keys(value.wishes).length +
    Number(value.temperature !== null) +
    Number(value.maxTokens !== null) +
    Number(!value.stream) +
    Number(value.sampleTool)
  );
}

/** The `codeex` object of a request; empty when the router is left alone. */
export function routerOptions(value: Settings): RouterOptions {
  const named = (wish: Wish) =>
    Object.keys(value.wishes).filter((provider) => value.wishes[provider] === wish);
  const preferred = named("prefer");
  const avoided = named("avoid");
  return {
    ...(value.prioritize && { prioritize: value.prioritize }),
    ...(preferred.length > 0 && { preferred_providers: preferred }),
    ...(avoided.length > 0 && { avoid_providers: avoided }),
  };
}

const THEME_KEY = "codeex.theme"; // read by theme.ts before the first paint, so it is plain text

export function readTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(THEME_KEY);
    else localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Not stored: the choice holds until the page is left.
  }
}
