"""Thought signatures survive every kind of client, and histories from elsewhere work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import JsonObject, JsonValue
from shared.providers.gemini_decode import Candidate
from shared.providers.gemini_messages import encode_messages
from shared.providers.gemini_signature import (
    SKIP_VALIDATION,
    Signing,
    bare_id,
    sign,
    signature_of,
)
from shared.providers.gemini_traits import traits_of

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"


def called(signature: str | None, gemini_id: str | None = "g1") -> JsonObject:
    """The OpenAI tool call that a client receives."""
    function: JsonObject = {"name": "f", "args": {"x": 1}}
    if gemini_id is not None:
        function["id"] = gemini_id
    part: JsonObject = {"functionCall": function}
    if signature is not None:
        part["thoughtSignature"] = signature
    candidate: JsonObject = {"content": {"parts": [part]}, "finishReason": "STOP"}
    return Candidate(0).take(candidate, "r1").calls[0]


def replayed(call: JsonObject, *, signing: Signing = "needed") -> JsonObject:
    """The part that Gemini gets back."""
    answer: JsonObject = {"role": "assistant", "content": None, "tool_calls": [call]}
    result: JsonObject = {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
    contents = encode_messages([answer, result], sign=signing)[1]
    parts, results = contents[0]["parts"], contents[1]["parts"]
    assert isinstance(parts, list)
    assert isinstance(results, list)
    part, response = parts[0], results[0]
    assert isinstance(part, dict)
    assert isinstance(response, dict)
    function, answered = part["functionCall"], response["functionResponse"]
    assert isinstance(function, dict)
    assert isinstance(answered, dict)
    assert answered["id"] == function["id"]
    assert answered["name"] == function["name"] == "f"
    return part


@given(st.text(BASE64, min_size=1, max_size=3000))
def test_a_client_that_keeps_unknown_fields_sends_it_back_unchanged(signature: str) -> None:
    assert replayed(called(signature))["thoughtSignature"] == signature


@given(st.text(BASE64, min_size=1, max_size=2048))
def test_a_client_that_drops_unknown_fields_sends_it_back_in_the_id(signature: str) -> None:
    call = called(signature)
    del call["extra_content"]
    part = replayed(call)
    assert part["thoughtSignature"] == signature
    assert part["functionCall"] == {"name": "f", "args": {"x": 1}, "id": "g1"}


def test_googles_own_place_for_it() -> None:
    assert called("c2ln")["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_a_very_long_signature_stays_out_of_the_id() -> None:
    call = called("x" * 3000)
    assert call["id"] == "g1"
    del call["extra_content"]
    assert replayed(call)["thoughtSignature"] == SKIP_VALIDATION


def test_another_providers_call_gets_the_documented_stand_in() -> None:
    call: JsonObject = {
        "id": "call_groq",
        "type": "function",
        "function": {"name": "f", "arguments": '{"x": 1}'},
    }
    assert replayed(call)["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in replayed(call, signing="kept")
    assert "thoughtSignature" not in replayed(call, signing="none")


@pytest.mark.parametrize(
    ("model", "back"),
    [
        *(("gemini-4-carbon", "c2ln"), ("gemini-3.8-flash", "c2ln"), ("gemini-2.5-flash", "c2ln")),
        ("gemma-4-31b-it", None),
    ],
)
def test_what_a_model_signed_comes_back_to_it(model: str, back: str | None) -> None:
    part = replayed(called("c2ln"), signing=traits_of(model).signatures)
    assert part.get("thoughtSignature") == back


def test_calls_without_an_id_of_geminis_get_the_same_one_each_time() -> None:
    first, second = called("c2ln", gemini_id=None), called("c2ln", gemini_id=None)
    assert first["id"] == second["id"]
    assert str(first["id"]).startswith("call_")
    assert bare_id(str(first["id"])) != first["id"]


@pytest.mark.parametrize("extra", [None, 1, [], {}, {"google": 1}, {"google": {}}])
def test_broken_extra_content_is_no_signature(extra: JsonValue) -> None:
    assert signature_of({"id": "plain", "extra_content": extra}) is None
    assert signature_of({"id": 5, "extra_content": extra}) is None


@pytest.mark.parametrize("signature", ["has blank", "näh", "a\nb"])
def test_a_signature_unfit_for_an_id_travels_beside_it(signature: str) -> None:
    call: JsonObject = {}
    sign(call, "g1", signature)
    assert call["id"] == "g1"
    assert signature_of(call) == signature
