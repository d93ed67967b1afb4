// Who is asking: an account, a made-up user under `make run`, or a token of one's own.
import { useId, useState } from "preact/hooks";
import {
  AccountSignIn,
  DEV_USERS,
  isThisMachine,
  isUid,
  ownNames,
  session,
  signInAs,
  signInWithToken,
  signOut,
  TokenSignIn,
  withAccounts,
} from "../auth.ts";
import { useStore } from "../state/store.ts";
import { simulator } from "../state/view.ts";
import { Account } from "./Account.tsx";
import { Check } from "./icons.tsx";
import { Dialog } from "./parts.tsx";

export function SignIn(props: { onClose: () => void }) {
  const { method } = useStore(session);
  const known = method instanceof AccountSignIn || method instanceof TokenSignIn;
  const simulated = useStore(simulator).providers.length > 0 || isThisMachine(location.hostname);
  return (
    <Dialog title="Sign in" class="sign-in" onClose={props.onClose}>
      {known && (
        <p class="signed-in">
          <span>Signed in as <b>{method.label()}</b></span>
          <button type="button" class="button" onClick={() => void signOut()}>Sign out</button>
        </p>
      )}
      {withAccounts && !known && <Account onClose={props.onClose} />}
      {!withAccounts && simulated && <Users current={method.label()} onClose={props.onClose} />}
      <OwnToken onClose={props.onClose} />
    </Dialog>
  );
}

/** The users of `make run`. */
function Users(props: { current: string; onClose: () => void }) {
  const [custom, setCustom] = useState("");
  const as = (uid: string) => {
    signInAs(uid);
    props.onClose();
  };
  const own = ownNames().map((uid) => [uid, "a name of your own"] as const);
  return (
    <>
      <p>Under <code>make run</code> a name is enough: the token is <code>dev-</code> and the name.</p>
      <ul class="users" aria-label="Users">
        {[...DEV_USERS, ...own].map(([uid, about]) => (
          <UserChoice key={uid} uid={uid} about={about} chosen={uid === props.current} onChoose={() => as(uid)} />
        ))}
      </ul>
      <form
        class="line"
        onSubmit={(event) => {
          event.preventDefault();
          if (isUid(custom)) as(custom);
        }}
      >
        <label class="field">
          <span>Another name</span>
          <input type="text" autocomplete="off" autocapitalize="off" spellcheck={false} value={custom} onInput={(event) => setCustom(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button" disabled={!isUid(custom)}>Use</button>
      </form>
    </>
  );
}

function UserChoice(props: { uid: string; about: string; chosen: boolean; onChoose: () => void }) {
  const id = useId();
  return (
    <li data-chosen={props.chosen}>
      <button type="button" aria-describedby={id} aria-pressed={props.chosen} onClick={props.onChoose}>{props.uid}</button>
      <span class="note" id={id}>{props.about}</span>
      {props.chosen && <Check />}
    </li>
  );
}

function OwnToken(props: { onClose: () => void }) {
  const [bearer, setBearer] = useState("");
  return (
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
        <span><span>ID token or <code>ck_</code> key (kept in this tab only)</span></span>
        <input type="password" autocomplete="off" value={bearer} onInput={(event) => setBearer(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button" disabled={!bearer.trim()}>Use</button>
    </form>
  );
}
