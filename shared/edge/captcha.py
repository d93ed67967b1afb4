"""Suspicious callers must show that a person with one of the project's apps is there (R18.12).

A blocked caller reads 403 ``captcha_required`` until a fresh App Check token comes along: one that
was issued after the block began. It is used up at Google, so it works once, whichever instance it
comes to.
"""

from __future__ import annotations

import asyncio
import math

from shared.clock import Clock
from shared.edge.app_check import HEADER, AppCheck
from shared.edge.asgi import HttpRequest
from shared.errors import CaptchaRequired, Unauthenticated
from shared.limits.abuse import AbuseBook
from shared.limits.abuse_score import CLEARED_S, Standing

# A blocked caller may have been cleared at another instance. Who shows a valid token is looked up
# anew after this many seconds, who does not after the longer time: 60 reads a block at the most.
LOOK_AGAIN_S = 1.0
LOOK_AGAIN_IDLE_S = 15.0

_HOW = (
    "send a fresh App Check token in the header X-Firebase-AppCheck with your next request "
    "(getLimitedUseToken of Firebase's App Check SDK); it opens the way for "
    f"{CLEARED_S / 60:.0f} minutes"
)
NOT_SHOWN = "too much of what you sent had to be refused"
NOT_VALID = "the App Check token is not valid"
NOT_FRESH = "the App Check token was issued before you were blocked"
NOT_NEW = "the App Check token has been used before"


class Captcha:
    """Holds blocked callers up, and lets them go on."""

    __slots__ = ("_app_check", "_book", "_clearing", "_clock")

    def __init__(self, book: AbuseBook, app_check: AppCheck, clock: Clock) -> None:
        self._book = book
        self._app_check = app_check
        self._clock = clock
        self._clearing: dict[str, asyncio.Task[None]] = {}

    async def check(self, http: HttpRequest, caller: str) -> None:
        """Raises ``CaptchaRequired`` for a blocked caller without a token that clears the block,
        and ``StoreUnavailable`` where Google does not say whether it is one."""
        if self._book.blocked(caller) is None:
            return
        token = http.header(HEADER)
        issued, fault = None, NOT_SHOWN
        if token:
            try:
                issued = (await self._app_check.verify(token)).issued
            except Unauthenticated:
                fault = NOT_VALID
        await self._book.look(caller, LOOK_AGAIN_IDLE_S if issued is None else LOOK_AGAIN_S)
        block = self._book.blocked(caller)
        if block is None:
            return
        if token is None or issued is None:
            raise self._required(block, fault)
        if not block.is_fresh(issued):
            raise self._required(block, NOT_FRESH)
        await self._clear(caller, token)
        block = self._book.blocked(caller)
        if block is not None:
            raise self._required(block, NOT_NEW)

    async def _clear(self, caller: str, token: str) -> None:
        """One at a time for a caller, whose page may send its token with many requests at once."""
        running = self._clearing.get(caller)
        if running is None:
            running = asyncio.create_task(self._use_up(caller, token))
            self._clearing[caller] = running
        await asyncio.shield(running)

    async def _use_up(self, caller: str, token: str) -> None:
        try:
            if await self._app_check.use_up(token):
                await self._book.clear(caller)
            else:
                # Perhaps for this very block, a moment ago at another instance.
                await self._book.look(caller, 0.0)
        finally:
            del self._clearing[caller]

    def _required(self, block: Standing, what: str) -> CaptchaRequired:
        left = max(1.0, block.blocked_until - self._clock.wall())
        return CaptchaRequired(
            f"{what}: {_HOW}. Without one, wait {math.ceil(left / 60)} min",
            retry_after=left,
        )
