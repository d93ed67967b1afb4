// A window's requests: one at a time, and the last one's problem.
import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api/problems.ts";
import type { Problem } from "../api/types.ts";

/** `ask` runs `work` and says whether it went well; nothing is shown once the window has gone. */
export function useAsked() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const running = useRef(false);
  const ask = async (work: () => Promise<void>): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.problem);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { ask, busy, problem };
}
