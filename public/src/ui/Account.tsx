// Signing in with an account of the site's Firebase project.
import { useRef, useState } from "preact/hooks";
import { session, signInWithAccount } from "../auth.ts";
import type { Accounts } from "../firebase.ts";
import { useStore } from "../state/store.ts";
import { Google } from "./icons.tsx";

export function Account(props: { onClose: () => void }) {
  const { problem: cannot } = useStore(session);
  const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const by = async (how: (all: Accounts) => Promise<void>, done = "") => {
    setBusy(true);
    setSaid(null);
    try {
      await signInWithAccount(how);
      if (done) setSaid({ text: done, bad: false });
      else if (session.get().method.label() !== "Sign in") props.onClose();
    } catch (error) {
      setSaid({ text: error instanceof Error ? error.message : "That did not work.", bad: true });
    } finally {
      setBusy(false);
    }
  };
  /** Runs `work` with what is in the fields, once the browser finds them good. */
  const filled = (work: (email: string, password: string) => void, fields = ["email", "password"]) => {
    const inputs = [...(form.current?.querySelectorAll("input") ?? [])];
    if (!inputs.filter((input) => fields.includes(input.name)).every((input) => input.reportValidity())) return;
    const [email, password] = inputs.map((input) => input.value);
    work(email?.trim() ?? "", password ?? "");
  };
  const forgotten = (email: string) =>
    void by((all) => all.forgotten(email), "If there is an account, a letter with a link is on its way.");
  return (
    <>
      <button type="button" class="button" disabled={busy} onClick={() => void by((all) => all.google())}>
        <Google /> Continue with Google
      </button>
      <form
        ref={form}
        class="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          filled((email, password) => void by((all) => all.password(email, password)));
        }}
      >
        <label class="field">
          <span>E-mail</span>
          <input name="email" type="email" required autocomplete="username" />
        </label>
        <label class="field">
          <span>Password</span>
          <input name="password" type="password" required autocomplete="current-password" />
        </label>
        <p class="buttons">
          <button type="submit" class="button" disabled={busy}>Sign in</button>
          <button type="button" class="button" disabled={busy} onClick={() => filled((email, password) => void by((all) => all.create(email, password)))}>
            Create account
          </button>
          <button type="button" class="quiet" disabled={busy} onClick={() => filled(forgotten, ["email"])}>Forgot the password?</button>
        </p>
      </form>
      <button type="button" class="quiet" disabled={busy} onClick={() => void by((all) => all.anonymous())}>
        Go on without an account
      </button>
      {(said ?? cannot) && (
        <p class={said && !said.bad ? "note" : "failure"} role={said && !said.bad ? "status" : "alert"}>
          {said?.text ?? cannot}
        </p>
      )}
    </>
  );
}
