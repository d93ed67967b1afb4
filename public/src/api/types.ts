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
  guard?: string;
}

/** What went wrong, in the server's words where it had any. */
export interface Problem {
  code: string;
  message: string;
  status?: number;
  param?: string;
  provider?: string;
  requestId?: string;
  /** Seconds until a new attempt makes sense. */
  retryAfter?: number;
  /** The same as Unix milliseconds, so that it still holds after a reload. */
  retryAt?: number;
}
