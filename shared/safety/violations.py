"""What was refused for whose safety: the history of a user, seen by administrators (R2.9).

``users/{uid}/violations/{id}`` says category, severity, side, time and request; never a word of the
text. A record is made as the request that it ends is answered, by one write that is waited for a
second at most: refusals are rare, and the processor is throttled behind the answer. What cannot be
written is logged instead, and nobody's answer waits for it longer. No client can read the records
(``firestore.rules``); they go after ``KEPT``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from shared.clock import Clock
from shared.errors import (
    CodeexError,
    InjectionDetected,
    InvalidRequest,
    SafetyViolation,
    StoreUnavailable,
)
from shared.messages import JsonObject
from shared.safety.verdict import Hazard, Severity, Stage
from shared.storage.document import EXPIRES_AT, Document, live, microseconds, moment
from shared.storage.documents import DocumentStore
from shared.storage.errors import AlreadyExists, InvalidArgument
from shared.storage.paths import folder_of, split_document
from shared.storage.queries import Direction, Filter, Order, Query
from shared.storage.values import Input
from shared.telemetry.log import JsonLog

GROUP = "violations"
KEPT = timedelta(days=90)
# Seconds a refused request waits for its record.
PATIENCE_S = 1.0
# A page looks through so many records at most for those that are wanted.
MAX_SEEN = 1_000
# What is refused beside the hazards of R2.4 (contract, Errors).
PERSONAL_DATA, PROMPT_INJECTION = "PERSONAL_DATA", "PROMPT_INJECTION"
CATEGORIES = (*(hazard.value for hazard in Hazard), PERSONAL_DATA, PROMPT_INJECTION)
_NEWEST_FIRST = (Order("at", Direction.DOWN),)


class Kind(StrEnum):
    """Who refused: a guard, the injection screen or the screen for personal data."""

    GUARD = "guard"
    INJECTION = "injection"
    PERSONAL = "personal"


class Violation(Struct, frozen=True):
    """One refusal."""

    uid: str
    request_id: str
    at: datetime
    kind: Kind
    category: str
    severity: Severity
    stage: Stage

    @property
    def id(self) -> str:
        """Sorts by time; the same for a request that is told twice."""
        mark = blake2b(self.request_id.encode("utf-8", "surrogatepass"), digest_size=8)
        return f"{self.at:%Y%m%dT%H%M%S}-{mark.hexdigest()}"

    def to_json(self) -> JsonObject:
        """As ``GET /admin/api/violations`` shows it; ``at`` in Unix seconds."""
        return {
            "id": self.id,
            "uid": self.uid,
            "category": self.category,
            "severity": self.severity.value,
            "stage": self.stage.value,
            "kind": self.kind.value,
            "at": round(self.at.timestamp(), 3),
            "request_id": self.request_id,
        }

    def to_data(self) -> dict[str, Input]:
        """As it is kept."""
        return {
            "uid": self.uid,
            "request_id": self.request_id,
            "at": self.at,
            "kind": self.kind.value,
            "category": self.category,
            "severity": self.severity.value,
            "stage": self.stage.value,
            EXPIRES_AT: self.at + KEPT,
        }


class Wanted(Struct, frozen=True):
    """Which records are asked for; what is empty does not matter."""

    category: str = ""
    stage: str = ""
    uid: str = ""


class Page(Struct, frozen=True):
    """Records, newest first. ``after`` leads to the next page; None: there is none."""

    found: list[Violation]
    after: str | None


class ViolationStore:
    """Keeps and finds records."""

    __slots__ = ("_clock", "_documents", "_log")

    def __init__(self, documents: DocumentStore, clock: Clock, log: JsonLog) -> None:
        self._documents = documents
        self._clock = clock
        self._log = log

    async def refused(self, uid: str, request_id: str, error: CodeexError) -> None:
        """A request of ``uid`` ended in ``error``: keep it where it is a refusal. Never fails."""
        at = datetime.fromtimestamp(self._clock.wall(), UTC)
        violation = violation_of(uid, request_id, at, error)
        if violation is None or not uid:
            return
        path = f"users/{folder_of(uid)}/violations/{violation.id}"
        try:
            await self._documents.create(path, violation.to_data(), timeout_s=PATIENCE_S)
        except AlreadyExists:
            return
        except (StoreUnavailable, InvalidArgument) as why:
            self._log.warning(
                "violation not kept",
                {"request_id": request_id, "category": violation.category, "why": str(why)[:200]},
            )

    async def newest(self, wanted: Wanted, limit: int, after: str | None = None) -> Page:
        """Up to ``limit`` records of all users, or of one. ``after``: where a page ended.

        Raises ``InvalidRequest`` for an ``after`` that no page gave, and ``StoreUnavailable``.
        """
        query = replace(_query(wanted), limit=limit + 1)
        place: Document | tuple[datetime, str] | None
        place = None if after is None else _place(after, wanted.uid)
        found: list[Violation] = []
        seen = 0
        while seen < MAX_SEEN:
            documents = await self._documents.query(replace(query, start_after=place))
            for document in documents:
                violation = self._record(document, wanted)
                if violation is not None:
                    if len(found) == limit:
                        return Page(found, _mark(place))
                    found.append(violation)
                place = document
            seen += len(documents)
            if len(documents) <= limit:
                return Page(found, None)
        return Page(found, _mark(place))

    def _record(self, document: Document, wanted: Wanted) -> Violation | None:
        """The record, if it is one that is wanted; of one user's, category and stage are looked at
        here, so that no index has to serve them."""
        if not live(document, self._clock.wall()):
            return None
        violation = _read(document)
        if violation is None:
            return None
        same = wanted.category in ("", violation.category)
        return violation if same and wanted.stage in ("", violation.stage.value) else None


def violation_of(uid: str, request_id: str, at: datetime, error: CodeexError) -> Violation | None:
    """The record of a request that ended in ``error``; None where that is no refusal.

    What the error does not say is taken for grave (P10: severity is always one of the four).
    """
    said = error.details
    match error:
        case InjectionDetected():
            kind, usual = Kind.INJECTION, PROMPT_INJECTION
        case SafetyViolation() if said.get("category") == PERSONAL_DATA:
            kind, usual = Kind.PERSONAL, PERSONAL_DATA
        case SafetyViolation():
            kind, usual = Kind.GUARD, Hazard.DANGEROUS_CONTENT.value
        case _:
            return None
    category = said.get("category", usual)
    return Violation(
        uid,
        request_id,
        at,
        kind,
        category if category in CATEGORIES else usual,
        _severity(said),
        Stage.OUTPUT if said.get("stage") == Stage.OUTPUT.value else Stage.INPUT,
    )


def _severity(said: Mapping[str, object]) -> Severity:
    word = said.get("severity")
    return Severity(str(word)) if word in Severity.__members__ else Severity.HIGH


def _query(wanted: Wanted) -> Query:
    if wanted.uid:
        return Query(f"users/{folder_of(wanted.uid)}/violations", order=_NEWEST_FIRST)
    filters = [
        Filter(name, "==", value)
        for name, value in (("category", wanted.category), ("stage", wanted.stage))
        if value
    ]
    return Query(GROUP, filters, _NEWEST_FIRST, group=True)


def _read(document: Document) -> Violation | None:
    """None: a record of no form this version knows."""
    data = document.data
    at, kind, stage = data.get("at"), data.get("kind"), data.get("stage")
    if not isinstance(at, datetime) or kind not in list(Kind) or stage not in list(Stage):
        return None
    return Violation(
        str(data.get("uid", "")),
        str(data.get("request_id", "")),
        at,
        Kind(str(kind)),
        str(data.get("category", "")),
        _severity(data),
        Stage(str(stage)),
    )


# ------------------------------------------------------------------------------------- pages


def _mark(place: Document | tuple[datetime, str] | None) -> str | None:
    """Where a page ended, as text for an address."""
    if not isinstance(place, Document):
        return None
    at = place.data.get("at")
    if not isinstance(at, datetime):
        return None
    text = f"{microseconds(at)} {place.path}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(after: str, uid: str) -> tuple[datetime, str]:
    """What ``_mark`` wrote. Raises ``InvalidRequest``."""
    try:
        padded = after + "=" * (-len(after) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        number, _, path = text.partition(" ")
        at = moment(int(number))
        segments = split_document(path)
    except (binascii.Error, ValueError, OverflowError, InvalidArgument):
        raise _no_page() from None
    below_users = len(segments) == 4 and segments[0] == "users" and segments[2] == GROUP
    if not below_users or (uid and segments[1] != folder_of(uid)):
        raise _no_page()
    return at, path


def _no_page() -> InvalidRequest:
    return InvalidRequest(
        "cursor: is not the end of a page; send the next of the page before, with the same filters",
        param="cursor",
    )
