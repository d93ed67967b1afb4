// What the visitor asked.
import type { UserTurn } from "../state/conversation.ts";
import { view } from "../state/view.ts";
import { Pencil } from "./icons.tsx";
import { CopyButton } from "./parts.tsx";

export function Question(props: { turn: UserTurn; busy: boolean }) {
  const { turn } = props;
  return (
    <article class="question" aria-label="You">
      <div class="said">
        {turn.pictures.length > 0 && (
          <ul class="pictures">
            {turn.pictures.map((picture, index) => (
              <li key={index}>
                {picture.url ? (
                  <img src={picture.url} alt={picture.name} width={picture.width} height={picture.height} />
                ) : (
                  <span class="lost">{picture.name} (no longer kept)</span>
                )}
              </li>
            ))}
          </ul>
        )}
        {turn.text && <p class="words" dir="auto">{turn.text}</p>}
      </div>
      <div class="actions">
        {turn.text && <CopyButton small text={() => turn.text} label="Copy message" />}
        <button
          type="button"
          class="quiet"
          aria-label="Edit message"
          title="Edit message"
          disabled={props.busy}
          onClick={() => view.update({ editing: turn.id })}
        >
          <Pencil />
        </button>
      </div>
    </article>
  );
}
