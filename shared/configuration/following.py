"""How an instance keeps to the stored configuration (contract: within 30 s, at most three reads a
minute, none while idle).

Nothing runs beside requests: a request that finds the copy 25 s old begins a read and goes on, one
that finds it 30 s old waits for the read a little. The processor is throttled once a response has
left (LESSONS 21), so ``finish`` waits for the read before it does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from shared.clock import Clock
from shared.config import RuntimeConfig, SettingsError
from shared.configuration.stored import ConfigStore, Stored
from shared.errors import StoreUnavailable

_log = logging.getLogger("codeex.configuration")

# Contract, Runtime configuration: older than 25 s is read again; every instance follows in 30 s.
READ_AFTER_S = 25.0
OLD_AFTER_S = 30.0
# After a failed read; with 20 s three reads still make a minute, and clocks are not exact.
RETRY_AFTER_S = 21.0
# A request waits this long for a copy that is too old, then the last good one serves.
WAIT_S = 0.5
# A read that takes longer has failed.
READ_TIMEOUT_S = 2.0
# One that is older was frozen with its instance: what it brings is as old.
FROZEN_AFTER_S = 2 * READ_TIMEOUT_S


class ConfigFollower:
    """Reads the stored configuration when it is time, and hands over what has changed.

    ``initial`` (environment and ``CODEEX_CONFIG``) is in force until ``apply`` was called with
    another. ``apply`` gets checked configurations only. Not for use from several threads.
    """

    __slots__ = (
        "_apply",
        "_asked",
        "_clock",
        "_config",
        "_copied",
        "_next",
        "_reading",
        "_refused",
        "_silent",
        "_store",
        "version",
    )

    def __init__(
        self,
        store: ConfigStore,
        initial: RuntimeConfig,
        clock: Clock,
        apply: Callable[[RuntimeConfig], None],
    ) -> None:
        self._store = store
        self._config = initial
        self._clock = clock
        self._apply = apply
        self._asked = 0.0  # when the latest read began
        self._copied: float | None = None  # when the latest read that succeeded began
        self._next = clock.monotonic()  # when a read may begin
        self._reading: asyncio.Task[None] | None = None
        self._silent = False  # the store does not answer, and that is logged
        self._refused: int | None = None  # the version that is not right, and that is logged
        self.version = 0

    @property
    def config(self) -> RuntimeConfig:
        """The configuration in force."""
        return self._config

    async def ensure(self) -> None:
        """See to it that the configuration is the stored one of 30 s ago or later. Never fails."""
        now = self._clock.monotonic()
        if now >= self._next and now - self._asked > FROZEN_AFTER_S and self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if self._reading is None:
            if now < self._next:
                return
            self._asked, self._next = now, now + RETRY_AFTER_S
            self._reading = asyncio.get_running_loop().create_task(self._read(now))
        if self._copied is None or now - self._copied >= OLD_AFTER_S:
            left = self._asked + WAIT_S - now
            if left > 0:
                await asyncio.wait({self._reading}, timeout=left)

    @property
    def reading(self) -> bool:
        """Whether a read is under way."""
        return self._reading is not None

    async def finish(self) -> None:
        """Before a response ends: wait for the read under way, 2 s at the most."""
        if self._reading is not None:
            await asyncio.wait({self._reading})

    def take(self, stored: Stored) -> None:
        """Serve by what this instance has just stored."""
        if stored.version > self.version:
            self._take(stored, self._clock.monotonic())

    async def _read(self, began: float) -> None:
        try:
            stored = await self._store.read(timeout_s=READ_TIMEOUT_S)
        except StoreUnavailable as error:
            if not self._silent:
                _log.warning("The configuration cannot be read, the last one holds: %s", error)
            self._silent = True
        except SettingsError as error:
            self._refuse(-1, error)
        else:
            self._take(stored, began)
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    def _take(self, stored: Stored, began: float) -> None:
        self._silent = False
        if self._copied is not None and began < self._copied:
            return  # something newer came while this was read
        self._copied = began
        self._next = max(self._next, began + READ_AFTER_S)
        if stored.version == self._refused:
            return
        if stored.version == self.version:
            self._refused = None
            return
        try:
            config = self._store.effective(stored.patch)
        except SettingsError as error:
            self._refuse(stored.version, error)
            return
        self._apply(config)
        before, self._config = self._config, config
        self.version, self._refused = stored.version, None
        _log.info("Configuration %d is in force", stored.version)
        _tell_marks(before, config, stored)

    def _refuse(self, version: int, error: SettingsError) -> None:
        """Keep the last good one; said once for each version."""
        if self._refused != version:
            problems = "; ".join(error.problems)
            _log.error("The stored configuration is not right, the last one holds: %s", problems)
        self._refused = version


def _tell_marks(before: RuntimeConfig, after: RuntimeConfig, stored: Stored) -> None:
    """Models an administrator marked dead, or not any more, with the time (R11.5, R11.6)."""
    was = {name for name, override in before.models.items() if override.dead}
    now = {name for name, override in after.models.items() if override.dead}
    moment = stored.changed_at or datetime.fromtimestamp(0, UTC)
    at = moment.isoformat(timespec="seconds")
    for name in sorted(now - was):
        _log.warning("%s is DEAD since %s: marked by an administrator", name, at)
    for name in sorted(was - now):
        _log.warning("%s is no longer marked dead since %s, by an administrator", name, at)
