"""What the callable protocol sends back: results, and streams of messages that end in a result.

Source: Firebase's server library (firebase-functions, ``https.ts``) and the readers of the client
SDKs, which differ in what they forgive:

* JavaScript reads an event only from a line ``data: ...`` and looks at no status;
* Swift ends the stream at any other line that is not empty, SSE comments too, and loses an error's
  status unless the response is 200;
* Kotlin ends it at an empty line that follows no data, and crashes where it is not 200.
"""

from __future__ import annotations

import orjson
from starlette.types import Message, Send

from shared.edge.asgi import JSON_TYPE, Header, send_body
from shared.edge.sse import DONE, KEEP_ALIVE, ChunkEncoder
from shared.edge.sse_writer import SSE_HEADERS
from shared.messages import Chunk, JsonObject, JsonValue, Usage
from shared.providers.collect import Collector

_FIELD = b"data: "
_END = b"\n\n"


def event(name: str, value: JsonValue) -> bytes:
    """One event: ``name`` is message, result or error."""
    return _FIELD + orjson.dumps({name: value}) + _END


class MessageEncoder:
    """Each chunk a message; the whole answer as the result. See ``ChunkEncoder``."""

    __slots__ = ("_chunks", "_collector", "_created", "_id", "_model")

    def __init__(self, completion_id: str, created: int) -> None:
        self._id = completion_id
        self._created = created
        self._model = ""
        self._chunks = ChunkEncoder(completion_id, created)
        self._collector = Collector()

    def set_model(self, model: str) -> None:
        """The catalog id that answers from here on."""
        self._model = model
        self._chunks.set_model(model)

    def encode(self, chunks: list[Chunk]) -> bytes:
        """The messages of one batch, joined."""
        self._collector.add(chunks)
        return _messages(self._chunks.encode(chunks))

    def finish(self, usage: Usage, include_usage: bool, receipt: JsonObject) -> bytes:
        """The last messages and the result, which is what a plain call would have got."""
        frames = self._chunks.finish(usage, include_usage, receipt).removesuffix(DONE)
        answer: JsonObject = {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._model,
            "choices": [*self._collector.result().choices],
            "usage": usage.to_json(),
            "codeex": receipt,
        }
        return _messages(frames) + event("result", answer)


def _messages(frames: bytes) -> bytes:
    """OpenAI's events as the protocol's. JSON has no raw line break: each event is one line."""
    return b"".join(
        b'data: {"message":' + frame[len(_FIELD) :] + b"}" + _END
        for frame in frames.split(_END)
        if frame
    )


class PaddedSend:
    """A ``send`` whose keep-alives no client SDK can stumble over: instead of a comment, the next
    event begins early and goes on with blanks, which JSON readers skip."""

    __slots__ = ("_begun", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        """Pass ``message`` on."""
        body: bytes = message.get("body", b"")
        if body == KEEP_ALIVE:
            message = {**message, "body": b" " if self._begun else _FIELD}
            self._begun = True
        elif self._begun and body:
            message = {**message, "body": body.removeprefix(_FIELD)}
            self._begun = False
        await self._send(message)


class ResultSend:
    """A ``send`` for a handler that answers whole JSON bodies: it sends on ``{"result": body}``,
    always with 200 (Kotlin takes no other), or that as the one event of a stream."""

    __slots__ = ("_body", "_headers", "_send", "_streamed")

    def __init__(self, send: Send, streamed: bool) -> None:
        self._send = send
        self._streamed = streamed
        self._headers: list[Header] = []
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """Gather the answer; send it once it is whole."""
        if message["type"] == "http.response.start":
            own = (b"content-type", b"content-length")
            self._headers = [one for one in message["headers"] if one[0] not in own]
            return
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            body = b'{"result":' + b"".join(self._body) + b"}"
            await send_whole(self._send, body, self._headers, self._streamed)


async def send_whole(send: Send, body: bytes, headers: list[Header], streamed: bool) -> None:
    """A response of one JSON object, or of the one event that holds it."""
    if streamed:
        await send_body(send, 200, [*SSE_HEADERS, *headers], _FIELD + body + _END)
    else:
        await send_body(send, 200, [JSON_TYPE, *headers], body)
