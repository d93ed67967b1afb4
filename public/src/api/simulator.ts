// The simulator's switches. They exist only under `make run`; elsewhere the paths answer 404.
import { apiOrigin } from "./http.ts";

export const FAULT_KINDS = {
  "503": { label: "503 outage", fault: { kind: "status", status: 503 } },
  "429": { label: "429 rate limit", fault: { kind: "status", status: 429, retry_after: 20 } },
  hang: { label: "hangs, silent", fault: { kind: "hang" } },
  cut: { label: "cuts the stream", fault: { kind: "cut", after_bytes: 200 } },
  garbage: { label: "sends garbage", fault: { kind: "garbage" } },
} as const;

export type FaultKind = keyof typeof FAULT_KINDS;

interface WireFault {
  provider?: string;
  kind?: string;
  status?: number;
}

export interface SimulatorState {
  /** The providers that are simulated; only these can be broken. */
  providers: string[];
  /** The broken ones, and how. */
  faults: Record<string, FaultKind>;
}

/** What the simulator plays and what is broken in it; null where there is no simulator. */
export async function readSimulator(): Promise<SimulatorState | null> {
  try {
    const response = await fetch(`${apiOrigin}/sim/faults`, { cache: "no-store" });
    if (!response.ok) return null;
    const body = (await response.json()) as { faults?: WireFault[]; providers?: string[] };
    return { providers: body.providers ?? [], faults: brokenOnes(body.faults ?? []) };
  } catch {
    return null;
  }
}

function brokenOnes(listed: WireFault[]): Record<string, FaultKind> {
  const broken: Record<string, FaultKind> = {};
  for (const fault of listed) {
    if (!fault.provider) continue;
    const kind = fault.kind === "status" ? String(fault.status ?? 503) : String(fault.kind);
    broken[fault.provider] = kind in FAULT_KINDS ? (kind as FaultKind) : "503";
  }
  return broken;
}

/** From now on every call to this provider fails in this way. Raises Error with what to do. */
export async function breakProvider(provider: string, kind: FaultKind): Promise<void> {
  await healProvider(provider);
  await mutate("POST", "", { provider, ...FAULT_KINDS[kind].fault });
}

/** Takes this provider's faults back; other providers' stay. */
export async function healProvider(provider: string): Promise<void> {
  await mutate("DELETE", `?provider=${encodeURIComponent(provider)}`);
}

async function mutate(method: string, query: string, body?: object): Promise<void> {
  const response = await fetch(`${apiOrigin}/sim/faults${query}`, {
    method,
    ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`The simulator answered ${response.status}.`);
}
