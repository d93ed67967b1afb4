"""What an instance does beside its requests, without a task that outlives them (LESSONS 21).

The processor is throttled once a response has left, so whatever is due begins with a request and
runs while a provider works for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from shared.configuration.following import ConfigFollower
from shared.errors import StoreUnavailable
from shared.limits.ledger import QuotaLedger
from shared.messages import JsonObject
from shared.pipeline.statistics import StatisticsFlusher
from shared.telemetry.log import JsonLog

_log = logging.getLogger("codeex.upkeep")


class Upkeep:
    """Follows the runtime configuration, stores figures, tells alerts."""

    __slots__ = ("_flushing", "_follower", "_ledger", "_log", "_statistics")

    def __init__(
        self,
        follower: ConfigFollower,
        statistics: StatisticsFlusher,
        ledger: QuotaLedger,
        log: JsonLog,
    ) -> None:
        self._follower = follower
        self._statistics = statistics
        self._ledger = ledger
        self._log = log
        self._flushing: asyncio.Task[None] | None = None

    async def before(self) -> None:
        """At the begin of each request: cheap unless something is due."""
        if self._statistics.due() and self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._store())
        await self._follower.ensure()

    def after(self) -> Awaitable[None] | None:
        """At the end of each request, before its last byte: what has to be finished first; None,
        nearly always: nothing has."""
        self._tell_alerts()
        if self._flushing is None and not self._follower.reading:
            return None
        return self._finish()

    async def _finish(self) -> None:
        if self._flushing is not None:
            await asyncio.wait({self._flushing})
        await self._follower.finish()

    async def flush(self) -> None:
        """Store all figures now."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing})
        await self._statistics.flush()

    async def _store(self) -> None:
        try:
            await self._statistics.flush()
        except StoreUnavailable:
            _log.warning("The figures of this instance could not be stored; they wait.")
        finally:
            self._flushing = None

    def _tell_alerts(self) -> None:
        for alert in self._ledger.alerts():
            fields: JsonObject = {
                "provider": alert.provider,
                "model": alert.model,
                "dimension": alert.dimension,
                "utilization": round(alert.used_share, 3),
            }
            self._log.warning("a limit is nearly used up", fields)
