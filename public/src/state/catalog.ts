// The models of GET /v1/models, put into one form, and the category aliases beside them.
import { getJson } from "../api/http.ts";
import { ApiError } from "../api/problems.ts";
import type { Problem } from "../api/types.ts";
import { token } from "../auth.ts";
import { createStore } from "./store.ts";

export interface Model {
  id: string;
  name: string;
  provider: string;
  capabilities: string[];
  features: string[];
  contextWindow: number | null;
  maxOutput: number | null;
  status: "ACTIVE" | "DYING" | "DEAD";
  shutdownDate: string | null;
  replacement: string | null;
  servedBy: string | null;
  health: "HEALTHY" | "DEGRADED" | "UNAVAILABLE" | null;
  free: boolean;
  enabled: boolean;
  warning: string | null;
  /** Whether it writes text at all; the others speak, draw, listen or embed. */
  chat: boolean;
}

export interface Alias {
  id: string;
  name: string;
  about: string;
}

/** The text categories that `auto:` takes, with what they are for (R3). */
export const ALIASES: readonly Alias[] = [
  { id: "auto", name: "Auto", about: "Reads the request, picks the category, routes it" },
  { id: "auto:simple", name: "Simple", about: "Short facts and small talk" },
  { id: "auto:medium", name: "Medium", about: "Explanations, advice, writing" },
  { id: "auto:complex", name: "Complex", about: "Planning and analysis under constraints" },
  { id: "auto:coding", name: "Coding", about: "Write, explain or repair code" },
  { id: "auto:reasoning", name: "Reasoning", about: "Mathematics, logic, proofs" },
  { id: "auto:multilingual", name: "Multilingual", about: "Translation, other languages" },
  { id: "auto:vision_in", name: "Vision", about: "Questions about an image" },
  { id: "auto:agentic", name: "Agentic", about: "Tools and actions outside" },
  { id: "auto:long_context", name: "Long context", about: "Very long inputs" },
];

export const PROVIDER_NAMES: Record<string, string> = {
  groq: "Groq",
  cerebras: "Cerebras",
  google: "Google",
  huggingface: "Hugging Face",
  elevenlabs: "ElevenLabs",
  local: "Local server",
};

export const providerName = (id: string): string => PROVIDER_NAMES[id] ?? id;

export interface Catalog {
  state: "loading" | "ready" | "failed";
  models: Model[];
  problem?: Problem;
}

export const catalog = createStore<Catalog>({ state: "loading", models: [] });

/** Reads the list again. Health changes with live traffic, so the picker asks each time it opens. */
export async function loadCatalog(): Promise<void> {
  try {
    const body = (await getJson("/v1/models", await token())) as { data?: unknown };
    const models = (Array.isArray(body.data) ? body.data : [])
      .map(toModel)
      .filter((model): model is Model => model !== null);
    catalog.set({ state: "ready", models });
  } catch (error) {
    const problem =
      error instanceof ApiError
        ? error.problem
        : { code: "unknown", message: "The model list could not be read." };
    catalog.set({ ...catalog.get(), state: "failed", problem });
  }
}

type Loose = Record<string, unknown>;

const string = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value : null;
const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
const oneOf = <T extends string>(value: unknown, choices: readonly T[]): T | null =>
  choices.find((choice) => choice === value) ?? null;

function toModel(entry: unknown): Model | null {
  const outer = (entry ?? {}) as Loose;
  const id = string(outer.id);
  if (!id || id === "auto" || id.startsWith("auto:")) return null;
  const more = (outer.codeex ?? {}) as Loose;
  const capabilities = strings(more.capabilities);
  return {
    id,
    name: string(more.name) ?? id,
    provider: string(more.provider) ?? string(outer.owned_by) ?? "other",
    capabilities,
    features: strings(more.features),
    contextWindow: number(more.context_window),
    maxOutput: number(more.max_output_tokens),
    status: oneOf(more.status, ["ACTIVE", "DYING", "DEAD"] as const) ?? "ACTIVE",
    shutdownDate: string(more.shutdown_date),
    replacement: string(more.replacement),
    servedBy: string(more.served_by),
    health: oneOf(more.health, ["HEALTHY", "DEGRADED", "UNAVAILABLE"] as const),
    free: more.free_tier === true || more.free_tier === "quota" || more.free_tier === "credit",
    enabled: more.enabled !== false,
    warning: string(more.warning),
    chat: capabilities.length === 0 || capabilities.includes("TEXT"),
  };
}

/** The providers of the list, in its order, with whether any of their models can be asked. */
export function providersOf(models: Model[]): { id: string; enabled: boolean; chat: boolean }[] {
  const found = new Map<string, { id: string; enabled: boolean; chat: boolean }>();
  for (const model of models) {
    const entry = found.get(model.provider) ?? { id: model.provider, enabled: false, chat: false };
    entry.enabled ||= model.enabled;
    entry.chat ||= model.chat && model.status !== "DEAD";
    found.set(model.provider, entry);
  }
  return [...found.values()];
}

/** What the picker's button says for a model id. */
export function labelOf(id: string, models: Model[]): string {
  const alias = ALIASES.find((item) => item.id === id);
  if (alias) return id === "auto" ? "Auto" : `Auto: ${alias.name.toLowerCase()}`;
  return models.find((model) => model.id === id)?.name ?? id;
}
