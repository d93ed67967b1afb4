"""Idempotency-Key over real sockets: a cut stream asked for again, at this process and another."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.messages import JsonObject
from tests.support.local_process import LocalProcess
from tests.support.open_limits import open_config
from tests.support.openapi import check_answer
from tests.support.router_client import Answer, RouterClient

CHAT = "/v1/chat/completions"
MODEL = "groq-gpt-oss-120b"
# Before the first word, and as long again over the rest.
SLOW_MS = 1_500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    return tmp_path / "one"


@contextmanager
def started(folder: Path, data: Path) -> Iterator[LocalProcess]:
    """A system whose documents are in ``data``."""
    process = LocalProcess(
        folder, {"CODEEX_CONFIG": open_config(folder), "CODEEX_DATA_DIR": str(data)}
    )
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


def asked(text: str = "Tell me a story") -> JsonObject:
    return {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": text}]}


def fresh_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def cut_off(url: str, key: dict[str, str]) -> bytes:
    """Ask for a stream, read its beginning, and let the connection go."""
    body = json.dumps(asked()).encode()
    lines = [
        f"POST {CHAT} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Authorization: Bearer dev-alice",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in key.items()),
    ]
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        read = b""
        while b'"content"' not in read:
            piece = connection.recv(4096)
            assert piece, read
            read += piece
    return read


def called(router: RouterClient) -> int:
    """Calls that reached the provider."""
    return len(router.received("groq"))


def test_a_stream_cut_off_and_asked_for_again_is_whole_and_one_call(
    folder: Path, tmp_path: Path
) -> None:
    with started(folder, tmp_path / "data") as process:
        router, key = RouterClient(process.url), fresh_key()
        router.fault("groq", "slow", delay_ms=SLOW_MS)
        read = cut_off(process.url, key)
        assert b"[DONE]" not in read
        again = router.post(CHAT, asked(), key)
        assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
        check_answer(again, "post", CHAT)
        stored = router.post(CHAT, asked(), key)
        assert again.text() == stored.text()
        assert again.chunks() == stored.chunks()
        assert called(router) == 1
        whole = router.post(CHAT, asked())  # without a key: a call of its own
        assert whole.text() == again.text()
        assert called(router) == 2
        other = router.post(CHAT, asked("Another"), key)
        assert (other.status, other.error()["code"]) == (409, "conflict")
        check_answer(other, "post", CHAT)


def test_another_process_on_the_same_data_follows_live_and_replays(
    folder: Path, tmp_path: Path
) -> None:
    second_folder = tmp_path / "two"
    second_folder.mkdir()
    data = tmp_path / "data"
    with started(folder, data) as one, started(second_folder, data) as two:
        first, second, key = RouterClient(one.url), RouterClient(two.url), fresh_key()
        first.fault("groq", "slow", delay_ms=SLOW_MS)
        answers: dict[str, Answer] = {}
        asking = threading.Thread(
            target=lambda: answers.update(first=first.post(CHAT, asked(), key))
        )
        asking.start()
        while not called(first):
            assert asking.is_alive()
        followed = second.post(CHAT, asked(), key)
        asking.join(30)
        assert followed.headers["idempotent-replayed"] == "true"
        assert followed.chunks() == answers["first"].chunks()
        assert second.post(CHAT, asked(), key).chunks() == followed.chunks()
        assert (called(first), called(second)) == (1, 0)


def test_every_kind_of_post_comes_again_as_it_was(router: RouterClient) -> None:
    question: JsonObject = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    embed: JsonObject = {"model": "gemini-embedding-001", "input": ["a", "b"]}
    for path, body in ((CHAT, question), ("/v1/route", question), ("/v1/embeddings", embed)):
        key = fresh_key()
        first, again = (router.post(path, body, key) for _ in range(2))
        assert first.status == 200, first.body
        assert first.body == again.body
        assert "idempotent-replayed" not in first.headers
        check_answer(again, "post", path)
        bad = router.post(path, body, {"Idempotency-Key": "x" * 256})
        assert (bad.status, bad.error()["param"]) == (400, "Idempotency-Key")
