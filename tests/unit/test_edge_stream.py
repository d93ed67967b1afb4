"""Streams at the edge: frames, the closing chunk, errors before and after the first byte."""

from __future__ import annotations

import orjson
import pytest

from shared.edge.sse import ChunkEncoder
from shared.errors import Overloaded, StreamCut
from shared.messages import Chunk, JsonObject, Usage
from tests.support.edge_driver import GROQ, House, Sent
from tests.support.fake_provider import Act, fails, says
from tests.support.virtual_time import run_virtual

NAMES = ("groq", "cerebras", "google", "huggingface")


def _choice(event: JsonObject) -> JsonObject:
    choices = event["choices"]
    assert isinstance(choices, list)
    choice = choices[0]
    assert isinstance(choice, dict)
    return choice


def _text(events: list[JsonObject]) -> str:
    text = ""
    for event in events:
        if event.get("choices"):
            delta = _choice(event)["delta"]
            assert isinstance(delta, dict)
            text += str(delta.get("content") or "")
    return text


def test_stream_begins_with_a_role_and_ends_with_receipt_and_done() -> None:
    async def main() -> Sent:
        return await House().chat(model=GROQ, stream=True)

    answer = run_virtual(main())
    events = answer.events()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-codeex-model"] == GROQ
    assert _choice(events[0])["delta"] == {"role": "assistant", "content": ""}
    assert _text(events) == "Hello"
    assert _choice(events[-1])["finish_reason"] == "stop"
    assert "codeex" in events[-1]
    assert "usage" not in events[-1]
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.ended


def test_usage_chunk_comes_last_where_asked_for() -> None:
    async def main() -> Sent:
        return await House().chat(model=GROQ, stream=True, stream_options={"include_usage": True})

    events = run_virtual(main()).events()
    assert events[-1]["choices"] == []
    usage = events[-1]["usage"]
    assert isinstance(usage, dict)
    assert usage["completion_tokens"] == 3
    assert "codeex" in events[-1]
    assert _choice(events[-2])["finish_reason"] == "stop"


def test_an_error_before_the_first_content_has_its_own_status() -> None:
    async def main() -> Sent:
        scripts = dict.fromkeys(NAMES, lambda _c, _n: fails(Overloaded))
        return await House(scripts).chat(stream=True, codeex={"patience_seconds": 0})

    answer = run_virtual(main())
    assert (answer.status, answer.error()["code"]) == (503, "all_models_failed")
    assert answer.headers["content-type"] == "application/json"


def test_silence_opens_the_stream_after_five_seconds_and_keeps_it_alive() -> None:
    async def main() -> Sent:
        slow = dict.fromkeys(NAMES, lambda _c, _n: fails(Overloaded, delay=3.5))
        return await House(slow).chat(stream=True, codeex={"patience_seconds": 0})

    answer = run_virtual(main())
    assert answer.status == 200
    first_at, first = answer.pieces[0]
    assert first == b": keep-alive\n\n"
    assert first_at == pytest.approx(5.0)
    assert answer.events()[-1]["error"]
    assert b"[DONE]" not in answer.body
    assert answer.ended


def test_a_stream_that_breaks_ends_in_a_typed_error_event() -> None:
    broken = Act(chunks=says("One ", "two "), break_after=2, broken=lambda: StreamCut("cut"))

    async def main() -> tuple[Sent, House]:
        house = House(dict.fromkeys(NAMES, lambda _c, _n: broken))
        return await house.chat(model=GROQ, stream=True), house

    answer, house = run_virtual(main())
    events = answer.events()
    error = events[-1]["error"]
    assert isinstance(error, dict)
    assert error["code"] == "provider_error"
    assert _text(events[:-1]) == "One two "
    assert b"[DONE]" not in answer.body
    assert house.lines.json()[-1]["code"] == "provider_error"


def test_a_client_that_leaves_closes_the_providers_stream_at_once() -> None:
    async def main() -> House:
        house = House({"groq": lambda _c, _n: Act(chunks=says(*"abcdefgh"), gap=1.0)})
        body: JsonObject = {
            "model": GROQ,
            "stream": True,
            "messages": [{"role": "user", "content": "Hello!"}],
        }
        await house.call("/v1/chat/completions", body, leave_after=2.5)
        return house

    house = run_virtual(main())
    asked = house.fakes["groq"].asked[0]
    assert asked.cancelled
    assert asked.ended == pytest.approx(2.5)
    assert house.lines.json()[-1]["status"] == 499


def test_encoder_writes_every_kind_of_delta() -> None:
    encoder = ChunkEncoder("id-1", 7)
    encoder.set_model("m")
    call: JsonObject = {"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}
    frames = encoder.encode(
        [
            Chunk(reasoning="hm"),
            Chunk(text='quote " and ü'),
            Chunk(tool_calls=[call]),
            Chunk(refusal="no"),
            Chunk(text="x", logprobs={"content": []}),
            Chunk(index=1, text="other"),
            Chunk(index=1, finish_reason="stop"),
            Chunk(finish_reason="tool_calls"),
        ]
    )
    frames += encoder.finish(Usage(1, 2), False, {"request_id": "r"})
    events = [orjson.loads(line[6:]) for line in frames.split(b"\n\n") if b"{" in line]
    assert all(event["model"] == "m" and event["id"] == "id-1" for event in events)
    deltas = [event["choices"][0]["delta"] for event in events]
    assert {"reasoning_content": "hm"} in deltas
    assert {"content": 'quote " and ü'} in deltas
    assert {"tool_calls": [call]} in deltas
    assert {"refusal": "no"} in deltas
    assert [e["choices"][0]["finish_reason"] for e in events[-2:]] == ["tool_calls", "stop"]
    assert events[-1]["codeex"] == {"request_id": "r"}
    assert "codeex" not in events[-2]
    indexes = [event["choices"][0]["index"] for event in events]
    assert indexes.count(1) == 3
