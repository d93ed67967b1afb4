"""The record of one request under its Idempotency-Key, and the pure rules of its life.

``users/{uid}/idempotency/{id}``; the bytes of the answer, and of a request that a worker may have
to finish, are beside it in ``answer_parts``. A record has one owner, the run that works on it:
whoever holds its lease, or takes it over once that has lapsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from shared.storage.paths import folder_of
from shared.storage.values import Changes, Data

# Contract, Idempotency: an answer can be asked for again for an hour.
KEPT_S = 3_600.0
# A run that has not been heard of for so long is taken for dead.
LEASE_S = 15.0
PART_BYTES = 256 * 1024

Headers = tuple[tuple[str, str], ...]
Part = tuple[str, bytes]
"""The path of a part and what is in it."""


class State(StrEnum):
    """A failed request leaves no record: its key is free."""

    RUNNING = "running"
    DONE = "done"


class Record(Struct, frozen=True):
    """``fingerprint`` tells requests apart; ``owner`` is a run. ``lease_until`` and ``expires`` in
    Unix seconds. ``status`` is 0 until the answer has begun. ``parts``: of the answer, so far.

    ``sealed``: the answer may be kept nowhere (``Cache-Control: no-store``). ``request`` says how
    the request was made, once a worker may have to finish it, and ``request_parts`` is how many
    parts its body has. ``runs`` have begun to answer it. ``version`` is that of the document.
    """

    path: str
    fingerprint: str
    owner: str
    lease_until: float
    expires: float
    state: State = State.RUNNING
    status: int = 0
    headers: Headers = ()
    parts: int = 0
    sealed: bool = False
    request: str = ""
    request_parts: int = 0
    runs: int = 1
    version: int = 0

    @classmethod
    def begun(cls, path: str, fingerprint: str, owner: str, now: float) -> Record:
        """A request that begins now."""
        return cls(path, fingerprint, owner, now + LEASE_S, now + KEPT_S)

    @classmethod
    def from_data(cls, path: str, data: Data, version: int) -> Record:
        """What ``to_data`` wrote."""
        expires, names, texts = data["expires_at"], data["header_names"], data["header_texts"]
        assert isinstance(expires, datetime)
        assert isinstance(names, list)
        assert isinstance(texts, list)
        return cls(
            path,
            fingerprint=str(data["fingerprint"]),
            owner=str(data["owner"]),
            lease_until=_number(data, "lease_until"),
            expires=expires.timestamp(),
            state=State(str(data["state"])),
            status=int(_number(data, "status")),
            headers=tuple((str(n), str(t)) for n, t in zip(names, texts, strict=True)),
            parts=int(_number(data, "parts")),
            sealed=bool(data["sealed"]),
            request=str(data["request"]),
            request_parts=int(_number(data, "request_parts")),
            runs=int(_number(data, "runs")),
            version=version,
        )

    def to_data(self) -> Changes:
        """The document. Field values hold no list in a list, so headers are two."""
        return {
            "fingerprint": self.fingerprint,
            "owner": self.owner,
            "lease_until": self.lease_until,
            "expires_at": _moment(self.expires),
            "state": self.state.value,
            "status": self.status,
            "header_names": [name for name, _ in self.headers],
            "header_texts": [text for _, text in self.headers],
            "parts": self.parts,
            "sealed": self.sealed,
            "request": self.request,
            "request_parts": self.request_parts,
            "runs": self.runs,
        }

    def lapsed(self, now: float) -> bool:
        """Whether its owner has to be taken for dead."""
        return self.state is State.RUNNING and self.lease_until <= now

    def renewed(self, now: float) -> Record:
        """Its owner lives."""
        return replace(self, lease_until=now + LEASE_S)

    def released(self, now: float) -> Record:
        """Its owner ends without an answer: anybody may take it over at once."""
        return replace(self, lease_until=now)

    def taken(self, owner: str, now: float) -> Record:
        """The same request, run anew from its beginning."""
        fresh = Record.begun(self.path, self.fingerprint, owner, now)
        return replace(
            fresh,
            request=self.request,
            request_parts=self.request_parts,
            runs=self.runs + 1,
            version=self.version,
        )

    def done(self, now: float) -> Record:
        """Answered: kept for an hour from now. What was asked is of no more use, and goes."""
        kept = replace(self, state=State.DONE, lease_until=now, expires=now + KEPT_S)
        return replace(kept, request="", request_parts=0)

    def answer_part(self, number: int) -> str:
        """The path of a part of this owner's answer: no two owners write the same."""
        return f"{self.path}/answer_parts/{self.owner}-{number}"

    def request_part(self, number: int) -> str:
        """The path of a part of the request's body."""
        return f"{self.path}/answer_parts/request-{number}"

    def all_parts(self) -> list[str]:
        """The paths of every part it counts."""
        return [self.answer_part(number) for number in range(self.parts)] + self.body_parts()

    def body_parts(self) -> list[str]:
        """The paths of the parts of the request's body."""
        return [self.request_part(number) for number in range(self.request_parts)]


def record_path(uid: str, identifier: str) -> str:
    """Where a user's record is."""
    return f"users/{folder_of(uid)}/idempotency/{identifier}"


def cut(body: bytes) -> Sequence[bytes]:
    """``body`` in pieces that fit a part; none for an empty one."""
    return [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]


def part_data(body: bytes, now: float) -> Changes:
    """The document of a part. It outlives its record, whose hour begins when it is done."""
    return {"body": body, "expires_at": _moment(now + 2 * KEPT_S)}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _number(data: Data, name: str) -> float:
    value = data[name]
    assert isinstance(value, (int, float))
    return value
