"""An instance's ledger in a process of its own: ``-m tests.support.quota_process STORE NAME``.

``STORE`` is a folder of the embedded store, or ``firestore:HOST/PROJECT``. Once a line comes in,
``WORKERS`` ask for a permit each, at once. Prints how many got one and how many documents that
wrote, as JSON, and is killed or, when its input ends, flushes.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from shared.clock import Deadline, SystemClock
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, QuotaLedger
from shared.limits.quota_documents import StoredQuotas
from shared.limits.quota_limits import ScopeLimits
from shared.storage.documents import DocumentStore
from tests.support.catalog_cards import card
from tests.support.quota_world import limits_for
from tests.support.stores import firestore_store, sqlite_store

WORKERS = 20
LIMITS = limits_for(ScopeLimits(rpm=20, rpd=1000), {"m": ScopeLimits(tpm=9000), "n": ScopeLimits()})
CARDS = {name: card(name) for name in LIMITS}
FIRESTORE = "firestore:"


def open_store(where: str) -> DocumentStore:
    """What ``STORE`` names."""
    if where.startswith(FIRESTORE):
        host, _, project = where.removeprefix(FIRESTORE).partition("/")
        return firestore_store(host, project)
    return sqlite_store(Path(where))


def ledger_on(documents: DocumentStore, name: str) -> QuotaLedger:
    """The ledger of the instance ``name``."""
    return QuotaLedger(
        StoredQuotas(documents), lambda of: LIMITS[of.id], SystemClock(), name, random.Random(name)
    )


async def ask(ledger: QuotaLedger, model: str, tokens: int) -> Permit | None:
    """A permit; None where the provider is full. However slow this machine is."""
    of = CARDS[model]
    while True:
        deadline = Deadline.after(SystemClock(), 20)
        try:
            found = ledger.take(of, tokens) or await ledger.acquire(of, tokens, deadline)
        except StoreUnavailable:
            await asyncio.sleep(0.5)
            continue
        if isinstance(found, Permit):
            return found
        if found.reason == "full":
            return None
        await asyncio.sleep(0.1)


async def main(where: str, name: str) -> None:
    """Ask, say what came of it, settle."""
    documents = open_store(where)
    await documents.open()
    ledger = ledger_on(documents, name)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    found = await asyncio.gather(*(ask(ledger, "mn"[at % 2], 100) for at in range(WORKERS)))
    permits = [permit for permit in found if permit is not None]
    told = {"permits": len(permits), "writes": documents.operations.total().writes}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for permit in permits:
        ledger.settle(permit, 40)
    await ledger.flush()
    await documents.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
