"""What the edge answers by itself: health, unknown paths, other methods, when to come back."""

from __future__ import annotations

import pytest

from shared.edge.errors import RETRY_AFTER_S, error_headers
from shared.errors import AllModelsFailed, CapacityExhausted, CodeexError, InvalidRequest
from tests.support.asgi_client import call
from tests.support.chat_function import SIGNED_IN, chat_function


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/health", "POST", "GET"),
        ("/v1/models", "DELETE", "GET"),
        ("/v1/models/groq-gpt-oss-120b", "PUT", "GET"),
        ("/v1/chat/completions", "GET", "POST"),
        ("/v1/route", "PATCH", "POST"),
        ("/v1/embeddings", "GET", "POST"),
        ("/v1/moderations", "GET", "POST"),
    ],
)
async def test_another_method_is_405_and_says_which_are_allowed(
    path: str, method: str, allow: str
) -> None:
    answer = await call(chat_function(), path, method, headers=SIGNED_IN)
    assert answer.status == 405
    assert answer.headers["allow"] == allow
    error = answer.json()["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["param"]) == ("method_not_allowed", None)
    assert f"{method} is not possible here; use {allow}" in str(error["message"])


async def test_health_needs_no_token() -> None:
    answer = await call(chat_function(), "/health")
    assert answer.status == 200
    assert answer.json() == {"status": "ok", "function": "chat", "version": "3.3.0"}
    assert (await call(chat_function(), "/health", "HEAD")).status == 200


async def test_an_unknown_path_is_404() -> None:
    answer = await call(chat_function(), "/v1/nothing", headers=SIGNED_IN)
    assert answer.status == 404
    assert "allow" not in answer.headers


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CapacityExhausted("full", retry_after=2.1), b"3"),
        (AllModelsFailed("failed", retry_after=0.2), b"1"),
        (AllModelsFailed("avoided"), b"%d" % RETRY_AFTER_S),
        (CapacityExhausted("full"), b"%d" % RETRY_AFTER_S),
    ],
)
def test_every_429_and_503_says_when_to_come_back(error: CodeexError, seconds: bytes) -> None:
    assert error_headers(error) == [(b"retry-after", seconds)]


def test_other_errors_have_no_headers_of_their_own() -> None:
    assert error_headers(InvalidRequest("wrong")) == []
