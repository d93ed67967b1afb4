// The wire's shapes, as the page uses them. Everything optional on the wire is optional here.

export interface TextPart {
  type: "text";
  text: string;
}

export interface ImagePart {
  type: "image_url";
  image_url: { url: string };
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export type WireMessage =
  | { role: "user"; content: string | (TextPart | ImagePart)[] }
  | { role: "assistant"; content: string | null; tool_calls?: ToolCall[] }
  | { role: "tool"; tool_call_id: string; content: string };

/** The extension object of a request (`codeex`). */
export interface RouterOptions {
  prioritize?: "speed" | "quality";
  preferred_providers?: string[];
  avoid_providers?: string[];
}

export interface ToolSpec {
  type: "function";
  function: { name: string; description: string; parameters: object };
}

export interface ChatBody {
  model: string;
  messages: WireMessage[];
  stream: boolean;
  stream_options?: { include_usage: true };
  temperature?: number;
  max_tokens?: number;
  tools?: ToolSpec[];
  codeex: RouterOptions;
}

export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface Attempt {
  model: string;
  provider: string;
  outcome: string;
  latency_ms: number;
}

export interface ChainEntry {
  model: string;
  provider: string;
  priority?: number;
  status?: string;
}

/** What a guard says of a message or an answer. */
export interface Verdict {
  safe: boolean;
  category?: string | null;
  severity?: string | null;
  confidence?: number;
  /** The guard's id; null where nobody was asked. */
  model?: string | null;
  /** false: let by without a judgement. */
  scanned?: boolean;
}

/** What safety did for one request. */
export interface Safety {
  input?: Verdict | null;
  output?: Verdict | null;
  calls?: number;
  /** What the guards' own calls took. */
  spent_tokens?: number;
  /** Milliseconds to the message's verdict. */
  guard_ms?: number;
  images?: "seen" | "unseen" | null;
  injection?: { score: number; flagged: boolean } | null;
  personal?: { mode: "flag" | "redact" | "block"; found: Record<string, number> } | null;
}

/** The receipt: the `codeex` object of an answer. */
export interface Receipt {
  request_id?: string;
  classification?: {
    category?: string;
    confidence?: number;
    complexity?: string;
    reasoning?: string;
    source?: string;
  };
  routing?: { reason?: string; chain?: ChainEntry[]; attempts?: Attempt[] };
  warnings?: string[];
  timings_ms?: Record<string, number>;
  /** unguarded, checked or not_scanned. */
  guard?: string;
  /** How many tokens the guards judged. */
  guarded_tokens?: number;
  /** null: guard and screens are off. */
  safety?: Safety | null;
}

/** What went wrong, in the server's words where it had any. */
export interface Problem {
  code: string;
  message: string;
  status?: number;
  param?: string;
  provider?: string;
  requestId?: string;
  /** Of a refusal: why, how grave, and of which side (input or output). */
  category?: string;
  severity?: string;
  stage?: string;
  /** Seconds until a new attempt makes sense. */
  retryAfter?: number;
  /** The same as Unix milliseconds, so that it still holds after a reload. */
  retryAt?: number;
}
