// The operator's page: how full, what waits, what went through, how it is set.
import { useEffect, useState } from "preact/hooks";
import { session } from "../auth.ts";
import { ago, clockTime } from "../format.ts";
import { useStore } from "../state/store.ts";
import { loadFaults, show, view } from "../state/view.ts";
import { ThemeChoice } from "../ui/Controls.tsx";
import { Chat, Mark, Retry, User } from "../ui/icons.tsx";
import { SignIn } from "../ui/SignIn.tsx";
import { Capacity } from "./Capacity.tsx";
import { Configuration } from "./Configuration.tsx";
import { JobsView } from "./JobsView.tsx";
import { SafetyPanel } from "./SafetyPanel.tsx";
import { useNow } from "./pieces.tsx";
import { keepCurrent, known, refresh } from "./state.ts";
import { StoreOperations } from "./StoreOperations.tsx";
import { Summary } from "./Summary.tsx";
import { Traffic } from "./Traffic.tsx";
import { Trouble } from "./Trouble.tsx";
import { renew } from "./violations.ts";

export function Dashboard() {
  const { window: open } = useStore(view);
  useEffect(() => {
    void loadFaults(); // shows whether this is `make run`, where a name is enough
    return keepCurrent();
  }, []);
  const { problem, quotas } = useStore(known);
  const shut = quotas === null && (problem?.status === 401 || problem?.status === 403);
  return (
    <div class="board">
      <Header />
      <main tabIndex={-1}>
        <div class="column">
          <Trouble />
          {!shut && <Figures />}
        </div>
      </main>
      {open === "user" && <SignIn onClose={() => show(null)} />}
    </div>
  );
}

function Figures() {
  return (
    <>
      <Summary />
      <Capacity />
      <div class="pair">
        <Traffic />
        <div class="stack">
          <JobsView />
          <StoreOperations />
        </div>
      </div>
      <SafetyPanel />
      <Configuration />
    </>
  );
}

function Header() {
  const user = useStore(session).method.label();
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="CODEEX Router, playground">
        <Mark />
        <span>CODEEX <b>Router</b></span>
      </a>
      <h1>Dashboard</h1>
      <nav aria-label="Page">
        <Freshness />
        <a class="button playground" href="/"><Chat /><span>Playground</span></a>
        <span class="wide-only"><ThemeChoice /></span>
        <button type="button" class="user" title="Sign in" onClick={() => show("user")}>
          <User /><span class="hidden">Signed in as: </span><span class="name">{user}</span>
        </button>
      </nav>
    </header>
  );
}

/** When the figures were read, and the way to read them now. */
function Freshness() {
  const { updated, problem } = useStore(known);
  const [reading, setReading] = useState(false);
  const now = useNow(1000);
  const again = async () => {
    setReading(true);
    await Promise.all([refresh(), renew()]);
    setReading(false);
  };
  return (
    <>
      <span class="fresh" data-live={!problem && updated !== null} title={updated ? `Read at ${clockTime(updated)}` : undefined}>
        <i aria-hidden="true" />
        <span>{updated ? `Updated ${ago(updated, now)}` : problem ? "Not read" : "Reading"}</span>
      </span>
      <button type="button" class="icon-button" aria-label="Read again now" title="Read again now" disabled={reading} onClick={() => void again()}>
        <Retry />
      </button>
    </>
  );
}
