// The first sight: what this is, and something to try for each kind of request.
import { send } from "../chat.ts";
import { sampleChart } from "../images.ts";

interface Example {
  kind: string;
  text: string;
  picture?: boolean;
  tool?: boolean;
}

const EXAMPLES: readonly Example[] = [
  { kind: "Small talk", text: "Good morning! How are you today?" },
  { kind: "Code", text: "Write a Python function that merges overlapping intervals, with a test." },
  { kind: "Mathematics", text: "Prove that the square root of 2 is irrational." },
  { kind: "Translation", text: "Translate into Japanese and Portuguese: “The last train leaves at midnight.”" },
  { kind: "Image", text: "Which month was the wettest in this chart, and by how much?", picture: true },
  { kind: "Tool", text: "What time is it in Tokyo right now? Use the tool.", tool: true },
];

export function Empty() {
  const ask = (example: Example) => {
    void send(example.text, example.picture ? [sampleChart()] : [], { tool: example.tool });
  };
  return (
    <div class="empty">
      <h1>Ask once. The right model answers.</h1>
      <p>
        Every request is read, sorted into a category and sent to the best model that has room. When
        a provider fails, the next one takes over. The receipt under each answer shows how it went.
      </p>
      <ul class="examples" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <li key={example.kind}>
            <button type="button" onClick={() => ask(example)}>
              <b>{example.kind}</b>
              <span>{example.text}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
