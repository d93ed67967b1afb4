// Where the visitor writes: text, pictures, send and stop.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { activity, send, stop } from "../chat.ts";
import { ACCEPTED, MAX_PICTURES, toPicture } from "../images.ts";
import { conversation, type Picture } from "../state/conversation.ts";
import { useStore } from "../state/store.ts";
import { view } from "../state/view.ts";
import { ArrowUp, Cross, Image, Square } from "./icons.tsx";

export function Composer() {
  const [text, setText] = useState("");
  const [pictures, setPictures] = useState<Picture[]>([]);
  const [note, setNote] = useState("");
  const { busy } = useStore(activity);
  const { editing } = useStore(view);
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);

  useAutosize(area, text);
  useEffect(() => {
    // On a phone this would open the keyboard over the page.
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
  }, []);
  const add = async (files: File[]) => {
    setNote("");
    for (const file of files) {
      try {
        const picture = await toPicture(file);
        setPictures((held) => {
          if (held.length < MAX_PICTURES) return [...held, picture];
          setNote(`At most ${MAX_PICTURES} images go into one message.`);
          return held;
        });
      } catch (error) {
        setNote(error instanceof Error ? error.message : "The image could not be read.");
      }
    }
  };
  const dropping = useDrop(add);

  // Before the next paint: the box has the text and the cursor when the press that asked for it is over.
  useLayoutEffect(() => {
    const turn = conversation.get().turns.find((item) => item.id === editing);
    if (turn?.role !== "user") return;
    setText(turn.text);
    setPictures(turn.pictures.filter((picture) => picture.url));
    area.current?.focus();
  }, [editing]);

  const clear = () => {
    setText("");
    setPictures([]);
    setNote("");
    view.update({ editing: null });
  };
  const submit = () => {
    if (busy || (text.trim() === "" && pictures.length === 0)) return;
    void send(text.trim(), pictures, { replaces: editing ?? undefined });
    clear();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also ends a word of an input method (Japanese, Chinese): that is not Send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    void add(files);
  };

  return (
    <form
      class={`composer ${dropping ? "dropping" : ""}`}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {editing && (
        <p class="editing">
          Editing: what came after is replaced.
          <button type="button" class="quiet" onClick={clear}>Cancel</button>
        </p>
      )}
      <div class="box">
        {pictures.length > 0 && (
          <ul class="thumbs" aria-label="Attached images">
            {pictures.map((picture, index) => (
              <li key={picture.url}>
                <img src={picture.url} alt={picture.name} />
                <button
                  type="button"
                  aria-label={`Remove ${picture.name}`}
                  onClick={() => setPictures(pictures.filter((_, at) => at !== index))}
                >
                  <Cross />
                </button>
              </li>
            ))}
          </ul>
        )}
        <textarea
          ref={area}
          id="message"
          rows={1}
          value={text}
          placeholder="Ask anything"
          aria-label="Message"
          aria-describedby="keys"
          enterkeyhint="send"
          dir="auto"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        <div class="bar">
          <input
            ref={picker}
            class="hidden"
            type="file"
            accept={ACCEPTED.join(",")}
            multiple
            tabIndex={-1}
            aria-hidden="true"
            onChange={(event) => {
              void add([...(event.currentTarget.files ?? [])]);
              event.currentTarget.value = "";
            }}
          />
          <button type="button" class="icon-button" aria-label="Attach images" title="Attach images" onClick={() => picker.current?.click()}>
            <Image />
          </button>
          <span class="note" role="status">{note}</span>
          {busy ? (
            <button type="button" class="send stop" aria-label="Stop" title="Stop (Esc)" onClick={stop}>
              <Square />
            </button>
          ) : (
            <button type="submit" class="send" aria-label="Send" title="Send (Enter)" disabled={text.trim() === "" && pictures.length === 0}>
              <ArrowUp />
            </button>
          )}
        </div>
      </div>
      <p class="keys" id="keys">
        <kbd>Enter</kbd> sends, <kbd>Shift</kbd>+<kbd>Enter</kbd> makes a new line, <kbd>/</kbd> jumps here, <kbd>Esc</kbd> stops
      </p>
    </form>
  );
}

/** The box grows with its text, up to the height the style sheet allows. */
function useAutosize(area: { current: HTMLTextAreaElement | null }, text: string): void {
  useLayoutEffect(() => {
    const box = area.current;
    if (!box || CSS.supports("field-sizing", "content")) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);
}

/** Takes files dropped anywhere on the page; true while some hover over it. */
function useDrop(take: (files: File[]) => Promise<void>): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const onOver = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      setOver(false);
      void take([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener("dragover", onOver);
    addEventListener("dragleave", onLeave);
    addEventListener("drop", onDrop);
    return () => {
      removeEventListener("dragover", onOver);
      removeEventListener("dragleave", onLeave);
      removeEventListener("drop", onDrop);
    };
  }, []);
  return over;
}
