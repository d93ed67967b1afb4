// The conversation's request as code to copy.
import { useState } from "preact/hooks";
import { session } from "../auth.ts";
import { chatBody } from "../chat.ts";
import { LANGUAGES, sample, type SampleLanguage } from "../samples.ts";
import { conversation, type Turn } from "../state/conversation.ts";
import { settings } from "../state/settings.ts";
import { CodeBlock } from "./Markdown.tsx";
import { Dialog, Segments } from "./parts.tsx";

const HIGHLIGHT = { curl: "bash", Python: "python", JavaScript: "javascript" } as const;

export function Samples(props: { onClose: () => void }) {
  const [language, setLanguage] = useState<SampleLanguage>("curl");
  const { stream_options: _usage, ...body } = chatBody(lastQuestion(), settings.get());
  const code = sample(language, body, session.get().method.sample());
  return (
    <Dialog title="The same request as code" class="samples" onClose={props.onClose}>
      <p>The OpenAI SDKs work as they are: only the address and the key change.</p>
      <Segments
        label="Language"
        choices={LANGUAGES.map((name) => [name, name] as const)}
        value={language}
        onChoose={setLanguage}
      />
      <CodeBlock key={language} language={HIGHLIGHT[language]} text={code} closed />
    </Dialog>
  );
}

/** The newest question alone, without picture data, which would bury the code. */
function lastQuestion(): Turn[] {
  const last = conversation.get().turns.findLast((turn) => turn.role === "user");
  const text = last?.role === "user" && last.text ? last.text : "Hello! What is the tallest mountain in Africa?";
  const pictures = last?.role === "user" ? last.pictures : [];
  return [
    {
      role: "user",
      id: "sample",
      text,
      pictures: pictures.map((picture) => ({ ...picture, url: "data:image/png;base64,YOUR_IMAGE" })),
    },
  ];
}
