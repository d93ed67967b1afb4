"""A client on a raw socket: nothing between it and the bytes, so nothing hides what came."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from shared.messages import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Address:
    """Where the router listens and what opens its door."""

    port: int
    token: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """When a client leaves: after ``seconds``, or after the first bytes of the body."""

    seconds: float | None = None
    on_first_bytes: bool = False


@dataclass(slots=True)
class Outcome:
    """What one request came to. Times are seconds of the running loop."""

    began: float
    ended: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False  # HTTP's own end of the body was seen
    left: bool = False  # the client went away, as it was told to
    hung: bool = False  # the client gave up
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)  # name, arguments
    finish: str | None = None
    model: str = ""
    usage: JsonObject | None = None
    receipt: JsonObject | None = None
    error: JsonObject | None = None
    done: bool = False
    broken: str = ""  # what is not the format a client was promised

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def code(self) -> str:
        """The error's code; empty where there is no error."""
        return str(self.error.get("code")) if self.error is not None else ""


async def ask(address: Address, body: JsonObject, limit: float, leave: Leave | None) -> Outcome:
    """One chat request. Never raises for what the router does; ``limit`` seconds at most."""
    loop = asyncio.get_running_loop()
    outcome = Outcome(loop.time())
    reader, writer = await asyncio.open_connection("127.0.0.1", address.port, limit=2**24)
    payload = json.dumps(body).encode()
    writer.write(
        f"POST {address.prefix}/v1/chat/completions HTTP/1.1\r\nHost: router\r\n"
        f"Authorization: Bearer {address.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n".encode()
        + payload
    )
    seconds = limit if leave is None or leave.seconds is None else leave.seconds
    try:
        async with asyncio.timeout(seconds):
            await _read(reader, outcome, leave is not None and leave.on_first_bytes)
    except TimeoutError:
        outcome.left = leave is not None
        outcome.hung = leave is None
    except (OSError, EOFError) as error:
        outcome.broken = f"the connection broke: {type(error).__name__}"
    finally:
        outcome.ended = loop.time()
        writer.transport.abort()
    if not (outcome.left or outcome.hung or outcome.broken):
        understand(outcome, bool(body.get("stream")))
    return outcome


async def _read(reader: asyncio.StreamReader, outcome: Outcome, leave_early: bool) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *fields = head.rstrip().split("\r\n")
    outcome.status = int(status.split(" ", 2)[1])
    for line in fields:
        name, _, value = line.partition(":")
        outcome.headers[name.lower()] = value.strip()
    if "chunked" not in outcome.headers.get("transfer-encoding", ""):
        outcome.body = await reader.readexactly(int(outcome.headers.get("content-length", "0")))
        outcome.whole = True
        return
    while True:
        size = int(await reader.readline(), 16)
        part = await reader.readexactly(size + 2)
        if size == 0:
            outcome.whole = True
            return
        outcome.body += part[:-2]
        if leave_early:
            outcome.left = True
            return


def understand(outcome: Outcome, stream: bool) -> None:
    """Read the body as the contract says it is written."""
    try:
        text = outcome.body.decode("utf-8", "strict")
        if stream and outcome.headers.get("content-type", "").startswith("text/event-stream"):
            _read_stream(text, outcome)
        else:
            _read_whole(_object(json.loads(text)), outcome)
    except (ValueError, KeyError, IndexError, TypeError, AssertionError) as error:
        outcome.broken = f"not the promised format: {type(error).__name__} {error}"[:200]


def _read_whole(answer: JsonObject, outcome: Outcome) -> None:
    if outcome.status == 202:
        # Kept as a job, which says itself when its time will come.
        assert answer["object"] == "job"
        outcome.error = {"code": str(answer["status"])}
        outcome.headers["retry-after"] = str(answer["estimated_wait_seconds"])
        return
    if outcome.status != 200:
        outcome.error = _object(answer["error"])
        assert isinstance(outcome.error["code"], str)
        return
    choice = _object(_list(answer["choices"])[0])
    message = _object(choice["message"])
    outcome.text = str(message.get("content") or "")
    for call in _list(message.get("tool_calls") or []):
        function = _object(_object(call)["function"])
        outcome.calls.append((str(function["name"]), str(function["arguments"])))
    outcome.finish = str(choice["finish_reason"])
    outcome.model = str(answer["model"])
    outcome.usage = _object(answer["usage"])
    outcome.receipt = _object(answer["codeex"])
    outcome.done = True


def _read_stream(text: str, outcome: Outcome) -> None:
    calls: dict[int, list[str]] = {}
    assert text.endswith("\n\n"), "the stream ends inside an event"
    for event in text.split("\n\n"):
        if not event or event.startswith(":"):
            continue
        assert event.startswith("data: "), f"an event begins with {event[:20]!r}"
        assert not outcome.done, "something follows [DONE]"
        assert outcome.error is None, "something follows the error event"
        if event == "data: [DONE]":
            outcome.done = True
            continue
        _read_chunk(_object(json.loads(event[6:])), outcome, calls)
    outcome.calls = [(parts[0], "".join(parts[1:])) for _, parts in sorted(calls.items())]


def _read_chunk(chunk: JsonObject, outcome: Outcome, calls: dict[int, list[str]]) -> None:
    if "error" in chunk:
        outcome.error = _object(chunk["error"])
        return
    if chunk.get("usage") is not None:
        outcome.usage = _object(chunk["usage"])
    if chunk.get("codeex") is not None:
        outcome.receipt = _object(chunk["codeex"])
    outcome.model = str(chunk["model"])
    for item in _list(chunk["choices"]):
        choice = _object(item)
        delta = _object(choice["delta"])
        outcome.text += str(delta.get("content") or "")
        for value in _list(delta.get("tool_calls") or []):
            call = _object(value)
            function = _object(call["function"])
            index = call["index"]
            assert isinstance(index, int)
            parts = calls.setdefault(index, [str(function.get("name", ""))])
            parts.append(str(function.get("arguments") or ""))
        if choice.get("finish_reason") is not None:
            assert outcome.finish is None, "two finish reasons"
            outcome.finish = str(choice["finish_reason"])


def _object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict), f"{value!r:.60} is not an object"
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    assert isinstance(value, list), f"{value!r:.60} is not a list"
    return value
