"""The calls to Firestore one by one: a request filled, an answer read. All raise gRPC's errors."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from shared.storage.document import Document, Neighbour
from shared.storage.firestore_connection import Connection
from shared.storage.firestore_errors import code_of
from shared.storage.firestore_query import DISTANCE, parent_of, structured
from shared.storage.firestore_values import decode_document, fill_write, get_time
from shared.storage.queries import Near, Search
from shared.storage.writes import Plan


async def get_document(connection: Connection, path: str, timeout_s: float) -> Document | None:
    """GetDocument."""
    from google.cloud.firestore_v1 import types
    from grpc.aio import AioRpcError

    request = types.GetDocumentRequest(name=f"{connection.root}/{path}")
    try:
        answer = await connection.get(request, timeout=timeout_s, metadata=connection.metadata)
    except AioRpcError as error:
        if code_of(error) == "NOT_FOUND":
            return None
        raise
    return decode_document(answer)


async def get_documents(
    connection: Connection, paths: Sequence[str], timeout_s: float, transaction: bytes = b""
) -> list[Document | None]:
    """BatchGetDocuments; answers come in any order."""
    from google.cloud.firestore_v1 import types

    request = types.BatchGetDocumentsRequest(
        database=connection.database,
        documents=[f"{connection.root}/{path}" for path in dict.fromkeys(paths)],
        transaction=transaction or None,
    )
    found: dict[str, Document] = {}
    stream = connection.get_many(request, timeout=timeout_s, metadata=connection.metadata)
    async for answer in stream:
        if answer.HasField("found"):
            document = decode_document(answer.found)
            found[document.path] = document
    return [found.get(path) for path in paths]


async def commit(
    connection: Connection, plans: Sequence[Plan], timeout_s: float, transaction: bytes = b""
) -> list[int]:
    """Commit; the version of each document, 0 for a delete."""
    request = connection.new_commit(database=connection.database, transaction=transaction)
    for plan in plans:
        fill_write(plan, f"{connection.root}/{plan.path}", request.writes.add())
    answer = await connection.commit(request, timeout=timeout_s, metadata=connection.metadata)
    return [
        0 if plan.data is None else get_time(result.update_time)
        for plan, result in zip(plans, answer.write_results, strict=True)
    ]


async def run_query(
    connection: Connection,
    search: Search,
    timeout_s: float,
    near: Near | None = None,
    transaction: bytes = b"",
) -> list[Document]:
    """RunQuery."""
    from google.cloud.firestore_v1 import types

    request = types.RunQueryRequest(
        parent=parent_of(search, connection.root),
        structured_query=structured(search, connection.root, near),
    )
    if transaction:
        request.transaction = transaction
    stream = connection.query(request, timeout=timeout_s, metadata=connection.metadata)
    return [
        decode_document(answer.document) async for answer in stream if answer.HasField("document")
    ]


async def run_nearest(
    connection: Connection, search: Search, near: Near, timeout_s: float
) -> list[Neighbour]:
    """RunQuery by distance."""
    return [_neighbour(found) for found in await run_query(connection, search, timeout_s, near)]


async def run_count(connection: Connection, search: Search, timeout_s: float) -> int:
    """RunAggregationQuery with one count."""
    from google.cloud.firestore_v1 import types

    aggregation = types.StructuredAggregationQuery.Aggregation(
        count=types.StructuredAggregationQuery.Aggregation.Count(), alias="n"
    )
    request = types.RunAggregationQueryRequest(
        parent=parent_of(search, connection.root),
        structured_aggregation_query=types.StructuredAggregationQuery(
            structured_query=structured(search, connection.root), aggregations=[aggregation]
        ),
    )
    total = 0
    stream = connection.aggregate(request, timeout=timeout_s, metadata=connection.metadata)
    async for answer in stream:
        if "n" in answer.result.aggregate_fields:
            total = int(answer.result.aggregate_fields["n"].integer_value)
    return total


async def begin(connection: Connection, timeout_s: float, after: bytes = b"") -> bytes:
    """BeginTransaction under optimistic concurrency; ``after`` is the attempt before.

    It holds no locks, which an instance that is stopped would leave behind. The emulator ignores
    this and locks.
    """
    from google.cloud.firestore_v1 import types

    write = types.TransactionOptions.ReadWrite(
        concurrency_mode=types.TransactionOptions.ConcurrencyMode.OPTIMISTIC,
        retry_transaction=after,
    )
    request = types.BeginTransactionRequest(
        database=connection.database, options=types.TransactionOptions(read_write=write)
    )
    answer = await connection.begin(request, timeout=timeout_s, metadata=connection.metadata)
    return bytes(answer.transaction)


async def rollback(connection: Connection, transaction: bytes, timeout_s: float) -> None:
    """Rollback."""
    from google.cloud.firestore_v1 import types

    request = types.RollbackRequest(database=connection.database, transaction=transaction)
    await connection.rollback(request, timeout=timeout_s, metadata=connection.metadata)


def _neighbour(found: Document) -> Neighbour:
    data = {name: value for name, value in found.data.items() if name != DISTANCE}
    distance = found.data[DISTANCE]
    assert isinstance(distance, (int, float))
    return Neighbour(replace(found, data=data), float(distance))
