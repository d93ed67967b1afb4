// What safety did for an answer: a line beside it where that matters, all of it in the receipt.
import type { ComponentChildren } from "preact";
import type { Receipt, Safety, Verdict } from "../api/types.ts";
import { duration, percent, whole, words } from "../format.ts";
import { capital, categoryName, countOf, personalWords } from "../safety.ts";
import { Shield, Warning } from "./icons.tsx";

/** What a reader has to know without opening the receipt. */
export function SafetyLines(props: { receipt: Receipt }) {
  const { guard, safety } = props.receipt;
  return (
    <>
      {guard === "not_scanned" && (
        <p class="safety-line" data-level="alert">
          <Warning />
          Not all of this was checked: no safety guard could be reached, and the operator lets that by.
        </p>
      )}
      {safety?.images === "unseen" && (
        <p class="safety-line" data-level="alert">
          <Warning />
          No guard could see the images: only the text was checked.
        </p>
      )}
      <Masked safety={safety} />
    </>
  );
}

function Masked(props: { safety: Safety | null | undefined }) {
  const personal = props.safety?.personal;
  const count = countOf(personal?.found ?? {});
  if (!personal || count === 0) return null;
  const what = capital(personalWords(personal.found));
  return (
    <p class="safety-line">
      <Shield />
      {personal.mode === "redact"
        ? `${what} ${count === 1 ? "was" : "were"} masked in this answer.`
        : `${what} ${count === 1 ? "stands" : "stand"} in this answer, unmasked as configured.`}
    </p>
  );
}

/** The receipt's section. Nothing where the server says nothing about safety. */
export function SafetySection(props: { receipt: Receipt; name: (id: string) => string }) {
  const { receipt, name } = props;
  if (!receipt.guard) return null;
  return (
    <section>
      <h2>
        Safety <span class="guard" data-guard={receipt.guard}>{words(receipt.guard)}</span>
      </h2>
      {receipt.guard === "unguarded" && <p class="note">No safety guard looked at this request or its answer.</p>}
      {receipt.safety && <Checks receipt={receipt} safety={receipt.safety} name={name} />}
    </section>
  );
}

function Checks(props: { receipt: Receipt; safety: Safety; name: (id: string) => string }) {
  const { receipt, safety, name } = props;
  const { calls = 0, spent_tokens: spent = 0, injection, personal } = safety;
  return (
    <dl class="checks">
      {safety.input && <Check term="Your message"><Judgement verdict={safety.input} name={name} ms={safety.guard_ms} /></Check>}
      {safety.output && <Check term="The answer"><Judgement verdict={safety.output} name={name} /></Check>}
      {safety.images && (
        <Check term="Images" alert={safety.images === "unseen"}>
          {safety.images === "seen" ? "seen by the guard" : "not seen: no guard that answered can see images"}
        </Check>
      )}
      {injection && (
        <Check term="Prompt injection" alert={injection.flagged}>
          {injection.flagged ? "looks like one, let by as configured" : "no sign of one"}, score {injection.score.toFixed(2)}
        </Check>
      )}
      {personal && <Check term="Personal data"><Found personal={personal} /></Check>}
      {calls > 0 && (
        <Check term="Effort">
          {whole(receipt.guarded_tokens ?? 0)} tokens judged in {calls === 1 ? "1 call" : `${whole(calls)} calls`}, which took {whole(spent)} tokens
        </Check>
      )}
    </dl>
  );
}

function Check(props: { term: string; alert?: boolean; children: ComponentChildren }) {
  return (
    <div data-level={props.alert ? "alert" : undefined}>
      <dt>{props.term}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

/** safe, 98 % sure, said Llama Guard 4 after 140 ms */
function Judgement(props: { verdict: Verdict; name: (id: string) => string; ms?: number }) {
  const { verdict, name, ms } = props;
  if (verdict.scanned === false) return <b class="missed">not scanned: no guard answered</b>;
  const slight = verdict.safe && verdict.category;
  const sure = typeof verdict.confidence === "number" && verdict.model ? `, ${percent(verdict.confidence)} sure` : "";
  return (
    <>
      <b>{verdict.safe ? "safe" : "unsafe"}</b>
      {sure}
      {slight && `, with slight signs of ${categoryName(slight)}${verdict.severity ? ` (${words(verdict.severity)})` : ""}`}
      {verdict.model ? `, said ${name(verdict.model)}` : ""}
      {verdict.model && ms ? ` after ${duration(ms)}` : ""}
    </>
  );
}

function Found(props: { personal: NonNullable<Safety["personal"]> }) {
  const { mode, found } = props.personal;
  const what = personalWords(found);
  if (!what) return <>none found in the answer</>;
  return <>{what}, {mode === "redact" ? "masked" : "left as configured"}</>;
}
