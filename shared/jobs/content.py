"""What a job was given and what came of it: JSON as text, or a blob where that is too long.

As text, because a document can hold no list inside a list, no whole number over 63 bits and only 20
levels, and JSON from outside has all of these.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

import orjson

from shared.errors import Internal
from shared.jobs.job import Job
from shared.messages import JsonObject, JsonValue
from shared.storage.blobs import BlobMissing, BlobStore

# ARCHITECTURE, Durable work: what is larger lives in Cloud Storage.
INLINE_BYTES = 256 * 1024
LINK_S = 3_600
JSON_TYPE = "application/json"


class Kept(NamedTuple):
    """Where something was put: one of the two is empty."""

    text: str
    blob: str


class Contents:
    """Puts JSON where it fits and finds it again."""

    __slots__ = ("_blobs",)

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put(self, job_folder: str, name: str, value: JsonValue) -> Kept:
        """Keep ``value``. A blob is named so that no other run writes it."""
        body = orjson.dumps(value)
        if len(body) <= INLINE_BYTES:
            return Kept(body.decode(), "")
        blob = f"{job_folder}/{name}.json"
        await self._blobs.put(blob, body, JSON_TYPE)
        return Kept("", blob)

    async def get(self, kept: Kept) -> JsonValue:
        """What was kept. Raises ``Internal`` where the blob is gone."""
        if not kept.blob:
            value: JsonValue = orjson.loads(kept.text)
            return value
        try:
            found: JsonValue = orjson.loads(await self._blobs.get(kept.blob))
        except BlobMissing:
            raise Internal("the content of this job is gone; send the request again") from None
        return found

    async def payload(self, job: Job) -> JsonObject:
        """What the job was given."""
        value = await self.get(Kept(job.payload, job.payload_blob))
        assert isinstance(value, dict)
        return value

    async def link(self, job: Job) -> str | None:
        """A link to a large result, good for an hour; None where it stands in the job."""
        if not job.result_blob:
            return None
        return await self._blobs.signed_url(job.result_blob, LINK_S)

    async def drop(self, blob: str) -> None:
        """Take a blob away that nothing names any more."""
        if blob:
            await self._blobs.delete(blob)


def folder(uid: str, identifier: str) -> str:
    """Where a job's blobs are. A user's name can hold anything; a blob's cannot."""
    return f"jobs/{quote(uid, safe='')}/{identifier}"
