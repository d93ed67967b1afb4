"""The judge itself: it must see each kind of failure, or a score would mean nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.messages import JsonObject
from tests.faults.answers import ANSWER, SENTENCES, TOOL_NAME, USAGE
from tests.faults.behaviours import healthy
from tests.faults.client import Leave, Outcome, understand
from tests.faults.judge import Evidence, Score, judge
from tests.faults.scenario import GROQ, Case, Expect, Mode, Scenario, only_error
from tests.faults.server import Ask, Entry

SCENARIO = Scenario("invented", "judge", {"primary": (healthy,)}, healthy_after=False)
HALF = "".join(SENTENCES[:4])


def entry(at: float = 0.1, provider: str = "groq") -> Entry:
    return Entry(provider, "/chat/completions", Ask(1, "m", True, {}), at, spent=True, ended=at)


def answered(text: str = ANSWER, **changes: object) -> Outcome:
    told = USAGE["groq"]
    usage: JsonObject = {"prompt_tokens": told.prompt, "completion_tokens": told.completion}
    outcome = Outcome(0.0, 0.5, 200, text=text, finish="stop", model=GROQ.model, usage=usage)
    outcome.done = True
    for name, value in changes.items():
        setattr(outcome, name, value)
    return outcome


def verdict(
    outcome: Outcome, scenario: Scenario = SCENARIO, journal: list[Entry] | None = None
) -> tuple[Score, str]:
    calls = [entry()] if journal is None else journal
    found = judge(Case(scenario, "openai", Mode.STREAM), Evidence([outcome], None, calls, []))
    return found.score, found.why


def test_the_right_answer_passes() -> None:
    assert verdict(answered()) == (Score.PASS, "")


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (answered(HALF), "a truncated answer was ended as complete"),
        (answered(HALF + SENTENCES[3]), "the text is not the right one"),
        (answered(finish="length"), "finish_reason length"),
        (answered(ended=6.9), "no end within the deadline"),
        (answered(hung=True), "no end within the deadline"),
        (answered(broken="not JSON"), "a broken body was passed on"),
        (answered(body=b"data: <html>"), "own words were passed on"),
        (answered(done=False), "ended in silence"),
        (answered(usage=None), "no usage"),
        (answered(usage={"prompt_tokens": 20, "completion_tokens": 391}), "usage 20/391"),
        (answered(model="cerebras-gpt-oss-120b"), "a model that was not asked"),
        (answered(HALF, error={"code": "provider_error"}, finish="stop"), "ended as complete"),
        (answered("no", error={"code": "provider_error"}, done=False), "before its error"),
    ],
)
def test_failures_are_seen(outcome: Outcome, why: str) -> None:
    score, said = verdict(outcome)
    assert score is Score.FAIL
    assert why in said


def test_an_honest_error_is_partial_where_an_answer_was_possible() -> None:
    honest = answered(HALF, error={"code": "provider_error"}, done=False, finish=None, status=200)
    assert verdict(honest)[0] is Score.PARTIAL
    right = replace(SCENARIO, expect=Expect(errors=frozenset({"provider_error"})))
    assert verdict(honest, right)[0] is Score.PASS


def test_an_error_names_its_return() -> None:
    limited = answered(
        "", error={"code": "capacity_exhausted"}, done=False, finish=None, status=429
    )
    expected = replace(
        SCENARIO, expect=only_error("capacity_exhausted", retry_after=(28, 31)), most=9
    )
    assert verdict(limited, expected) == (Score.PARTIAL, "429 without Retry-After")
    limited.headers = {"retry-after": "5"}
    assert verdict(limited, expected)[0] is Score.PARTIAL
    limited.headers = {"retry-after": "30"}
    assert verdict(limited, expected)[0] is Score.PASS


def test_half_a_tool_call_fails() -> None:
    tools = replace(SCENARIO, tools=True)
    half = answered("", calls=[(TOOL_NAME, '{"harb')], finish="tool_calls")
    assert "the tool call is wrong" in verdict(half, tools)[1]
    half.error, half.done, half.finish = {"code": "provider_error"}, False, None
    assert "half a tool call" in verdict(half, tools)[1]


def test_a_sum_of_usage_needs_its_receipt() -> None:
    groq, cerebras = USAGE["groq"], USAGE["cerebras"]
    usage: JsonObject = {
        "prompt_tokens": groq.prompt + cerebras.prompt,
        "completion_tokens": groq.completion + 40,
    }
    calls = [entry(0.1, "cerebras"), entry(0.2)]
    assert "does not say of what" in verdict(answered(usage=usage), SCENARIO, calls)[1]
    receipt: JsonObject = {"routing": {"attempts": [{}, {}]}}
    told = answered(usage=usage, receipt=receipt)
    assert verdict(told, SCENARIO, calls)[0] is Score.PASS
    assert verdict(told, SCENARIO, [entry()])[0] is Score.FAIL


def test_a_hammered_provider_fails() -> None:
    calls = [entry(0.1 * number) for number in range(1, 5)]
    assert "was asked 4 times" in verdict(answered(), SCENARIO, calls)[1]
    quiet = replace(SCENARIO, quiet_s=1.0)
    assert "asked again" in verdict(answered(), quiet, calls[:2])[1]


def test_a_refusal_routed_around_fails() -> None:
    alone = replace(SCENARIO, expect=only_error("content_filter", alone=True))
    calls = [entry(), entry(0.2, "cerebras")]
    assert "routed around" in verdict(answered(), alone, calls)[1]


def test_a_call_that_outlives_its_client_fails() -> None:
    leaving = replace(SCENARIO, leave=Leave(seconds=0.5))
    left = Outcome(0.0, 0.5, left=True)
    outlives = entry()
    outlives.ended = 2.0
    assert "went on" in verdict(left, leaving, [outlives])[1]
    outlives.ended, outlives.left = None, 0.6
    assert verdict(left, leaving, [outlives])[0] is Score.PASS
    assert "later" in verdict(left, leaving, [outlives, entry(1.2)])[1]
    assert "could not leave" in verdict(answered(), leaving)[1]


def test_a_healthy_answer_is_due_afterwards() -> None:
    late = Outcome(1.0, 1.1, 503, error={"code": "all_models_failed"})
    evidence = Evidence([answered()], late, [entry()], [])
    found = judge(Case(SCENARIO, "openai", Mode.STREAM), evidence)
    assert found.score is Score.FAIL
    assert "right afterwards" in found.why


def test_a_stray_request_fails() -> None:
    evidence = Evidence([answered()], None, [entry()], ["/stolen"])
    assert judge(Case(SCENARIO, "openai", Mode.STREAM), evidence).score is Score.FAIL


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"data: {}\n\n", "KeyError"),
        (b"<html>", "inside an event"),
        (b"data: \xc3\n\n", "UnicodeDecodeError"),
        (b"data: [DONE]\n\ndata: [DONE]\n\n", "follows [DONE]"),
        (b'data: {"error": {"code": "x"}}\n\ndata: [DONE]\n\n', "follows the error"),
    ],
)
def test_the_client_sees_broken_streams(body: bytes, why: str) -> None:
    outcome = Outcome(0.0, 0.1, 200, {"content-type": "text/event-stream"}, body)
    understand(outcome, stream=True)
    assert why in outcome.broken


def test_the_client_reads_jobs() -> None:
    job: JsonObject = {"object": "job", "status": "queued", "estimated_wait_seconds": 29.5}
    outcome = Outcome(0.0, 0.1, 202, {}, json.dumps(job).encode())
    understand(outcome, stream=True)
    assert (outcome.broken, outcome.code, outcome.done) == ("", "queued", False)
    assert outcome.headers["retry-after"] == "29.5"


def test_the_client_reads_whole_answers() -> None:
    function: JsonObject = {"name": "f", "arguments": "{}"}
    message: JsonObject = {"content": None, "tool_calls": [{"function": function}]}
    answer: JsonObject = {
        "choices": [{"message": message, "finish_reason": "tool_calls"}],
        "model": "m",
        "usage": {},
        "codeex": {},
    }
    outcome = Outcome(0.0, 0.1, 200, {}, json.dumps(answer).encode())
    understand(outcome, stream=False)
    assert (outcome.broken, outcome.calls, outcome.done) == ("", [("f", "{}")], True)
