"""A gRPC server in Firestore's place that answers as it is told, for what no emulator does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
from google.cloud.firestore_v1 import types

SERVICE = "/google.firestore.v1.Firestore/"
_STREAMS = ("BatchGetDocuments", "RunQuery", "RunAggregationQuery")


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the call with this status."""

    code: grpc.StatusCode
    details: str = ""


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that came: its method, its message as bytes, its metadata."""

    method: str
    message: bytes
    metadata: dict[str, str | bytes]


Answer = Refuse | Hang | bytes


@dataclass(slots=True)
class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    server: ScriptedFirestore

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method.removeprefix(SERVICE)
        metadata = {each.key: each.value for each in details.invocation_metadata}

        async def one(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            self.server.asked.append(Asked(method, request, metadata))
            answer = self.server.answers.popleft()
            if isinstance(answer, Refuse):
                await context.abort(answer.code, answer.details)
            if isinstance(answer, Hang):
                await asyncio.Event().wait()
            assert isinstance(answer, bytes)
            return answer

        async def many(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            yield await one(request, context)

        if method in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(many)
        return grpc.unary_unary_rpc_method_handler(one)


class ScriptedFirestore:
    """``async with ScriptedFirestore() as server``; ``host`` is what stores are given."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: deque[Answer] = deque()
        self.host = ""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((_Handler(self),))

    async def __aenter__(self) -> ScriptedFirestore:
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._server.stop(None)

    def say(self, *answers: Answer) -> None:
        """The next answers, in order."""
        self.answers.extend(answers)

    @property
    def methods(self) -> list[str]:
        """Methods of the calls that came."""
        return [each.method for each in self.asked]


def document(path: str, project: str) -> bytes:
    """A document without fields, of one second after 1970."""
    made = types.Document.pb()(name=f"projects/{project}/databases/(default)/documents/{path}")
    made.create_time.seconds = made.update_time.seconds = 1
    return bytes(made.SerializeToString())


def committed(writes: int = 1) -> bytes:
    """The answer to a commit, at two seconds after 1970."""
    made = types.CommitResponse.pb()()
    for _ in range(writes):
        made.write_results.add().update_time.seconds = 2
    return bytes(made.SerializeToString())


def begun(transaction: bytes) -> bytes:
    """The answer to BeginTransaction."""
    made = types.BeginTransactionResponse.pb()(transaction=transaction)
    return bytes(made.SerializeToString())


def nothing() -> bytes:
    """An empty answer to any call."""
    return b""
