// Answers whose safety has something to tell: what was masked, blocked, let by or not looked at.

const verdict = (more = {}) => ({
  safe: true, category: null, severity: null, confidence: 0.98, model: "groq-gpt-oss-120b", scanned: true, ...more,
});

/** The receipt's fields of a checked answer. */
export const checked = (safety = {}, more = {}) => ({
  guard: "checked",
  guarded_tokens: 412,
  safety: {
    input: verdict(), output: verdict({ confidence: 0.91 }), calls: 3, spent_tokens: 1204, guard_ms: 143, images: null,
    injection: { score: 0.031, flagged: false }, personal: { mode: "redact", found: {} }, ...safety,
  },
  ...more,
});

const unsafe = (category, severity, stage) => ({ category, severity, stage, type: "invalid_request_error" });

const ANSWERS = {
  checked: ["Checked, and fine.", checked()],
  masked: [
    "Write to [EMAIL] or [EMAIL], or call [PHONE].",
    checked({ personal: { mode: "redact", found: { EMAIL: 2, PHONE: 1 } }, output: verdict({ category: "HARASSMENT", severity: "LOW", confidence: 0.64 }) }),
  ],
  reported: ["His address is 203.0.113.9.", checked({ personal: { mode: "flag", found: { IP: 1 } }, injection: { score: 0.814, flagged: true } })],
  unseen: ["A cat, I suppose.", checked({ images: "unseen" })],
  unscanned: [
    "Nobody looked.",
    checked({ input: verdict({ scanned: false, model: null, confidence: 0 }), output: null, calls: 0, spent_tokens: 0 }, {
      guard: "not_scanned", classification: { category: "SIMPLE", confidence: 0.8, source: "llm" },
    }),
  ],
};

/** Streams by the message that asks for them, to be put beside the mock's other scripts. */
export function safetyScripts({ chunk, event, receipt, errorBody }) {
  const scripts = {
    /** Two sentences had passed when the third was judged. */
    async "unsafe answer"({ write }) {
      await write(chunk({ content: "First you need a quiet room. Then you" }));
      const said = "the answer was judged unsafe (violence), so the rest of it is withheld; ask again";
      await write(event(errorBody("safety_violation", said, unsafe("VIOLENCE", "CRITICAL", "output"))));
    },
  };
  for (const [asked, [text, more]] of Object.entries(ANSWERS)) {
    scripts[asked] = async ({ write }) => {
      const last = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], codeex: receipt(more) };
      await write(chunk({ content: text }) + event({ model: "groq-gpt-oss-120b", ...last }) + event("[DONE]"));
    };
  }
  return scripts;
}

/** Refusals with an HTTP status of their own, by the message that asks for them. */
export const SAFETY_REFUSALS = (errorBody) => ({
  unsafe: [422, errorBody("safety_violation", "the request was judged unsafe (hate speech), so it was not answered; rephrase it", unsafe("HATE_SPEECH", "HIGH", "input"))],
  hurt: [422, errorBody("safety_violation", "the request was judged unsafe (self harm), so it was not answered; rephrase it", unsafe("SELF_HARM", "HIGH", "input"))],
  override: [422, errorBody("injection_detected", "the request looks like an attempt to change the model's instructions (prompt injection), so it was not answered")],
  leak: [422, errorBody("safety_violation", "the answer was judged unsafe (personal data), so the rest of it is withheld; ask again", unsafe("PERSONAL_DATA", "MEDIUM", "output"))],
  "no guard": [503, errorBody("safety_unavailable", "no safety guard could judge this request; try again in a moment"), { "Retry-After": "2" }],
});
