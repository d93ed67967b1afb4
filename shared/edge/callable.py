"""The Firebase callable protocol at a public function's root: ``httpsCallable(functions, "chat")``.

``{"data": ...}`` comes in, ``{"result": ...}`` or ``{"error": {"status", "message", "details"}}``
goes out; to ``Accept: text/event-stream`` as events (contract, One address). A call is passed, by
the same caller under the same limits, to the endpoint that its data asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from urllib.parse import quote, urlencode

import orjson
from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Message, Receive, Send

from shared.edge.app import Routes
from shared.edge.asgi import JSON_TYPE, HttpRequest
from shared.edge.call import Call
from shared.edge.callable_data import read_data
from shared.edge.callable_status import STATUSES, callable_error
from shared.edge.callable_stream import MessageEncoder, PaddedSend, ResultSend
from shared.edge.dialect import Dialect, Failed, StreamEncoder
from shared.edge.errors import error_headers
from shared.edge.json_body import one_of, string, wrong
from shared.edge.sse_writer import SSE_HEADERS
from shared.errors import CodeexError, Queued
from shared.messages import JsonObject

PATH = "/"
_EVENTS = "text/event-stream"
_OP = "op"
_LONGEST_ID = 200


class CallableDialect:
    """How the protocol says things. ``streamed``: as events, whose status line is always 200."""

    __slots__ = ("_streamed",)
    takes_jobs = True

    def __init__(self, streamed: bool) -> None:
        self._streamed = streamed

    def encoder(self, completion_id: str, created: int) -> StreamEncoder:
        """Messages, then the result."""
        return MessageEncoder(completion_id, created)

    def failed(self, error: CodeexError, request_id: str) -> Failed:
        """The protocol's error; a queued request's result is its job."""
        headers = error_headers(error)
        if self._streamed:
            body = self.failed_event(error, request_id)
            return Failed(200, [*SSE_HEADERS, *headers], body)
        status = 200 if isinstance(error, Queued) else STATUSES[error.code].value
        return Failed(status, [JSON_TYPE, *headers], orjson.dumps(_ending(error, request_id)))

    def failed_event(self, error: CodeexError, request_id: str) -> bytes:
        """The same as an event."""
        return b"data: " + orjson.dumps(_ending(error, request_id)) + b"\n\n"


def _ending(error: CodeexError, request_id: str) -> JsonObject:
    if isinstance(error, Queued):
        return {"result": error.job}
    return callable_error(error, request_id)


_WHOLE, _STREAMED = CallableDialect(False), CallableDialect(True)


def callable_dialect(http: HttpRequest) -> Dialect:
    """The dialect of a caller at ``PATH``, by what it accepts."""
    return _STREAMED if _takes_events(http) else _WHOLE


def _takes_events(http: HttpRequest) -> bool:
    accepted = (http.header(b"accept") or "").lower().split(",")
    return any(one.partition(";")[0].strip() == _EVENTS for one in accepted)


class Carries(Enum):
    """Where the rest of ``data`` goes."""

    CHAT = "the body of a chat, streamed to who takes events"
    BODY = "the body"
    QUERY = "parameters"


class Operation(Struct, frozen=True):
    """An endpoint as the protocol reaches it. ``path`` may hold ``{id}``: that is ``data.id``.
    ``fields``: the parameters of a query."""

    method: str
    path: str
    carries: Carries = Carries.QUERY
    fields: tuple[str, ...] = ()


CHAT = Operation("POST", "/v1/chat/completions", Carries.CHAT)
JOBS = {
    "get": Operation("GET", "/v1/jobs/{id}"),
    "list": Operation("GET", "/v1/jobs", fields=("limit", "after")),
    "cancel": Operation("POST", "/v1/jobs/{id}/cancel"),
}


def _admin(name: str, *fields: str) -> Operation:
    return Operation("GET", f"/admin/api/{name}", fields=fields)


# ``op`` is what stands behind ``/admin/api/``; the two that change something carry a body.
ADMIN = {
    "config": _admin("config"),
    "config/history": _admin("config/history", "limit"),
    "config/patch": Operation("PATCH", "/admin/api/config", Carries.BODY),
    "config/rollback": Operation("POST", "/admin/api/config/rollback", Carries.BODY),
    "quotas": _admin("quotas"),
    "jobs": _admin("jobs"),
    "health": _admin("health"),
    "stats": _admin("stats", "hours"),
    "store-operations": _admin("store-operations"),
    "audit": _admin("audit", "limit"),
    "violations": _admin("violations", "limit", "category", "stage", "uid", "cursor"),
}


def with_callable(routes: Routes, operations: Operation | Mapping[str, Operation]) -> Routes:
    """``routes`` with the protocol at ``PATH``: one operation, or several told by ``data.op``."""
    endpoint = CallableEndpoint(routes, operations)
    counted = routes.counted
    if isinstance(operations, Operation) and (operations.method, operations.path) in counted:
        counted |= {("POST", PATH)}
    return replace(routes, exact={**routes.exact, PATH: {"POST": endpoint.call}}, counted=counted)


class CallableEndpoint:
    """Passes callable requests to the handlers of ``routes``."""

    __slots__ = ("_operations", "_routes")

    def __init__(self, routes: Routes, operations: Operation | Mapping[str, Operation]) -> None:
        self._routes = routes
        self._operations = operations

    async def call(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Answer one call. Raises ``InvalidRequest`` for bad data and what the endpoint raises."""
        data = await read_data(http)
        streamed = _takes_events(http)
        operation = self._operation(data)
        inner = _inner(http, operation, data, streamed)
        handler = self._routes.find(inner.path, inner.method)
        if streamed and operation.carries is Carries.CHAT:
            await handler(inner, PaddedSend(send), call)
        else:
            await handler(inner, ResultSend(send, streamed), call)

    def _operation(self, data: JsonObject) -> Operation:
        if isinstance(self._operations, Operation):
            return self._operations
        names = tuple(self._operations)
        if _OP not in data:
            wrong(_OP, f"is required: one of {', '.join(names)}")
        return self._operations[one_of(data[_OP], _OP, names)]


def _inner(
    http: HttpRequest, operation: Operation, data: JsonObject, streamed: bool
) -> HttpRequest:
    """The request that the endpoint would have got."""
    path, query, body = operation.path, b"", b""
    if "{id}" in path:
        path = path.replace("{id}", quote(_identifier(data), safe=""))
    if operation.carries is Carries.QUERY:
        query = _query(data, operation.fields)
    elif operation.carries is Carries.CHAT:
        body = orjson.dumps(_chat(data, streamed))
    else:
        body = orjson.dumps({name: value for name, value in data.items() if name != _OP})
    scope = {**http.scope, "method": operation.method, "path": path, "query_string": query}
    return HttpRequest(scope, _BodyFirst(body, http.receive))


def _identifier(data: JsonObject) -> str:
    if "id" not in data:
        wrong("id", "is required: the id of the job")
    identifier = string(data["id"], "id")
    if not 0 < len(identifier) <= _LONGEST_ID:
        wrong("id", f"must have 1 to {_LONGEST_ID} characters")
    return identifier


def _query(data: JsonObject, fields: tuple[str, ...]) -> bytes:
    sent: dict[str, str] = {}
    for name in fields:
        value = data.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            wrong(name, "must be a string or a number")
        # Swift and Kotlin may write a whole number as 20.0.
        whole = isinstance(value, float) and value.is_integer()
        sent[name] = str(int(value)) if whole else str(value)
    return urlencode(sent).encode()


def _chat(data: JsonObject, streamed: bool) -> JsonObject:
    """A chat's body. ``prompt`` stands for one user message; whether it is streamed is what the
    caller accepts, not what its data says."""
    # JavaScript's SDK sends null for what is undefined.
    body: JsonObject = {name: value for name, value in data.items() if value is not None}
    body.setdefault("model", "auto")
    if "prompt" in body:
        if "messages" in body:
            wrong("prompt", "stands for one message: send prompt or messages, not both")
        prompt = string(body.pop("prompt"), "prompt")
        if not prompt.strip():
            wrong("prompt", "must not be empty")
        body["messages"] = [{"role": "user", "content": prompt}]
    body["stream"] = streamed
    if not streamed:
        body.pop("stream_options", None)
    return body


class _BodyFirst:
    """A ``receive`` that gives ``body``, then what the client does: it may leave."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
