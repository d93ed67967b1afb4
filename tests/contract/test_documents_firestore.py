"""What the Firestore side alone has to show: what it sends, and what it makes of every refusal."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import AsyncIterator

import grpc
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import types

from shared.errors import StoreUnavailable
from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument, PreconditionFailed, VersionConflict
from shared.storage.firestore_backend import TRIES, FirestoreBackend
from shared.storage.queries import Query
from shared.storage.transactions import Transaction
from shared.storage.values import ArrayUnion, Increment, ServerTime
from shared.storage.writes import Create, Delete, Set, Update, Write
from tests.support.local_process import ROOT, free_port
from tests.support.scripted_firestore import (
    Hang,
    Refuse,
    ScriptedFirestore,
    begun,
    committed,
    document,
    nothing,
)

PROJECT = "demo-scripted"
UNAVAILABLE = Refuse(grpc.StatusCode.UNAVAILABLE, "going away")
ABORTED = Refuse(grpc.StatusCode.ABORTED, "contention")


def made_for(host: str) -> DocumentStore:
    return DocumentStore(
        FirestoreBackend(PROJECT, emulator_host=host, rng=random.Random(1)), rng=random.Random(1)
    )


@pytest.fixture
async def server() -> AsyncIterator[ScriptedFirestore]:
    """In Firestore's place."""
    async with ScriptedFirestore() as started:
        yield started


@pytest.fixture
async def store(server: ScriptedFirestore) -> AsyncIterator[DocumentStore]:
    """A store that talks to it."""
    made = made_for(server.host)
    yield made
    await made.close()


async def test_calls_say_which_database_they_are_for(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(document("a/1", PROJECT))
    found = await store.get("a/1")
    assert found is not None
    assert (found.path, found.version, found.created) == ("a/1", 1_000_000, 1_000_000)
    database = f"projects/{PROJECT}/databases/(default)"
    (asked,) = server.asked
    assert asked.metadata["google-cloud-resource-prefix"] == database
    assert asked.metadata["x-goog-request-params"] == (
        f"database=projects%2F{PROJECT}%2Fdatabases%2F%28default%29"
    )
    assert asked.metadata["authorization"] == "Bearer owner"
    name = types.GetDocumentRequest.deserialize(asked.message).name
    assert name == f"{database}/documents/a/1"


@pytest.mark.parametrize("refusal", [UNAVAILABLE, ABORTED])
async def test_reads_are_made_again(
    server: ScriptedFirestore, store: DocumentStore, refusal: Refuse
) -> None:
    server.say(refusal, refusal, document("a/1", PROJECT), refusal, nothing())
    assert await store.get("a/1") is not None
    assert await store.query(Query("a")) == []
    assert server.methods == ["GetDocument"] * 3 + ["RunQuery"] * 2


async def test_reads_are_not_made_again_for_ever(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(*[UNAVAILABLE] * TRIES)
    with pytest.raises(StoreUnavailable, match="going away"):
        await store.get("a/1")
    assert len(server.asked) == TRIES


@pytest.mark.parametrize(
    ("write", "again"),
    [
        (Set("a/1", {"n": 1}), True),
        (Set("a/1", {"n": ServerTime(), "l": ArrayUnion([1])}, merge=True), True),
        (Update("a/1", {"n": 1}), True),
        (Delete("a/1"), True),
        (Set("a/1", {"n": Increment(1)}, merge=True), False),
        (Update("a/1", {"n": 1}, if_version=5), False),
        (Delete("a/1", if_version=5), False),
        (Create("a/1", {}), False),
    ],
)
async def test_only_writes_that_bear_it_are_made_again(
    server: ScriptedFirestore, store: DocumentStore, write: Write, again: bool
) -> None:
    """UNAVAILABLE may come after the commit: an increment would count twice, a claim lose."""
    server.say(UNAVAILABLE, committed())
    if again:
        await store.commit([write])
    else:
        with pytest.raises(StoreUnavailable):
            await store.commit([write])
    assert len(server.asked) == 1 + again


async def test_an_aborted_commit_was_not_made_and_is_made_again(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(ABORTED, committed())
    assert await store.set("a/1", {"n": Increment(1)}, merge=True) == 2_000_000
    assert server.methods == ["Commit", "Commit"]


async def test_silence_ends_with_the_calls_time(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    await store.open()
    server.say(Hang(), Hang(), UNAVAILABLE, Hang())
    for call in (
        store.get("a/1", timeout_s=0.05),
        store.set("a/1", {}, timeout_s=0.05),
        store.query(Query("a"), timeout_s=0.1),
    ):
        with pytest.raises(StoreUnavailable) as raised:
            await call
        assert raised.value.retry_after


async def test_nobody_there_is_unavailable() -> None:
    store = made_for(f"127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable):
        await store.get("a/1", timeout_s=0.3)
    with pytest.raises(StoreUnavailable):
        await store.change("a/1", lambda found: {}, timeout_s=0.3)
    await store.close()


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refuse(grpc.StatusCode.PERMISSION_DENIED, "no"), StoreUnavailable),
        (Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota"), StoreUnavailable),
        (Refuse(grpc.StatusCode.INTERNAL, "oops"), StoreUnavailable),
        (Refuse(grpc.StatusCode.INVALID_ARGUMENT, "bad"), InvalidArgument),
        (
            Refuse(grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index. See https"),
            InvalidArgument,
        ),
    ],
)
async def test_other_refusals_are_final(
    server: ScriptedFirestore, store: DocumentStore, refusal: Refuse, error: type[Exception]
) -> None:
    server.say(refusal)
    with pytest.raises(error, match=refusal.details):
        await store.query(Query("a"))
    assert len(server.asked) == 1


async def test_several_writes_refused_name_no_document(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(Refuse(grpc.StatusCode.FAILED_PRECONDITION, "the stored version does not match"))
    with pytest.raises(PreconditionFailed) as raised:
        await store.commit([Update("a/1", {"n": 1}, if_version=1), Set("a/2", {})])
    assert raised.value.path is None
    assert store.operations.of("a").reads == 2


async def test_transactions_begin_again_as_the_same_one(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    expired = Refuse(grpc.StatusCode.INVALID_ARGUMENT, "The referenced transaction has expired")
    server.say(begun(b"one"), ABORTED, begun(b"two"), expired, begun(b"three"), committed())

    async def work(transaction: Transaction) -> None:
        transaction.set("a/1", {})

    await store.transaction(work)
    assert server.methods == ["BeginTransaction", "Commit"] * 3
    options = [
        types.BeginTransactionRequest.deserialize(each.message).options.read_write
        for each in server.asked[::2]
    ]
    assert [each.retry_transaction for each in options] == [b"", b"one", b"two"]
    assert {each.concurrency_mode.name for each in options} == {"OPTIMISTIC"}
    commits = [types.CommitRequest.deserialize(each.message) for each in server.asked[1::2]]
    assert [each.transaction for each in commits] == [b"one", b"two", b"three"]


async def test_transactions_end_when_every_attempt_was_contended(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(begun(b"one"), ABORTED, begun(b"two"), ABORTED)

    async def work(transaction: Transaction) -> None:
        transaction.set("a/1", {})

    with pytest.raises(VersionConflict, match="2 times"):
        await store.transaction(work, attempts=2)


async def test_a_failed_transaction_is_rolled_back(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    server.say(begun(b"one"), nothing(), begun(b"two"), UNAVAILABLE)

    async def work(transaction: Transaction) -> None:
        raise LookupError("of the work's own")

    for _ in range(2):
        with pytest.raises(LookupError):
            await store.transaction(work)
    assert server.methods == ["BeginTransaction", "Rollback"] * 2


async def test_transactions_keep_to_their_time(
    server: ScriptedFirestore, store: DocumentStore
) -> None:
    await store.open()
    server.say(begun(b"one"), Hang(), nothing())

    async def work(transaction: Transaction) -> None:
        transaction.set("a/1", {})

    with pytest.raises(StoreUnavailable):
        await store.transaction(work, timeout_s=0.1)


async def test_the_real_service_is_called_with_credentials() -> None:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    backend = FirestoreBackend(PROJECT, credentials=nobody)
    await backend.open()
    connection = await backend.connection()
    assert connection.root == f"projects/{PROJECT}/databases/(default)/documents"
    assert "authorization" not in dict(connection.metadata)
    await backend.close()


def test_the_client_library_is_loaded_on_first_use() -> None:
    probe = (
        "import sys; import shared.storage.firestore_backend, shared.storage.sqlite_backend; "
        "import shared.storage.documents; from shared.storage.documents import DocumentStore; "
        "DocumentStore(shared.storage.firestore_backend.FirestoreBackend('p')); "
        "heavy = ('grpc', 'google.auth', 'google.protobuf', 'google.cloud.firestore_v1', 'numpy'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_its_messages_are_loaded_and_the_rest_when_it_is_asked_for() -> None:
    probe = (
        "import sys; from shared.storage.firestore_library import PACKAGE, prepare; prepare(); "
        "from google.cloud.firestore_v1 import types; import google.cloud.firestore_v1 as package; "
        "light = PACKAGE + '.async_client' not in sys.modules; "
        "from google.cloud.firestore import AsyncClient; "
        "print(light, types.Document.__name__, package.AsyncClient is AsyncClient); prepare(); "
        "print(sys.modules[PACKAGE] is package, package.types is types)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "Document", "True", "True", "True"]
