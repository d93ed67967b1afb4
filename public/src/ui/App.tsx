// The page: header, conversation, composer, controls.
import { useEffect, useState } from "preact/hooks";
import { session } from "../auth.ts";
import { activity, stop } from "../chat.ts";
import { catalog, labelOf, loadCatalog } from "../state/catalog.ts";
import { bringBack, conversation, newChat } from "../state/conversation.ts";
import { changedSettings, settings } from "../state/settings.ts";
import { useStore } from "../state/store.ts";
import { loadFaults, show, simulator, view } from "../state/view.ts";
import { followJobs } from "../waiting.ts";
import { Composer } from "./Composer.tsx";
import { Controls, ThemeChoice } from "./Controls.tsx";
import { Chevron, Code, Gauge, Mark, Plus, Sliders, User } from "./icons.tsx";
import { Keys } from "./Keys.tsx";
import { Messages } from "./Messages.tsx";
import { ModelPicker } from "./ModelPicker.tsx";
import { Dialog, useMedia } from "./parts.tsx";
import { Preferences } from "./Preferences.tsx";
import { Samples } from "./Samples.tsx";
import { SignIn } from "./SignIn.tsx";

export function App() {
  const { window: open } = useStore(view);
  const { panelOpen } = useStore(settings);
  const wide = useMedia("(min-width: 64rem)");
  const { busy } = useStore(activity);
  useEffect(() => {
    void loadCatalog();
    void loadFaults();
    return session.watch(() => void loadCatalog());
  }, []);
  useEffect(() => {
    if (!busy && catalog.get().state === "failed") void loadCatalog(); // the server may be back
  }, [busy]);
  useEffect(followJobs, []);
  useKeys();
  const close = () => show(null);
  return (
    <div class="page" data-panel={wide && panelOpen}>
      <Header wide={wide} />
      <main>
        <Messages />
        <div class="dock">
          <Notices />
          <Composer />
        </div>
      </main>
      {wide && panelOpen && (
        <aside aria-label="Controls">
          <Controls />
        </aside>
      )}
      {open === "models" && <ModelPicker onClose={close} />}
      {open === "samples" && <Samples onClose={close} />}
      {open === "user" && <SignIn onClose={close} />}
      {open === "keys" && <Keys onClose={close} />}
      {open === "preferences" && <Preferences onClose={close} />}
      {open === "controls" && !wide && (
        <Dialog title="Controls" class="drawer" onClose={close}>
          <Controls />
        </Dialog>
      )}
      <Said />
    </div>
  );
}

function Header(props: { wide: boolean }) {
  const chosen = useStore(settings);
  const { models } = useStore(catalog);
  const { faults } = useStore(simulator);
  const user = useStore(session).method.label();
  const marks = changedSettings(chosen) + Object.keys(faults).length;
  const toggle = () =>
    props.wide ? settings.update({ panelOpen: !chosen.panelOpen }) : show("controls");
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="CODEEX Router">
        <Mark />
        <span>CODEEX <b>Router</b></span>
      </a>
      <button type="button" class="model-button" aria-haspopup="dialog" onClick={() => show("models")}>
        <span class="hidden">Model: </span>
        <span class="label">{labelOf(chosen.model, models)}</span>
        <Chevron />
      </button>
      <nav aria-label="Page">
        <button type="button" class="icon-button" aria-label="New chat" title="New chat" onClick={newChat}>
          <Plus />
        </button>
        <a class="icon-button wide-link" href="/admin" aria-label="Dashboard" title="Dashboard for operators">
          <Gauge />
        </a>
        <button type="button" class="icon-button" aria-label="Code samples" title="Code samples" onClick={() => show("samples")}>
          <Code />
        </button>
        <span class="wide-only"><ThemeChoice /></span>
        <button type="button" class="user wide-only" title="Sign in" onClick={() => show("user")}>
          <User /><span class="hidden">Signed in as: </span>{user}
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Controls"
          title="Controls"
          aria-expanded={props.wide ? chosen.panelOpen : undefined}
          onClick={toggle}
        >
          <Sliders />
          {marks > 0 && <span class="mark-count" aria-label={`${marks} changed`}>{marks}</span>}
        </button>
      </nav>
    </header>
  );
}

/** Above the composer: offline, and the way back from a new chat. */
function Notices() {
  const { putAway } = useStore(conversation);
  const offline = useOffline();
  return (
    <>
      {offline && <p class="notice" role="status">Offline. What you write is sent when you press Send with a connection.</p>}
      {putAway && (
        <p class="notice" role="status">
          New chat. <button type="button" class="quiet" onClick={bringBack}>Bring the last one back</button>
        </p>
      )}
    </>
  );
}

function useOffline(): boolean {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const change = () => setOffline(!navigator.onLine);
    addEventListener("online", change);
    addEventListener("offline", change);
    return () => {
      removeEventListener("online", change);
      removeEventListener("offline", change);
    };
  }, []);
  return offline;
}

/** What a screen reader hears: the end of an answer, not each of its words. */
function Said() {
  return <p class="hidden" role="status" aria-live="polite">{useStore(activity).said}</p>;
}

/** `/` goes to the message, Escape stops, Ctrl or Cmd with K opens the models. */
function useKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const inDialog = document.querySelector("dialog[open]") !== null;
      const field = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (event.key === "Escape" && !inDialog) stop();
      else if (event.key === "/" && !field && !inDialog) {
        event.preventDefault();
        document.getElementById("message")?.focus();
      } else if (event.key === "k" && (event.metaKey || event.ctrlKey)) {
        event.preventDefault();
        show("models");
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
