// Who is asking: a made-up user under `make run`, or a token of one's own.
import { useState } from "preact/hooks";
import { DEV_USERS, isThisMachine, isUid, session, signInAs, signInWithToken } from "../auth.ts";
import { useStore } from "../state/store.ts";
import { simulator } from "../state/view.ts";
import { Dialog } from "./parts.tsx";

export function SignIn(props: { onClose: () => void }) {
  const current = useStore(session).method.label();
  const local = useStore(simulator).providers.length > 0 || isThisMachine(location.hostname);
  const [custom, setCustom] = useState("");
  const [bearer, setBearer] = useState("");
  const as = (uid: string) => {
    signInAs(uid);
    props.onClose();
  };
  return (
    <Dialog title="Sign in" class="sign-in" onClose={props.onClose}>
      {local && (
        <>
          <p>Under <code>make run</code> a name is enough: the token is <code>dev-</code> and the name.</p>
          <div class="users">
            {DEV_USERS.map((uid) => (
              <button type="button" key={uid} class="button" aria-pressed={uid === current} onClick={() => as(uid)}>
                {uid}
              </button>
            ))}
          </div>
          <form
            class="line"
            onSubmit={(event) => {
              event.preventDefault();
              if (isUid(custom)) as(custom);
            }}
          >
            <label class="field">
              <span>Another name</span>
              <input type="text" autocomplete="off" spellcheck={false} value={custom} onInput={(event) => setCustom(event.currentTarget.value)} />
            </label>
            <button type="submit" class="button" disabled={!isUid(custom)}>Use</button>
          </form>
        </>
      )}
      <form
        class="line"
        onSubmit={(event) => {
          event.preventDefault();
          if (!bearer.trim()) return;
          signInWithToken(bearer.trim());
          props.onClose();
        }}
      >
        <label class="field">
          <span>ID token or <code>ck_</code> key (kept in this tab only)</span>
          <input type="password" autocomplete="off" value={bearer} onInput={(event) => setBearer(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button" disabled={!bearer.trim()}>Use</button>
      </form>
    </Dialog>
  );
}
