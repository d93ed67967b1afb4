"""``POST /v1/moderations``: OpenAI's shape, what is judged, and what may not be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import Deadline
from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.cors import CorsPolicy
from shared.edge.moderations import ModerationsEndpoint
from shared.edge.moderations_request import MAX_CHARACTERS, MAX_IMAGES, MAX_INPUTS
from shared.errors import SafetyUnavailable
from shared.messages import JsonObject, JsonValue
from shared.pipeline.moderations import AT_ONCE, ModerationInput, moderate
from shared.safety.guard import Judged
from shared.safety.moderation import OPENAI_CATEGORIES, meanings, moderation_of
from shared.safety.verdict import Hazard, Severity, Stage, Verdict
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.edge_driver import OneUser
from tests.support.simulation import at, fields, items
from tests.support.virtual_time import ManualClock, VirtualClock, run_virtual

PIXEL: JsonObject = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="},
}
BAD = Verdict(
    safe=False, confidence=0.9, hazard=Hazard.VIOLENCE, severity=Severity.HIGH, judge="g-1",
    tokens=7, spent=500, calls=1,
)  # fmt: skip
GOOD = Verdict(safe=True, confidence=0.93, judge="g-1", tokens=3, spent=400, calls=1)


@dataclass
class FakeGuard:
    """Calls unsafe what says so."""

    say: Callable[[Judged], Verdict] = lambda judged: BAD if "bad" in judged.text else GOOD
    judged: list[Judged] = field(default_factory=list)
    seconds: float = 0.0
    running: int = 0
    most: int = 0

    async def judge(self, judged: Judged, deadline: Deadline) -> Verdict:
        self.judged.append(judged)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            return self.say(judged)
        finally:
            self.running -= 1


def edge(guard: FakeGuard, *, enabled: bool = True) -> EdgeApp:
    clock = ManualClock()
    endpoint = ModerationsEndpoint(guard, lambda: enabled, clock)
    return EdgeApp(
        EdgeParts(
            function="chat",
            routes=Routes(exact={"/v1/moderations": {"POST": endpoint.create}}, patterns={}),
            authenticator=OneUser(),
            clock=clock,
            new_request_id=lambda given: given or "req_1",
            record=lambda call: None,
            record_crash=lambda call, error: pytest.fail(repr(error)),
            cors=CorsPolicy(()),
        )
    )


async def ask(body: JsonValue, guard: FakeGuard | None = None, **options: bool) -> AsgiAnswer:
    headers = {"authorization": "Bearer tester", "content-type": "application/json"}
    app = edge(guard or FakeGuard(), **options)
    return await call(app, "/v1/moderations", "POST", body=orjson.dumps(body), headers=headers)


def error_of(answer: AsgiAnswer) -> JsonObject:
    return fields(answer.json()["error"])


# ------------------------------------------------------------------------------------ answers


async def test_texts_are_judged_in_order_and_told_as_openai_tells_them() -> None:
    guard = FakeGuard()
    body = (await ask({"input": ["fine", "bad", "fine too"]}, guard)).json()
    assert (body["id"], body["model"]) == ("modr-req_1", "g-1")
    results = [fields(one) for one in items(body["results"])]
    assert [one["flagged"] for one in results] == [False, True, False]
    for one in results:
        for name in ("categories", "category_scores", "category_applied_input_types"):
            assert tuple(fields(one[name])) == OPENAI_CATEGORIES
    named = {name for name, on in fields(results[1]["categories"]).items() if on}
    assert named == {"violence"}
    assert at(results[1], "category_scores", "violence") == 0.9
    assert at(results[1], "category_applied_input_types", "hate") == ["text"]
    own = fields(body["codeex"])
    assert (own["guarded_tokens"], own["spent_tokens"], own["calls"]) == (13, 1300, 3)
    assert at(own, "verdicts", 1) == {
        "safe": False,
        "category": "VIOLENCE",
        "severity": "HIGH",
        "confidence": 0.9,
        "model": "g-1",
        "scanned": True,
        "images": None,
    }
    assert [one.stage for one in guard.judged] == [Stage.INPUT] * 3


@pytest.mark.parametrize("model", [None, "auto", "omni-moderation-latest", "text-moderation-007"])
async def test_a_model_of_openais_means_the_guards(model: str | None) -> None:
    assert (await ask({"input": "fine", "model": model})).status == 200


async def test_parts_are_one_input_with_its_images() -> None:
    seen = Verdict(safe=True, confidence=0.9, judge="g-2", images=True)
    guard = FakeGuard(lambda judged: seen)
    parts: JsonValue = [
        {"type": "text", "text": "one"},
        {**PIXEL, "other": 1},
        {"type": "text", "text": "two"},
    ]
    body = (await ask({"input": parts}, guard)).json()
    (judged,) = guard.judged
    assert (judged.text, judged.images) == ("one\ntwo", (PIXEL,))
    (result,) = items(body["results"])
    assert at(result, "category_applied_input_types", "sexual") == ["text", "image"]
    assert at(body, "codeex", "verdicts", 0, "images") == "seen"


async def test_an_image_that_no_guard_saw_is_told() -> None:
    parts: JsonValue = [{"type": "text", "text": "what is it?"}, PIXEL]
    body = (await ask({"input": parts})).json()
    assert at(body, "codeex", "verdicts", 0, "images") == "unseen"
    assert at(body, "results", 0, "category_applied_input_types", "sexual") == ["text"]
    alone = await ask({"input": [PIXEL]})
    assert (alone.status, error_of(alone)["code"]) == (503, "safety_unavailable")


async def test_what_nobody_judged_is_never_called_safe() -> None:
    """Whatever ``SAFETY_FAIL_MODE`` lets by in a chat."""
    unscanned = Verdict(safe=True, confidence=0.0, scanned=False)
    answer = await ask({"input": ["a", "b"]}, FakeGuard(lambda judged: unscanned))
    assert (answer.status, error_of(answer)["code"]) == (503, "safety_unavailable")
    assert "retry-after" in answer.headers


async def test_switched_off_it_says_which_setting() -> None:
    answer = await ask({"input": "fine"}, enabled=False)
    assert (answer.status, error_of(answer)["code"]) == (403, "feature_disabled")
    assert "ENABLE_SAFETY_GUARD" in str(error_of(answer)["message"])


def test_inputs_are_judged_side_by_side_and_one_failure_ends_them_all() -> None:
    async def main() -> None:
        guard = FakeGuard(seconds=1.0)
        clock = VirtualClock(asyncio.get_running_loop())
        inputs = [ModerationInput(f"text {number}") for number in range(12)]
        await moderate(guard, inputs, Deadline.after(clock, 50.0))
        assert guard.most == AT_ONCE
        assert clock.monotonic() == 3.0

        def refuse(judged: Judged) -> Verdict:
            raise SafetyUnavailable("nobody")

        down = FakeGuard(refuse, seconds=1.0)
        with pytest.raises(SafetyUnavailable):
            await moderate(down, inputs, Deadline.after(clock, 50.0))
        assert down.running == 0
        assert len(down.judged) < len(inputs)

    run_virtual(main())


# --------------------------------------------------------------------------------- categories


verdicts = st.builds(
    Verdict,
    safe=st.booleans(),
    confidence=st.floats(0.0, 1.0),
    hazard=st.sampled_from(Hazard),
    severity=st.sampled_from(Severity),
    images=st.booleans(),
)


@given(verdicts, st.booleans())
def test_p9_scores_are_probabilities_and_agree_with_what_is_said(
    verdict: Verdict, has_text: bool
) -> None:
    told = moderation_of(verdict, has_text=has_text)
    scores = fields(told["category_scores"])
    assert all(isinstance(score, float) and 0.0 <= score <= 1.0 for score in scores.values())
    named = {name for name, on in fields(told["categories"]).items() if on is True}
    assert bool(named) == (not verdict.safe) == told["flagged"]
    for name in named:
        assert float(str(scores[name])) >= round(verdict.confidence, 4)


def test_children_and_threats_are_named_where_the_guard_says_critical() -> None:
    def named(severity: Severity, hazard: Hazard) -> set[str]:
        return set(meanings()[hazard].at(severity))

    assert named(Severity.HIGH, Hazard.SEXUAL_CONTENT) == {"sexual"}
    assert named(Severity.CRITICAL, Hazard.SEXUAL_CONTENT) == {"sexual", "sexual/minors"}
    assert named(Severity.HIGH, Hazard.DANGEROUS_CONTENT) == {"illicit", "illicit/violent"}
    assert set(meanings()) == set(Hazard)


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": "  \n"}, "input"),
        ({"input": []}, "input"),
        ({"input": ["fine", ""]}, "input[1]"),
        ({"input": ["fine", 5]}, "input[1]"),
        ({"input": [[1, 2]]}, "input[0]"),
        ({"input": ["x"] * (MAX_INPUTS + 1)}, "input"),
        ({"input": ["x" * MAX_CHARACTERS, "y"]}, "input"),
        ({"input": [{"type": "audio"}]}, "input[0].type"),
        ({"input": [{"type": "text"}]}, "input[0].text"),
        ({"input": [{"type": "text", "text": "a"}, "b"]}, "input[1]"),
        ({"input": [{"type": "image_url", "image_url": {"url": "http://x/y"}}]},
         "input[0].image_url.url"),
        ({"input": [PIXEL] * (MAX_IMAGES + 1)}, "input"),
        ({"input": "fine", "model": 5}, "model"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(body: JsonObject, param: str) -> None:
    answer = await ask(body)
    told = error_of(answer)
    assert (answer.status, told["code"], told["param"]) == (400, "invalid_request", param)


async def test_another_model_is_not_there() -> None:
    answer = await ask({"input": "fine", "model": "groq-gpt-oss-20b"})
    assert (answer.status, error_of(answer)["code"]) == (404, "model_not_found")


async def test_the_longest_text_and_the_most_texts_are_taken() -> None:
    assert (await ask({"input": "x" * MAX_CHARACTERS})).status == 200
    assert (await ask({"input": ["x"] * MAX_INPUTS})).status == 200
