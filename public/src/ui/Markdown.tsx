// An answer's text. Blocks that don't change keep their DOM: selection, scroll and focus stay.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { highlight } from "../markdown/highlight.ts";
import { blocks, purify } from "../markdown/render.ts";
import { CopyButton } from "./parts.tsx";

export function Markdown(props: { text: string }) {
  const parts = useMemo(() => blocks(props.text), [props.text]);
  return (
    <div class="prose" dir="auto">
      {parts.map((block, index) =>
        block.kind === "code" ? (
          <CodeBlock key={index} language={block.language} text={block.text} closed={block.closed} />
        ) : (
          <HtmlBlock key={index} html={block.html} />
        ),
      )}
    </div>
  );
}

function HtmlBlock(props: { html: string }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (ref.current) ref.current.innerHTML = purify(props.html);
  }, [props.html]);
  return <div ref={ref} />;
}

export function CodeBlock(props: { language: string; text: string; closed: boolean }) {
  const ref = useRef<HTMLElement>(null);
  const [coloured, setColoured] = useState<{ of: string; html: string } | null>(null);
  const { text, language, closed } = props;
  useEffect(() => {
    if (!closed || !language) return undefined;
    let wanted = true;
    highlight(text, language).then(
      (html) => {
        if (wanted && html !== null) setColoured({ of: text, html });
      },
      () => undefined, // the colours did not load: plain code is fine
    );
    return () => {
      wanted = false;
    };
  }, [text, language, closed]);
  useLayoutEffect(() => {
    const code = ref.current;
    if (!code) return;
    if (coloured?.of === text) code.innerHTML = coloured.html;
    else code.textContent = text;
  }, [text, coloured]);
  return (
    <figure class="code">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={() => text} label="Copy code" />
      </figcaption>
      <pre tabIndex={0}>
        <code ref={ref} />
      </pre>
    </figure>
  );
}
