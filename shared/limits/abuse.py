"""Callers' records of abuse, shared by all instances: ``abuse/{caller}`` (R18.12).

Who causes no incident costs nothing but, at an instance that has to ask for the caller's limit
anyhow (more than two requests a minute there), one read a minute beside that. Incidents gather in
the instance and are written a quarter of the threshold at a time, so a block takes four writes; n
instances may let THRESHOLD + STEP * (n - 1) pass before it begins. Blocks are kept in memory, where
every request of a known caller looks.

Abuse must not take the service down: without the store each instance judges by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.limits.abuse_score import (
    THRESHOLD,
    WEIGHTS,
    Incident,
    Standing,
    faded,
    standing_of,
)
from shared.limits.clients import ClientKey
from shared.storage.document import EXPIRES_AT, Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument, PreconditionFailed
from shared.storage.paths import split_document
from shared.storage.values import Changes

COLLECTION = "abuse"
# Incidents are written when they weigh this much together.
STEP = THRESHOLD / 4
# Seconds for which what was read of a caller is good: a block reaches an instance within this time.
KNOWN_S = 60.0
# A request waits so long for the store (seconds), then the instance judges by itself.
PATIENCE_S = 1.0
# Nothing of a record matters after a day: the score has halved 288 times.
KEPT = timedelta(days=1)
# Callers remembered; who was not seen for longest is forgotten first.
REMEMBERED = 20_000
BLOCKED, CLEARED = "blocked", "captcha_cleared"


class _Caller(Struct):
    """``pending``: weight of incidents not yet written, as of ``pending_at`` (Unix seconds).
    ``read_at``: monotonic seconds of the latest read or write."""

    standing: Standing = field(default_factory=Standing)
    pending: float = 0.0
    pending_at: float = 0.0
    read_at: float = float("-inf")
    writing: bool = False

    def at_threshold(self, now: float) -> bool:
        """Whether what is pending begins a block, as far as this instance knows."""
        standing = self.standing
        return (
            self.pending > 0
            and standing.score_at(now) + self.pending >= THRESHOLD
            and not standing.blocked(now)
        )


class AbuseBook:
    """Keeps records at one instance. Belongs to one event loop. ``count`` is told of each block
    that began and each that was cleared here."""

    __slots__ = ("_blocked", "_callers", "_clock", "_count", "_documents")

    def __init__(
        self, documents: DocumentStore, clock: Clock, count: Callable[[str], None]
    ) -> None:
        self._documents = documents
        self._clock = clock
        self._count = count
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
        # Whose block this instance knows of. Nearly always empty, and asked by every request.
        self._blocked: dict[str, Standing] = {}

    def blocked(self, caller: str) -> Standing | None:
        """The block in force, as far as this instance knows; asks nobody."""
        standing = self._blocked.get(caller)
        if standing is None or standing.blocked(self._clock.wall()):
            return standing
        if self._clock.wall() >= standing.blocked_until:
            del self._blocked[caller]
        return None

    @property
    def any_blocked(self) -> bool:
        """Whether there can be a block at all."""
        return bool(self._blocked)

    async def note(self, caller: str, incident: Incident) -> None:
        """Something happened. Writes only when enough has; never fails."""
        known = self._caller(caller)
        now = self._clock.wall()
        gathered = faded(known.pending, max(0.0, now - known.pending_at))
        known.pending, known.pending_at = gathered + WEIGHTS[incident], now
        if known.writing:
            return
        known.writing = True
        try:
            while known.pending >= STEP or known.at_threshold(self._clock.wall()):
                weight, known.pending = known.pending, 0.0
                await self._add(caller, known, weight)
        finally:
            known.writing = False

    def due(self, caller: str) -> bool:
        """Whether ``look`` would read."""
        known = self._callers.get(caller)
        return known is None or self._clock.monotonic() - known.read_at >= KNOWN_S

    async def look(self, caller: str, older_than_s: float = KNOWN_S) -> None:
        """Read the record unless it was read within that time; never fails."""
        known = self._caller(caller)
        if self._clock.monotonic() - known.read_at < older_than_s:
            return
        known.read_at = self._clock.monotonic()
        try:
            document = await self._documents.get(_path(caller), timeout_s=PATIENCE_S)
        except StoreUnavailable:
            return
        self._keep(caller, known, _standing(document))

    async def clear(self, caller: str) -> None:
        """A token was shown: let the caller pass, at all instances; never fails."""
        known = self._caller(caller)
        known.pending = 0.0
        self._count(CLEARED)
        await self._change(caller, known, lambda standing, now: standing.cleared(now))

    # -------------------------------------------------------------------------------- inside

    async def _add(self, caller: str, known: _Caller, weight: float) -> None:
        before = self.blocked(caller)
        await self._change(caller, known, lambda standing, now: standing.after(weight, now))
        block = self.blocked(caller)
        if block is not None and before is None and block.blocked_at == block.at:
            self._count(BLOCKED)

    async def _change(
        self, caller: str, known: _Caller, change: Callable[[Standing, float], Standing]
    ) -> None:
        now = self._clock.wall()
        made = Standing()

        def decide(document: Document | None) -> Changes:
            nonlocal made
            made = change(_standing(document), now)
            return {**made.stored(), EXPIRES_AT: datetime.fromtimestamp(now, UTC) + KEPT}

        try:
            await self._documents.change(_path(caller), decide, timeout_s=PATIENCE_S)
        except (StoreUnavailable, PreconditionFailed):
            made = change(known.standing, now)
        known.read_at = self._clock.monotonic()
        self._keep(caller, known, made)

    def _keep(self, caller: str, known: _Caller, standing: Standing) -> None:
        known.standing = standing
        if self._clock.wall() < standing.blocked_until:
            self._blocked[caller] = standing
        else:
            self._blocked.pop(caller, None)

    def _caller(self, caller: str) -> _Caller:
        known = self._callers.get(caller)
        if known is not None:
            self._callers.move_to_end(caller)
            return known
        known = self._callers[caller] = _Caller()
        if len(self._callers) > REMEMBERED:
            forgotten, _ = self._callers.popitem(last=False)
            self._blocked.pop(forgotten, None)
        return known


def abuse_caller(key: ClientKey) -> str:
    """Under what a caller's incidents gather: the account, or for anonymous accounts, of which
    anybody can make any number, the pseudonym of the address."""
    if key.signed_in or not key.address:
        return f"u-{key.user}"
    return f"a-{key.address}"


def _path(caller: str) -> str:
    path = f"{COLLECTION}/{caller}"
    try:
        if len(split_document(path)) == 2:
            return path
    except InvalidArgument:
        pass
    return f"{COLLECTION}/x-{caller.encode('utf-8', 'surrogatepass').hex()[:1000]}"


def _standing(document: Document | None) -> Standing:
    return Standing() if document is None else standing_of(document.data)
