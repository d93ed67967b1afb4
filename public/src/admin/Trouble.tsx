// Why the figures are not current, and what to do about it. What is shown stays.
import type { Problem } from "../api/types.ts";
import { session } from "../auth.ts";
import { clockTime } from "../format.ts";
import { useStore } from "../state/store.ts";
import { show } from "../state/view.ts";
import { Warning } from "../ui/icons.tsx";
import { known } from "./state.ts";

export function Trouble() {
  const { problem, failed, updated, quotas } = useStore(known);
  const who = useStore(session).method.label();
  if (!problem) return null;
  const [title, advice] = words(problem, who, failed);
  const signIn = problem.status === 401 || problem.status === 403;
  return (
    <div class="error trouble" role="alert">
      <h2><Warning />{title}</h2>
      <p>{problem.message}</p>
      <p class="advice">
        {advice}
        {quotas && updated && <> What is shown was read at {clockTime(updated)}.</>}
      </p>
      {signIn && (
        <p class="actions">
          <button type="button" class="button" onClick={() => show("user")}>Sign in as an administrator</button>
        </p>
      )}
    </div>
  );
}

function words(problem: Problem, who: string, failed: string[]): [string, string] {
  switch (problem.status) {
    case 401:
      return ["Not signed in", "This page is for administrators. Under make run sign in as admin; elsewhere paste an ID token."];
    case 403:
      return [
        "Not an administrator",
        `You are signed in as ${who}. The account needs the custom claim admin: true; an API key never has it. Under make run sign in as admin.`,
      ];
    case undefined:
      return [problem.code === "offline" ? "Offline" : "No connection", "The page tries again every 5 seconds."];
    default:
      return [`Not everything could be read: ${failed.join(", ")}`, "The page tries again every 5 seconds."];
  }
}
