"""Classifications remembered: the same answer, and nothing kept that tells what was asked."""

from __future__ import annotations

import orjson
import pytest

from shared.classify import ClassificationCache, classify_request
from shared.classify.cache import MAX_ENTRIES
from shared.edge.chat_request import parse_chat_request
from shared.messages import ChatRequest, JsonObject, JsonValue

TOOL: JsonObject = {"type": "function", "function": {"name": "f"}}
IMAGE: JsonObject = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
}


def _request(*texts: str, **fields: JsonValue) -> ChatRequest:
    messages: list[JsonValue] = [{"role": "user", "content": text} for text in texts]
    body: JsonObject = {"model": "auto", "messages": messages, **fields}
    return parse_chat_request(orjson.dumps(body), is_admin=False)


def test_the_same_question_is_judged_once() -> None:
    cache = ClassificationCache()
    first = cache.classify(_request("Write a Python function that sorts a list"))
    again = cache.classify(_request("Write a Python function that sorts a list", temperature=1))
    assert again is first
    assert first == classify_request(_request("Write a Python function that sorts a list"))


@pytest.mark.parametrize(
    "other",
    [
        _request("Write a Python function that sorts a list!"),
        _request("Hello", "Write a Python function that sorts a list"),
    ],
)
def test_another_question_is_judged_anew(other: ChatRequest) -> None:
    cache = ClassificationCache()
    first = cache.classify(_request("Write a Python function that sorts a list"))
    assert cache.classify(other) is not first


@pytest.mark.parametrize(
    "request_",
    [
        _request("Book a table", tools=[TOOL]),
        _request("word " * 20_000),
        parse_chat_request(
            orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": [IMAGE]}]}),
            is_admin=False,
        ),
    ],
)
def test_what_is_decided_otherwise_is_not_kept(request_: ChatRequest) -> None:
    cache = ClassificationCache()
    assert cache.classify(request_) == classify_request(request_)
    assert cache.classify(request_) is not cache.classify(request_)


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    cache = ClassificationCache()
    first = cache.classify(_request("question 0"))
    for number in range(1, MAX_ENTRIES + 2):
        last = cache.classify(_request(f"question {number}"))
    assert cache.classify(_request(f"question {MAX_ENTRIES + 1}")) is last
    assert cache.classify(_request("question 0")) is not first
