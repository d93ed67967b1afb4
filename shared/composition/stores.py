"""Which database, folder and queue stand behind the storage ports, by the environment.

Nothing is connected here: a backend connects in the loop of its first call. Each kind is imported
only where it is taken, so that no instance loads a client library it does not need.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from shared.clock import Clock
from shared.settings import Settings
from shared.storage.blobs import BlobBackend, BlobStore
from shared.storage.documents import DocumentStore
from shared.storage.tasks import Tasks

# Where an environment that names no store keeps its documents (contract, Two commands).
DEFAULT_DATA_DIR = ".data"
# The project the Firestore emulator is asked for where the environment names none.
EMULATOR_PROJECT = "demo-codeex"
# Interactive work has the queue TASKS_QUEUE names, bulk work the one beside it (Terraform, queues).
INTERACTIVE, BULK = "interactive", "bulk"


class Stores(Struct):
    """What is kept between requests. ``tasks`` None: nobody would send them (a deployed function
    without TASKS_QUEUE, TASKS_LOCATION, WORKER_URL and TASKS_SERVICE_ACCOUNT)."""

    documents: DocumentStore
    blobs: BlobStore
    tasks: Tasks | None

    async def close(self) -> None:
        """Let connections go."""
        if self.tasks is not None:
            await self.tasks.close()
        await self.blobs.close()
        await self.documents.close()


def open_stores(
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    *,
    documents: DocumentStore | None = None,
    on_task: Callable[[], None] | None = None,
) -> Stores:
    """The stores of this environment (contract, Two commands and Environment). ``documents``
    replaces the document store; ``on_task`` is told of every task kept for the local runner."""
    documents = documents or open_documents(settings, clock, rng)
    tasks = _tasks(settings, documents, clock, rng, on_task)
    return Stores(documents, BlobStore(_blobs(settings, clock)), tasks)


def open_documents(settings: Settings, clock: Clock, rng: random.Random) -> DocumentStore:
    """FIRESTORE_EMULATOR_HOST: the emulator; CODEEX_DATA_DIR: SQLite there; on Cloud Run: the
    project's Firestore; else SQLite under ``.data``."""
    emulator = settings.firestore_emulator
    if emulator is not None or (settings.data_dir is None and settings.on_cloud_run):
        from shared.storage.firestore_backend import FirestoreBackend

        project = settings.project or EMULATOR_PROJECT
        firestore = FirestoreBackend(project, emulator_host=emulator, clock=clock, rng=rng)
        return DocumentStore(firestore, clock=clock, rng=rng)
    from shared.storage.sqlite_backend import SqliteBackend

    return DocumentStore(SqliteBackend(data_dir(settings), clock=clock), clock=clock, rng=rng)


def data_dir(settings: Settings) -> Path:
    """The folder of the embedded store and of local blobs."""
    return Path(settings.data_dir or DEFAULT_DATA_DIR)


def _blobs(settings: Settings, clock: Clock) -> BlobBackend:
    if settings.media_bucket is not None:
        from shared.storage.blobs_gcs import CloudBlobs

        endpoint = settings.storage_emulator
        return CloudBlobs(settings.media_bucket, project=settings.project, endpoint=endpoint)
    from shared.storage.blobs_folder import FolderBlobs

    return FolderBlobs(data_dir(settings), clock=clock)


def _tasks(
    settings: Settings,
    documents: DocumentStore,
    clock: Clock,
    rng: random.Random,
    on_task: Callable[[], None] | None,
) -> Tasks | None:
    queue, location = settings.tasks_queue, settings.tasks_location
    account, worker = settings.tasks_service_account, settings.worker_url
    if queue and location and account and worker and settings.project:
        from shared.storage.tasks_cloud import CloudTasks, Dispatch

        queues = {INTERACTIVE: queue, BULK: f"{queue}-bulk"}
        dispatch = Dispatch(settings.project, location, queues, worker, account)
        return Tasks(CloudTasks(dispatch, clock=clock, rng=rng), clock)
    if settings.on_cloud_run:
        return None
    from shared.storage.tasks_local import LocalTasks

    return Tasks(LocalTasks(documents, clock=clock, on_enqueued=on_task), clock)
