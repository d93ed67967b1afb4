"""What ``REQUIRE_APP_CHECK`` asks of every call of a signed-in caller: nothing, a note, a token.

``log`` is for finding out who would be refused before anybody is: calls without a valid token are
counted, and said once a minute in one line. API keys are let through: a server has no app that
could attest for it, and the key is a secret already.
"""

from __future__ import annotations

from typing import Literal

from shared.clock import Clock
from shared.edge.app_check import HEADER, AppCheck
from shared.edge.asgi import HttpRequest
from shared.edge.identity import Identity
from shared.errors import StoreUnavailable, Unauthenticated
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog

# Seconds between two lines of the log mode.
TELL_EVERY_S = 60.0
MISSING, INVALID, UNCHECKED = "app_check_missing", "app_check_invalid", "app_check_unchecked"


class AppCheckRule:
    """``mode`` is what the environment says; with "off" there is no rule."""

    __slots__ = ("_app_check", "_calls", "_clock", "_counters", "_found", "_log", "_mode", "_since")

    def __init__(
        self,
        app_check: AppCheck,
        mode: Literal["log", "true"],
        clock: Clock,
        counters: Counters,
        log: JsonLog,
    ) -> None:
        self._app_check = app_check
        self._mode = mode
        self._clock = clock
        self._counters = counters
        self._log = log
        self._calls = 0
        self._found: dict[str, int] = {}
        self._since = clock.monotonic()

    async def check(self, http: HttpRequest, identity: Identity) -> None:
        """Let the call pass or raise ``Unauthenticated``; ``StoreUnavailable`` while Google's keys
        cannot be had. In the log mode nothing is raised."""
        if identity.by_key:
            return
        self._calls += 1
        token = http.header(HEADER)
        try:
            await self._app_check.verify(token)
        except Unauthenticated:
            self._note(INVALID if token else MISSING)
            if self._mode == "true":
                raise
        except StoreUnavailable:
            self._note(UNCHECKED)
            if self._mode == "true":
                raise
        if self._found and self._clock.monotonic() - self._since >= TELL_EVERY_S:
            self._tell()

    def _note(self, what: str) -> None:
        self._counters.note(what)
        if not self._found:
            # A minute's worth is told; what was fine before the first trouble is not.
            self._since, self._calls = self._clock.monotonic(), 1
        self._found[what] = self._found.get(what, 0) + 1

    def _tell(self) -> None:
        refused = self._mode == "true"
        self._log.warning(
            "calls without a valid App Check token were "
            + ("refused" if refused else "let through, since REQUIRE_APP_CHECK is log"),
            {"calls": self._calls, **self._found},
        )
        self._found, self._calls = {}, 0
