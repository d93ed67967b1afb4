"""What administrators have stored of the runtime configuration, version by version.

``config/runtime`` holds the newest: ``version``, ``patch`` (JSON text, on top of environment and
``CODEEX_CONFIG``), ``changed_at``, ``changed_by``. Each version has a copy of its own under
``config/runtime/history/{version}``, made in the same commit, so that any can be gone back to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field

from shared.clock import Clock
from shared.config import RuntimeConfig, SettingsError, merge_patch, survey_config
from shared.configuration.patching import difference, patched, same
from shared.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from shared.messages import JsonObject
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed
from shared.storage.paths import DOCUMENT_ID
from shared.storage.queries import Filter, Query
from shared.storage.values import Input
from shared.storage.writes import Create, Set, Write

PATH = "config/runtime"
HISTORY = f"{PATH}/history"
# Bytes of the stored patch: a document may hold 1 MiB, and every instance reads this one.
MAX_STORED_BYTES = 256 * 1024
# Problems told at once; who has more finds them in the next answer.
MAX_PROBLEMS = 100
# Characters of each: a name in it may be of any length.
MAX_PROBLEM = 500
# Administrators that change at the same moment, each of which may come first once.
ATTEMPTS = 12
# Seconds at most before another attempt, per attempt made: who met must part.
WAIT_S = 0.05
# Digits of a version in its document's id, so that ids sort as versions do.
_DIGITS = 10

Beside = Callable[[int], Sequence[Write]]
"""Writes that go with a change, in the same commit; it is given the version that is made."""


class Stored(Struct, frozen=True):
    """One version. 0: nothing was ever stored. ``changed_at`` is None for that one only."""

    version: int = 0
    patch: JsonObject = field(default_factory=dict)
    changed_at: datetime | None = None
    changed_by: str = ""


class Change(Struct, frozen=True):
    """A version and how it came about: ``change`` is what was different from the one before it;
    ``rolled_back_to`` names the version that was gone back to."""

    stored: Stored
    change: JsonObject
    rolled_back_to: int | None = None


class Outcome(Struct, frozen=True):
    """What is stored after a request to change it; ``made``: whether that made a version."""

    stored: Stored
    made: bool


class ConfigStore:
    """Reads and changes the stored configuration.

    ``base``: environment and ``CODEEX_CONFIG``, merged. ``validate`` says what of a configuration
    does not fit the catalog, a line each. ``documents`` may fail every call with
    ``StoreUnavailable``; a change that ended so may have been made.
    """

    __slots__ = ("_base", "_clock", "_documents", "_random", "_validate")

    def __init__(
        self,
        documents: DocumentStore,
        base: Mapping[str, object],
        validate: Callable[[RuntimeConfig], list[str]],
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._documents = documents
        self._base = base
        self._validate = validate
        self._clock = clock
        self._random = rng or random.Random()

    async def read(self, *, timeout_s: float = 5.0) -> Stored:
        """The newest version. Raises ``SettingsError`` where what is stored cannot be read."""
        document = await self._documents.get(PATH, timeout_s=timeout_s)
        return Stored() if document is None else _parsed(document)

    def effective(self, patch: JsonObject) -> RuntimeConfig:
        """The configuration with ``patch`` stored. Raises ``SettingsError`` with every problem,
        those with the catalog among them."""
        config, problems = survey_config(merge_patch(self._base, patch))
        problems += self._validate(config)
        if problems:
            raise SettingsError(problems)
        return config

    async def patch(self, change: JsonObject, by: str, beside: Beside | None = None) -> Outcome:
        """Merge ``change`` into what is stored, if all of the outcome is right.

        ``by`` is the pseudonym of who does it. One that changes nothing makes no version. Raises
        ``InvalidRequest`` naming every problem, and ``Conflict`` where others came first again and
        again; then, and only then or on ``StoreUnavailable``, another attempt may succeed.
        """
        return await self._change(lambda before: patched(before.patch, change), by, None, beside)

    async def rollback(self, version: int, by: str, beside: Beside | None = None) -> Outcome:
        """Store again what was stored as ``version`` (0: nothing), as a new version.

        Raises ``NotFound``, and as ``patch`` does: a version that does not fit any more, because
        environment or catalog have changed since, is refused.
        """
        wanted = Stored() if version == 0 else await self._version(version)
        return await self._change(lambda _: wanted.patch, by, version, beside)

    async def history(self, limit: int = 50) -> list[Change]:
        """The newest versions, the newest first."""
        newest = (await self.read()).version
        if newest == 0:
            return []
        # Ids are compared upwards only, so the lowest wanted is computed.
        first = _history_path(max(1, newest - limit + 1))
        query = Query(HISTORY, filters=[Filter(DOCUMENT_ID, ">=", first)])
        found = [_change(document) for document in await self._documents.query(query)]
        return found[: -limit - 1 : -1]

    async def _version(self, version: int) -> Stored:
        document = await self._documents.get(_history_path(version))
        if document is None:
            raise NotFound(
                f"there is no version {version} of the configuration; GET "
                "/admin/api/config/history lists those there are"
            )
        return _parsed(document)

    async def _change(
        self,
        decide: Callable[[Stored], JsonObject],
        by: str,
        rolled_back_to: int | None,
        beside: Beside | None,
    ) -> Outcome:
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(self._random.uniform(0.0, WAIT_S * attempt))
            document = await self._documents.get(PATH)
            before = self._before(document, rolled_back_to is not None)
            patch = decide(before)
            self._check(patch)
            if same(patch, before.patch) and rolled_back_to is None:
                return Outcome(before, made=False)
            now = datetime.fromtimestamp(self._clock.wall(), UTC)
            after = Stored(before.version + 1, patch, now, by)
            change = Change(after, difference(before.patch, patch), rolled_back_to)
            writes = _writes(document, change)
            if beside is not None:
                writes += beside(after.version)
            try:
                await self._documents.commit(writes)
            except PreconditionFailed:
                continue
            except StoreUnavailable as error:
                raise StoreUnavailable(
                    f"{error.message}; the change may have been made: read the configuration "
                    "before sending it again",
                    retry_after=error.retry_after,
                ) from error
            return Outcome(after, made=True)
        raise Conflict(
            "others are changing the configuration at the same time; read it and send the change "
            "again",
            retry_after=1.0,
        )

    def _before(self, document: Document | None, replaced: bool) -> Stored:
        """What is stored now. Where it is broken, it can still be replaced as a whole."""
        if document is None:
            return Stored()
        try:
            return _parsed(document)
        except SettingsError as error:
            version = document.data.get("version")
            if replaced and isinstance(version, int) and version > 0:
                return Stored(version)
            raise Conflict(
                f"{'; '.join(error.problems)}: roll back to a version of the history"
            ) from None

    def _check(self, patch: JsonObject) -> None:
        size = len(_text(patch).encode())
        if size > MAX_STORED_BYTES:
            raise InvalidRequest(
                f"the stored configuration would have {size:,} bytes, and {MAX_STORED_BYTES:,} are "
                "possible: take back entries that are not needed"
            )
        try:
            self.effective(patch)
        except SettingsError as error:
            raise refusal(error.problems) from None


def refusal(problems: Sequence[str]) -> InvalidRequest:
    """The error for a configuration with these problems, a line each."""
    told = [problem[:MAX_PROBLEM] for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        told.append(f"and {len(problems) - MAX_PROBLEMS:,} more")
    path, colon, _ = told[0].partition(": ")
    return InvalidRequest(
        "nothing was changed, because the configuration would not be right: " + "; ".join(told),
        param=path if colon else None,
    )


def _writes(document: Document | None, change: Change) -> list[Write]:
    after = change.stored
    data: dict[str, Input] = {
        "version": after.version,
        "patch": _text(after.patch),
        "changed_at": after.changed_at,
        "changed_by": after.changed_by,
    }
    copy: dict[str, Input] = {
        **data,
        "change": _text(change.change),
        "rolled_back_to": change.rolled_back_to,
    }
    newest = (
        Create(PATH, data) if document is None else Set(PATH, data, if_version=document.version)
    )
    return [newest, Create(_history_path(after.version), copy)]


def _history_path(version: int) -> str:
    return f"{HISTORY}/{version:0{_DIGITS}}"


def _text(value: JsonObject) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _parsed(document: Document) -> Stored:
    version, at = document.data.get("version"), document.data.get("changed_at")
    by = document.data.get("changed_by")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SettingsError([f"{document.path}: version is not a whole number from 1 on"])
    return Stored(
        version,
        _object(document, "patch"),
        at if isinstance(at, datetime) else document.updated_at,
        by if isinstance(by, str) else "",
    )


def _change(document: Document) -> Change:
    back = document.data.get("rolled_back_to")
    return Change(
        _parsed(document), _object(document, "change"), back if isinstance(back, int) else None
    )


def _object(document: Document, name: str) -> JsonObject:
    text = document.data.get(name)
    try:
        loaded: object = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise SettingsError([f"{document.path}: {name} is not the text of a JSON object"])
    return loaded
