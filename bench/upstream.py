"""A provider of no latency: answers both wires over raw sockets, for benchmarks.

``python -m bench.upstream PORT`` serves until it is stopped. The request's ``max_tokens`` is
answered word by word; ``"user": "delay=10"`` waits 10 ms before each streamed token. Paths with
``generateContent`` are answered as Gemini does.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import orjson
import uvloop

WORD = "token "


def _whole(body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _plain(tokens: int) -> bytes:
    body = orjson.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "openai/gpt-oss-120b",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": WORD * tokens},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 20,
                "completion_tokens": tokens,
                "total_tokens": 20 + tokens,
            },
        }
    )
    return _whole(body)


def _gemini(text: str, tokens: int, end: bool) -> bytes:
    candidate: dict[str, object] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "index": 0,
    }
    answer: dict[str, object] = {"candidates": [candidate], "modelVersion": "bench"}
    if end:
        candidate["finishReason"] = "STOP"
        answer["usageMetadata"] = {
            "promptTokenCount": 20,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 20 + tokens,
        }
    return orjson.dumps(answer)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(choices: list[object], usage: object = None) -> bytes:
    chunk: dict[str, object] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "openai/gpt-oss-120b",
        "choices": choices,
    }
    if usage is not None:
        chunk["usage"] = usage
    return _chunk(b"data: " + orjson.dumps(chunk) + b"\n\n")


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_TOKEN = _event([{"index": 0, "delta": {"content": WORD}, "finish_reason": None}])


def _stream_end(tokens: int) -> bytes:
    usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    return (
        _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        + _event([], usage)
        + _chunk(b"data: [DONE]\n\n")
        + b"0\r\n\r\n"
    )


_GEMINI_TOKEN = _chunk(b"data: " + _gemini(WORD, 0, end=False) + b"\r\n\r\n")


def _gemini_end(tokens: int) -> bytes:
    return _chunk(b"data: " + _gemini("", tokens, end=True) + b"\r\n\r\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection: requests one after another, kept alive."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            request = orjson.loads(body) if body else {}
            if b"eneratecontent" in head:
                self._answer_gemini(request, b":streamgeneratecontent" in head)
            else:
                self._answer(request)

    def _answer_gemini(self, request: dict[str, object], stream: bool) -> None:
        assert self._transport is not None
        config = request.get("generationConfig")
        asked = config.get("maxOutputTokens") if isinstance(config, dict) else None
        tokens = asked if isinstance(asked, int) else 64
        if stream:
            data = _STREAM_HEAD + _GEMINI_TOKEN * tokens + _gemini_end(tokens)
        else:
            data = _whole(_gemini(WORD * tokens, tokens, end=True))
        self._transport.write(data)

    def _answer(self, request: dict[str, object]) -> None:
        assert self._transport is not None
        asked = request.get("max_completion_tokens") or request.get("max_tokens") or 64
        tokens = asked if isinstance(asked, int) else 64
        if not request.get("stream"):
            self._transport.write(_plain(tokens))
            return
        user = request.get("user")
        delay = float(user[6:]) / 1000 if isinstance(user, str) and user[:6] == "delay=" else 0.0
        if delay:
            self._task = asyncio.ensure_future(self._slowly(tokens, delay))
        else:
            self._transport.write(_STREAM_HEAD + _TOKEN * tokens + _stream_end(tokens))

    async def _slowly(self, tokens: int, delay: float) -> None:
        transport = self._transport
        assert transport is not None
        transport.write(_STREAM_HEAD)
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(tokens):
            await asyncio.sleep(max(0.0, start + (number + 1) * delay - loop.time()))
            transport.write(_TOKEN)
        transport.write(_stream_end(tokens))


async def main(port: int) -> None:
    """Serve on loopback until cancelled."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
