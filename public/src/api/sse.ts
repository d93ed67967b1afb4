// Server-sent events from bytes, whatever the packets look like: a character, a line end or a
// `\r\n` may be split anywhere. Follows the parsing rules of the HTML standard (section 9.2.6).

export interface ServerEvent {
  event: string;
  data: string;
}

export class EventParser {
  #decoder = new TextDecoder("utf-8");
  #rest = "";
  #event = "";
  #data: string[] = [];
  #afterCr = false;
  readonly #onComment: (() => void) | undefined;

  /** `onComment` is told of each comment line: the server is there and has nothing to say yet. */
  constructor(onComment?: () => void) {
    this.#onComment = onComment;
  }

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): ServerEvent[] {
    return this.#lines(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The events left when the stream has ended; a server may leave out the last empty line. */
  end(): ServerEvent[] {
    const events = this.#lines(`${this.#decoder.decode()}\n\n`);
    return events;
  }

  #lines(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let chunk = text;
    // "\r" ended a line already; the "\n" that belongs to it may come in the next packet.
    if (this.#afterCr && chunk.startsWith("\n")) chunk = chunk.slice(1);
    if (text.length > 0) this.#afterCr = text.endsWith("\r");
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line, events);
    return events;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (line === "") {
      if (this.#data.length > 0) {
        events.push({ event: this.#event || "message", data: this.#data.join("\n") });
      }
      this.#data = [];
      this.#event = "";
      return;
    }
    if (line.startsWith(":")) {
      this.#onComment?.();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
  }
}

/** The events of a response body. Ends when the body ends; leaving the loop cancels the body. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onComment?: () => void,
): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const parser = new EventParser(onComment);
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        break;
      }
      yield* parser.push(value);
    }
    yield* parser.end();
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}
