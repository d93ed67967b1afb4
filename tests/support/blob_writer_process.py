"""Writes blobs until it is killed: ``python -m tests.support.blob_writer_process DATA_DIR``.

Names ``n/0``, ``n/1``, ...; each is printed once the blob is there. Every second goes in pieces.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from shared.storage.blobs import PIECE_BYTES, BlobStore
from shared.storage.blobs_folder import FolderBlobs

LARGE = 2 * PIECE_BYTES + 17


def content(number: int) -> bytes:
    """What ``n/{number}`` holds."""
    size = LARGE if number % 2 else 300
    return bytes([number % 256]) * size


async def _parts(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


async def main(data_dir: Path) -> None:
    """Until killed."""
    store = BlobStore(FolderBlobs(data_dir))
    for number in itertools.count():
        data = content(number)
        await store.put(f"n/{number}", _parts(data) if number % 2 else data, "video/mp4")
        await store.put("same", data, "video/mp4")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
