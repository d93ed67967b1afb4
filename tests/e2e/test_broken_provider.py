"""Break any one provider in any way: the next request is answered, the receipt says how."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from shared.messages import JsonObject, JsonValue
from shared.model import Category
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient
from tests.support.simulation import fields, items

CHAT = "/v1/chat/completions"
PROVIDERS = ("groq", "cerebras", "google", "huggingface")
PROMPT = "What is 6 * 7?"
# Quicker than in production, so that forty silences do not take minutes.
QUICK: JsonObject = {"timeouts": {"first_byte": 0.6, "plain_max": 1.2, "stall": 0.6}}


@dataclasses.dataclass(frozen=True)
class Breakage:
    """A fault and the words a receipt may have for it."""

    kind: str
    outcomes: tuple[str, ...]
    more: JsonObject = dataclasses.field(default_factory=dict)


BREAKAGES = {
    "503": Breakage("status", ("server_error",), {"status": 503}),
    "429": Breakage("status", ("rate_limited",), {"status": 429, "retry_after": 20}),
    "hang": Breakage("hang", ("timeout",)),
    "no answer": Breakage("cut", ("connection_failed",), {"after_bytes": 0}),
    "cut": Breakage("cut", ("cut", "malformed"), {"after_bytes": 40}),
    "garbage": Breakage("garbage", ("malformed", "cut")),
}
Fresh = Callable[[JsonObject], RouterClient]


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_any_one_provider_may_break(fresh: Fresh, breakage: Breakage, stream: bool) -> None:
    router = fresh(QUICK)
    for broken in PROVIDERS:
        router.fault(broken, breakage.kind, **breakage.more)
        first: JsonValue = {"preferred_providers": [broken]}
        answer = router.chat(PROMPT, stream=stream, codeex=first)
        assert answer.status == 200, (broken, answer.body)
        check_answer(answer, "post", CHAT)
        assert "6 * 7 = 42" in answer.text(), broken
        *failed, last = answer.attempts()
        assert [provider for provider, _ in failed if provider == broken] != []
        assert {outcome for _, outcome in failed} <= set(breakage.outcomes), broken
        assert last[1] == "ok"
        assert last[0] != broken
        assert answer.headers["x-codeex-provider"] == last[0]
        assert router.received(broken) != []
        router.heal()


@pytest.mark.parametrize("broken", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_category_of_text_survives_any_provider(
    fresh: Fresh, broken: str, stream: bool
) -> None:
    """LONG_CONTEXT begins with seven models of one provider, more than there are attempts."""
    router = fresh({})
    router.fault(broken, "status", status=503)
    for category in Category:
        if category not in (Category.IMAGE_GEN, Category.VIDEO_GEN):
            answer = router.chat(PROMPT, model=f"auto:{category.lower()}", stream=stream)
            assert answer.status == 200, (category, answer.body)
            assert "6 * 7 = 42" in answer.text(), category
            assert answer.attempts()[-1][1] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_healed_provider_answers_again(fresh: Fresh, stream: bool) -> None:
    router = fresh(QUICK)
    router.fault("groq", "status", status=503, times=1)
    named: JsonObject = {"model": "groq-gpt-oss-20b", "stream": stream}
    broken = router.chat(PROMPT, **named)
    assert broken.attempts()[0] == ("groq", "server_error")
    other = router.chat(PROMPT, **{**named, "model": "groq-gpt-oss-120b"})
    assert other.attempts() == [("groq", "ok")]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_named_model_that_breaks_is_replaced_with_a_warning(fresh: Fresh, stream: bool) -> None:
    router = fresh(QUICK)
    router.fault("cerebras", "status", status=503)
    answer = router.chat(PROMPT, model="cerebras-gpt-oss-120b", stream=stream)
    assert "6 * 7 = 42" in answer.text()
    provider, outcome = answer.attempts()[-1]
    assert outcome == "ok"
    assert provider != "cerebras"
    warnings = [str(line) for line in items(answer.receipt()["warnings"])]
    assert any("cerebras-gpt-oss-120b" in line for line in warnings), warnings


def test_a_broken_speech_provider_does_not_touch_chat(fresh: Fresh) -> None:
    router = fresh(QUICK)
    router.fault("elevenlabs", "hang")
    answer = router.chat(PROMPT)
    assert [outcome for _, outcome in answer.attempts()] == ["ok"]


def test_the_plan_of_a_provider_that_rests_says_so(fresh: Fresh) -> None:
    router = fresh(QUICK)
    router.fault("cerebras", "status", status=401)
    broken = router.chat(PROMPT, codeex={"preferred_providers": ["cerebras"]})
    assert broken.attempts()[0] == ("cerebras", "auth_failed")
    router.heal()
    after = router.chat(PROMPT, codeex={"preferred_providers": ["cerebras"]})
    assert [outcome for _, outcome in after.attempts()] == ["ok"]
    assert after.headers["x-codeex-provider"] != "cerebras"
    assert fields(after.receipt()["routing"])["reason"]
