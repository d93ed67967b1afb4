"""The connection to Firestore: made on first use, in the loop that uses it.

Google's client library gives messages, credentials and channel. Its call wrappers are left out:
they cost a third of a call's CPU (measured: 1.0 against 0.65 ms a commit) and retry by rules of
their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

from shared.errors import StoreUnavailable
from shared.storage.firestore_library import prepare
from shared.storage.firestore_messages import (
    CommitMessage,
    CommitResponseMessage,
    DocumentMessage,
    FoundMessage,
    QueryResponseMessage,
)

if TYPE_CHECKING:
    import grpc.aio
    from google.auth.credentials import Credentials
    from google.cloud.firestore_v1 import types

HOST = "firestore.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/datastore",)
# Messages of any size; a lost connection is looked for again after 0.1 to 2 s, not up to 120.
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
Metadata = tuple[tuple[str, str], ...]
RequestT = TypeVar("RequestT", contravariant=True)
ResponseT = TypeVar("ResponseT", covariant=True)


class Call(Protocol[RequestT, ResponseT]):
    """A call with one answer."""

    def __call__(
        self, request: RequestT, *, timeout: float, metadata: Metadata
    ) -> Awaitable[ResponseT]:
        """``timeout`` in seconds. Raises ``grpc.aio.AioRpcError``."""
        ...


class Stream(Protocol[RequestT, ResponseT]):
    """A call whose answers come one after another."""

    def __call__(
        self, request: RequestT, *, timeout: float, metadata: Metadata
    ) -> AsyncIterable[ResponseT]:
        """``timeout`` in seconds. Raises ``grpc.aio.AioRpcError``."""
        ...


class Connection:
    """A channel and the calls over it. ``root`` is the full name above every document's path."""

    def __init__(self, channel: grpc.aio.Channel, database: str, *, emulator: bool) -> None:
        from google.cloud.firestore_v1 import types

        self.channel = channel
        self.database = database
        self.root = f"{database}/documents"
        self.metadata: Metadata = (
            ("google-cloud-resource-prefix", database),
            ("x-goog-request-params", f"database={quote(database, safe='')}"),
            # The emulator's word for an administrator.
            *((("authorization", "Bearer owner"),) if emulator else ()),
        )
        self.new_commit: Callable[..., CommitMessage] = types.CommitRequest.pb()
        service = "/google.firestore.v1.Firestore/"
        self.get: Call[types.GetDocumentRequest, DocumentMessage] = channel.unary_unary(
            service + "GetDocument",
            request_serializer=types.GetDocumentRequest.serialize,
            response_deserializer=types.Document.pb().FromString,
        )
        self.get_many: Stream[types.BatchGetDocumentsRequest, FoundMessage] = channel.unary_stream(
            service + "BatchGetDocuments",
            request_serializer=types.BatchGetDocumentsRequest.serialize,
            response_deserializer=types.BatchGetDocumentsResponse.pb().FromString,
        )
        self.commit: Call[CommitMessage, CommitResponseMessage] = channel.unary_unary(
            service + "Commit",
            request_serializer=types.CommitRequest.pb().SerializeToString,
            response_deserializer=types.CommitResponse.pb().FromString,
        )
        self.query: Stream[types.RunQueryRequest, QueryResponseMessage] = channel.unary_stream(
            service + "RunQuery",
            request_serializer=types.RunQueryRequest.serialize,
            response_deserializer=types.RunQueryResponse.pb().FromString,
        )
        self.aggregate: Stream[
            types.RunAggregationQueryRequest, types.RunAggregationQueryResponse
        ] = channel.unary_stream(
            service + "RunAggregationQuery",
            request_serializer=types.RunAggregationQueryRequest.serialize,
            response_deserializer=types.RunAggregationQueryResponse.deserialize,
        )
        self.begin: Call[types.BeginTransactionRequest, types.BeginTransactionResponse] = (
            channel.unary_unary(
                service + "BeginTransaction",
                request_serializer=types.BeginTransactionRequest.serialize,
                response_deserializer=types.BeginTransactionResponse.deserialize,
            )
        )
        self.rollback: Call[types.RollbackRequest, object] = channel.unary_unary(
            service + "Rollback", request_serializer=types.RollbackRequest.serialize
        )


async def connect(
    database: str, emulator_host: str | None, credentials: Credentials | None
) -> Connection:
    """A connection to the emulator, or with ``credentials`` (None: the environment's own).

    Raises ``StoreUnavailable`` where there are no credentials.
    """
    # Reading files and asking the metadata server block; the channel itself belongs to this loop.
    await asyncio.to_thread(_import)
    import grpc.aio

    if emulator_host is not None:
        return Connection(
            grpc.aio.insecure_channel(emulator_host, options=OPTIONS), database, emulator=True
        )
    import google.auth
    from google.api_core import grpc_helpers_async
    from google.auth.exceptions import GoogleAuthError

    if credentials is None:
        try:
            credentials, _ = await asyncio.to_thread(google.auth.default, scopes=SCOPES)
        except GoogleAuthError as error:
            raise StoreUnavailable(f"no credentials for Firestore: {error}") from error
    channel = grpc_helpers_async.create_channel(
        HOST,
        credentials=credentials,
        default_scopes=SCOPES,
        default_host=HOST,
        options=OPTIONS,
    )
    return Connection(channel, database, emulator=False)


def _import() -> None:
    """Load what of the client library is used (60 ms)."""
    prepare()
    import google.cloud.firestore_v1.types  # noqa: F401
    import grpc.aio  # noqa: F401
