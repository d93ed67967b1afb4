"""P76 at the functions' roots: whatever a callable request holds, a clear 4xx or a sound call."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Send

from shared.edge.app import Routes
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.edge.callable import CHAT as CHAT_OPERATION
from shared.edge.callable import JOBS, PATH, with_callable
from shared.edge.chat_request import parse_chat_request
from shared.errors import CodeexError
from tests.properties.test_bad_input import (
    BOUNDED,
    CHAT,
    Json,
    any_text,
    any_value,
    paths_of,
    refusal,
    with_value,
)

ROOT = "/v1/jobs/"


async def chat(http: HttpRequest, send: Send, call: Call) -> None:
    """What a chat does with its body, up to the first model."""
    request = parse_chat_request(await http.body(), is_admin=False)
    assert request.stream is (b"accept" in http.headers)
    await send_json(send, 200, call.headers(), {"object": "chat.completion"})


async def job(http: HttpRequest, send: Send, call: Call) -> None:
    """An id comes as one piece of the path, whatever is in it."""
    name = http.path.removeprefix(ROOT).removesuffix("/cancel")
    assert "/" not in name
    assert unquote(name)
    await send_json(send, 200, call.headers(), {"object": "job"})


async def listing(http: HttpRequest, send: Send, call: Call) -> None:
    assert http.query.isascii()
    await send_json(send, 200, call.headers(), {"object": "list"})


ROUTES = {
    "chat": with_callable(
        Routes(exact={"/v1/chat/completions": {"POST": chat}}, patterns={}), CHAT_OPERATION
    ),
    "jobs": with_callable(
        Routes(
            exact={"/v1/jobs": {"GET": listing}},
            patterns={
                "/v1/jobs/{id}/cancel": {"POST": job},
                "/v1/jobs/{id}": {"GET": job},
            },
        ),
        JOBS,
    ),
}


def answer(function: str, body: bytes, *, streamed: bool = False) -> CodeexError | bytes:
    """What comes out of a function's root: the refusal, or the body of the answer."""
    headers = [(b"content-type", b"application/json")]
    headers += [(b"accept", b"text/event-stream")] if streamed else []
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    sent: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def main() -> None:
        handler = ROUTES[function].find(PATH, "POST")
        await handler(HttpRequest(scope, receive), send, Call("r", "POST", PATH, 0.0))

    try:
        asyncio.run(main())
    except CodeexError as error:
        return refusal(error)
    return b"".join(sent)


def test_the_body_that_gets_broken_is_valid_whole() -> None:
    whole = json.dumps({"data": CHAT}).encode()
    assert answer("chat", whole) == b'{"result":{"object":"chat.completion"}}'
    assert answer("chat", whole, streamed=True) == b'{"object":"chat.completion"}'


@BOUNDED
@given(
    st.sampled_from(["chat", "jobs"]),
    st.one_of(st.binary(max_size=300), any_value.map(lambda value: json.dumps(value).encode())),
)
def test_p76_any_bytes(function: str, body: bytes) -> None:
    assert isinstance(answer(function, body), CodeexError)


@BOUNDED
@given(st.sampled_from(paths_of(CHAT)), any_value, st.booleans())
def test_p76_any_value_in_any_place_of_a_chat(
    path: tuple[int | str, ...], value: Json, streamed: bool
) -> None:
    body = json.dumps({"data": with_value(CHAT, path, value)}).encode()
    answer("chat", body, streamed=streamed)


@BOUNDED
@given(any_value, st.sampled_from(["Int64Value", "UInt64Value", "Any"]), any_value)
def test_p76_any_wrapped_number(value: Json, kind: str, more: Json) -> None:
    number = {"@type": f"type.googleapis.com/google.protobuf.{kind}", "value": value}
    data: Json = {"prompt": "Hi", "max_tokens": number, "metadata": [number, more]}
    answer("chat", json.dumps({"data": data}).encode())


@BOUNDED
@given(
    st.one_of(any_value, st.sampled_from([*JOBS])),
    st.one_of(any_value, any_text, st.sampled_from(["..", "a/b", "%2F", "?x", "/cancel"])),
    st.dictionaries(st.sampled_from(["limit", "after", "more"]), any_value),
)
def test_p76_any_operation_on_jobs(op: Json, identifier: Json, more: dict[str, Json]) -> None:
    answer("jobs", json.dumps({"data": {**more, "op": op, "id": identifier}}).encode())
