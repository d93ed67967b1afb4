// The conversation as it stands, kept in view while an answer grows.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { activity } from "../chat.ts";
import { conversation, type Turn } from "../state/conversation.ts";
import { useStore } from "../state/store.ts";
import { Answer } from "./Answer.tsx";
import { Empty } from "./Empty.tsx";
import { ArrowDown } from "./icons.tsx";
import { Question } from "./Question.tsx";

/** Within this many pixels of the end the view follows the answer. */
const NEAR_END = 80;

export function Messages() {
  const { turns } = useStore(conversation);
  const { busy } = useStore(activity);
  const scroller = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);

  const toEnd = () => {
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
  };
  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    following.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
    setAway(!following.current);
  };
  useEffect(() => {
    following.current = true; // a new message of the visitor always comes into view
    if (turns.length > 0) toEnd();
  }, [turns.filter((turn) => turn.role === "user").length]);
  useLayoutEffect(() => {
    if (following.current && turns.length > 0) toEnd();
  }, [turns]);

  if (turns.length === 0) {
    return (
      <div class="scroller" ref={scroller}>
        <Empty />
      </div>
    );
  }
  const last = turns.length - 1;
  return (
    <div class="scroller" ref={scroller} onScroll={onScroll}>
      <h1 class="hidden">Conversation</h1>
      <div class="thread" role="log" aria-label="Conversation" aria-busy={busy}>
        {turns.map((turn, index) => (
          <TurnView key={turn.id} turn={turn} last={index === last} busy={busy} />
        ))}
      </div>
      {away && (
        <button type="button" class="to-end" onClick={toEnd} aria-label="Go to the end">
          <ArrowDown />
        </button>
      )}
    </div>
  );
}

/** Renders again only when its own turn changed. */
function TurnView(props: { turn: Turn; last: boolean; busy: boolean }) {
  const { turn, last, busy } = props;
  return useMemo(
    () =>
      turn.role === "user" ? <Question turn={turn} busy={busy} /> : <Answer turn={turn} last={last} busy={busy} />,
    [turn, last, busy],
  );
}
