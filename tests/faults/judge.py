"""The verdict on one case, from what a client saw and what the providers wrote down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.messages import JsonObject
from tests.faults.answers import ANSWER, TOOL_NAME, USAGE, tool_arguments
from tests.faults.client import Outcome
from tests.faults.scenario import CASTS, DEADLINE_SLACK_S, Case, Expect
from tests.faults.server import Entry

# What a provider's page or key would show as in an answer of ours.
_FOREIGN = (b"<html", b"<!DOCTYPE", b"fault-key")
# Lesson 19, and the contract's "a client that leaves aborts the provider call".
LEFT_ALONE_S = 1.0


class Score(StrEnum):
    """Pass: the best a client can get. Partial: an honest failure where an answer was possible."""

    PASS = "pass"
    PARTIAL = "partial"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``why`` is empty on a pass."""

    score: Score
    why: str = ""


@dataclass(slots=True)
class Evidence:
    """All that is known of a case once it is over. ``journal`` is in the order of time."""

    outcomes: list[Outcome]
    after: Outcome | None
    journal: list[Entry]
    strays: list[str]

    @property
    def faulty(self) -> list[Entry]:
        """What the providers were asked before everybody was healed."""
        if self.after is None:
            return self.journal
        return [entry for entry in self.journal if entry.at < self.after.began]

    def calls(self, outcome: Outcome) -> list[Entry]:
        """What the providers were asked during one of the client's requests."""
        return [entry for entry in self.journal if outcome.began <= entry.at <= outcome.ended]


_PASS = Verdict(Score.PASS)


def judge(case: Case, evidence: Evidence) -> Verdict:
    """The worst of all that there is to judge."""
    scenario = case.scenario
    verdicts: list[Verdict] = []
    for number, outcome in enumerate(evidence.outcomes):
        calls = evidence.calls(outcome)
        if scenario.leave is not None:
            verdicts.append(_left(outcome, evidence.faulty))
            continue
        verdict = _answer(case, outcome, calls, scenario.expected(case.wire))
        if verdict.score is not Score.PASS and len(evidence.outcomes) > 1:
            verdict = Verdict(verdict.score, f"request {number + 1}: {verdict.why}")
        verdicts.append(verdict)
    verdicts.append(_hammered(case, evidence))
    if evidence.strays:
        verdicts.append(_fail(f"a provider was asked for {evidence.strays[0]}"))
    if evidence.after is not None:
        verdict = _answer(
            case, evidence.after, evidence.calls(evidence.after), Expect(), afterwards=True
        )
        if verdict.score is not Score.PASS:
            verdicts.append(_fail(f"no healthy answer right afterwards: {verdict.why}"))
    for score in (Score.FAIL, Score.PARTIAL):
        for verdict in verdicts:
            if verdict.score is score:
                return verdict
    return _PASS


def _fail(why: str) -> Verdict:
    return Verdict(Score.FAIL, why)


def _answer(
    case: Case, outcome: Outcome, calls: list[Entry], expect: Expect, *, afterwards: bool = False
) -> Verdict:
    """One request of a client that stayed."""
    limit = case.scenario.deadline_s + DEADLINE_SLACK_S
    if outcome.hung or outcome.seconds > limit:
        return _fail(f"no end within the deadline ({outcome.seconds:.2f} s)")
    if outcome.broken:
        return _fail(f"a broken body was passed on: {outcome.broken}")
    for trace in _FOREIGN:
        if trace in outcome.body:
            return _fail(f"a provider's own words were passed on: {trace.decode()}")
    if expect.alone and len({entry.provider for entry in calls}) > 1:
        return _fail("it was routed around: another provider was asked")
    if outcome.error is not None:
        return _error(case, outcome, expect)
    if not outcome.done:
        return _fail("the stream ended in silence: neither [DONE] nor an error")
    tools = case.scenario.tools and not afterwards
    wrong = _wrong_call(outcome) if tools else _wrong_text(outcome, expect)
    if wrong:
        return _fail(wrong)
    finish = "tool_calls" if tools else expect.finish
    if outcome.finish != finish:
        return _fail(f"finish_reason {outcome.finish}, right is {finish}")
    return _usage(outcome, calls, expect.estimated_usage and not afterwards)


def _wrong_text(outcome: Outcome, expect: Expect) -> str:
    if not expect.answers:
        return "an answer where none is possible"
    if outcome.text in expect.answers:
        return ""
    if any(answer.startswith(outcome.text) for answer in expect.answers):
        return f"a truncated answer was ended as complete ({len(outcome.text)} letters)"
    return f"the text is not the right one: {_difference(outcome.text, expect.answers[0])}"


def _difference(text: str, right: str) -> str:
    place = next(
        (place for place, (a, b) in enumerate(zip(text, right, strict=False)) if a != b),
        min(len(text), len(right)),
    )
    return f"at letter {place} of {len(text)}: {text[place : place + 20]!r}"


def _wrong_call(outcome: Outcome) -> str:
    right = [(TOOL_NAME, tool_arguments())]
    return "" if outcome.calls == right else f"the tool call is wrong: {outcome.calls!r:.120}"


def _error(case: Case, outcome: Outcome, expect: Expect) -> Verdict:
    """A typed error: right, or honest at least. What came before it must be right so far."""
    whole = expect.answers or (ANSWER,)
    if not any(answer.startswith(outcome.text) for answer in whole):
        return _fail(f"before its error, {_wrong_text(outcome, expect)}")
    if outcome.finish is not None or outcome.done:
        return _fail("an answer that failed was ended as complete")
    if case.scenario.tools and outcome.calls not in ([], [(TOOL_NAME, tool_arguments())]):
        return _fail(f"half a tool call was released: {outcome.calls!r:.120}")
    if outcome.code not in expect.errors:
        said = str((outcome.error or {}).get("message"))[:100]
        return Verdict(Score.PARTIAL, f"{outcome.status} {outcome.code}: {said}")
    bounds = expect.retry_after
    if outcome.status in (429, 503) and "retry-after" not in outcome.headers:
        return Verdict(Score.PARTIAL, f"{outcome.status} without Retry-After")
    if bounds is not None:
        told = float(outcome.headers["retry-after"])
        if not bounds[0] <= told <= bounds[1]:
            return Verdict(Score.PARTIAL, f"Retry-After {told:.0f}, right is {bounds}")
    return _PASS


def _usage(outcome: Outcome, calls: Sequence[Entry], estimated: bool) -> Verdict:
    """The usage of the model that answered, and of others at most what they may have used."""
    provider = next(
        (
            actor.provider
            for cast in CASTS.values()
            for actor in cast
            if actor.model == outcome.model
        ),
        None,
    )
    if provider is None or not any(entry.provider == provider for entry in calls):
        return _fail(f"the answer names a model that was not asked: {outcome.model!r}")
    if outcome.usage is None:
        return _fail("no usage")
    prompt, completion = _count(outcome.usage, "prompt"), _count(outcome.usage, "completion")
    if estimated:
        enough = prompt > 0 and completion > 0
        return _PASS if enough else _fail(f"usage {prompt}/{completion} where none was told")
    told = USAGE[provider]
    others = [USAGE[entry.provider] for entry in calls if entry.spent]
    if told in others:
        others.remove(told)
    most_prompt = told.prompt + sum(other.prompt for other in others)
    most_completion = told.completion + sum(other.completion for other in others)
    right = told.prompt <= prompt <= most_prompt
    if not right or not told.completion <= completion <= most_completion:
        return _fail(
            f"usage {prompt}/{completion}, {outcome.model} says {told.prompt}/{told.completion}"
        )
    if (prompt, completion) != (told.prompt, told.completion) and _attempts(outcome) < 2:
        return _fail("the usage is a sum, and the receipt does not say of what")
    return _PASS


def _count(usage: JsonObject, what: str) -> int:
    value = usage.get(f"{what}_tokens")
    return value if isinstance(value, int) else -1


def _attempts(outcome: Outcome) -> int:
    routing = (outcome.receipt or {}).get("routing")
    attempts = routing.get("attempts") if isinstance(routing, dict) else None
    return len(attempts) if isinstance(attempts, list) else 0


def _hammered(case: Case, evidence: Evidence) -> Verdict:
    """How often the primary was asked while it was not well."""
    scenario = case.scenario
    provider = CASTS[case.wire][0].provider
    asked = [entry for entry in evidence.journal if entry.provider == provider]
    ill = [entry for entry in evidence.faulty if entry.provider == provider]
    if len(ill) > scenario.most:
        return _fail(f"{provider} was asked {len(ill)} times, at most {scenario.most} are right")
    if scenario.quiet_s and len(asked) > 1 and asked[1].at - asked[0].at < scenario.quiet_s:
        return _fail(f"{provider} was asked again after {asked[1].at - asked[0].at:.2f} s")
    return _PASS


def _left(outcome: Outcome, journal: list[Entry]) -> Verdict:
    """A client that went away: what was running for it must end, nothing new may begin."""
    if not outcome.left:
        return _fail(f"the client could not leave: status {outcome.status} {outcome.broken}")
    for entry in journal:
        if entry.at > outcome.ended + LEFT_ALONE_S / 4:
            return _fail(f"{entry.provider} was asked {entry.at - outcome.ended:.2f} s later")
        over = entry.ended if entry.left is None else entry.left
        if over is None or over - outcome.ended > LEFT_ALONE_S:
            return _fail(f"the call to {entry.provider} went on for over {LEFT_ALONE_S:.0f} s")
    if not any(entry.at <= outcome.ended for entry in journal):
        return _fail("no provider was asked before the client left")
    return _PASS


def worst(verdicts: Sequence[Verdict]) -> Score:
    """The score of a scenario is that of its worst case."""
    scores = {verdict.score for verdict in verdicts}
    return next(score for score in (Score.FAIL, Score.PARTIAL, Score.PASS) if score in scores)
