// Which window is open, what is being edited, which providers are broken.
import { breakProvider, healProvider, readSimulator, type FaultKind } from "../api/simulator.ts";
import { allowDevUser } from "../auth.ts";
import { createStore } from "./store.ts";

export type Window = "models" | "samples" | "user" | "controls" | "keys" | "preferences";

export const view = createStore<{ window: Window | null; editing: string | null }>({
  window: null,
  editing: null,
});

export const show = (window: Window | null): void => view.update({ window });

export interface Simulator {
  /** The simulated providers; empty until they are known, and where there is no simulator. */
  providers: string[];
  faults: Record<string, FaultKind>;
  problem: string;
}

export const simulator = createStore<Simulator>({ providers: [], faults: {}, problem: "" });

export async function loadFaults(): Promise<void> {
  const found = await readSimulator();
  if (found) allowDevUser();
  simulator.set({ providers: [], faults: {}, ...found, problem: "" });
}

/** Breaks a provider, or heals it (`kind` null). The switch follows at once and returns on failure. */
export async function setFault(provider: string, kind: FaultKind | null): Promise<void> {
  const before = simulator.get().faults;
  const { [provider]: _gone, ...others } = before;
  simulator.update({ faults: kind ? { ...others, [provider]: kind } : others, problem: "" });
  try {
    await (kind ? breakProvider(provider, kind) : healProvider(provider));
  } catch (error) {
    const problem = error instanceof Error ? error.message : "The simulator does not answer.";
    simulator.update({ faults: before, problem });
  }
}
