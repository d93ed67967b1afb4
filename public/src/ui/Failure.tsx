// What went wrong in a window, in two lines.
import { advice } from "../api/problems.ts";
import type { Problem } from "../api/types.ts";
import { show } from "../state/view.ts";

export function Failure(props: { problem: Problem; onRetry?: (() => void) | undefined }) {
  const { problem } = props;
  const signIn = problem.code === "unauthenticated" || problem.code === "forbidden";
  return (
    <div class="failure" role="alert">
      <p>{problem.message}</p>
      {!signIn && problem.code !== "conflict" && <p class="note">{advice(problem)}</p>}
      {(signIn || props.onRetry) && (
        <p class="buttons">
          {signIn && <button type="button" class="button" onClick={() => show("user")}>Sign in</button>}
          {props.onRetry && <button type="button" class="button" onClick={props.onRetry}>Try again</button>}
        </p>
      )}
    </div>
  );
}
