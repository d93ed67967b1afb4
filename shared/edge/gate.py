"""What a signed-in caller has to pass before a handler: App Check, the state of the account, and a
captcha once it has become suspicious.

The first two are there only where the environment asks for them. None makes a network call for a
call of somebody it has just judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from msgspec import Struct

from shared.edge.app_check_rule import AppCheckRule
from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.captcha import Captcha
from shared.edge.revocation import Revocation
from shared.errors import CodeexError, InjectionDetected, RateLimited, SafetyViolation
from shared.limits.abuse import AbuseBook, abuse_caller
from shared.limits.abuse_score import Incident
from shared.limits.clients import Admission
from shared.safety.verdict import Stage
from shared.safety.violations import ViolationStore

# Everything else costs money or changes data (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD"})
# What counts against the caller when it ends a call.
INCIDENTS: dict[type[CodeexError], Incident] = {
    RateLimited: Incident.LIMIT_HIT,
    SafetyViolation: Incident.VIOLATION,
    InjectionDetected: Incident.INJECTION,
}


class Gate(Struct, frozen=True):
    """The rules, each None where it is not in force. ``abuse`` and ``captcha`` go together.
    ``violations`` keeps what was refused for safety."""

    app_check: AppCheckRule | None = None
    revocation: Revocation | None = None
    abuse: AbuseBook | None = None
    captcha: Captcha | None = None
    violations: ViolationStore | None = None

    async def enter(self, http: HttpRequest, call: Call) -> None:
        """Let the call pass.

        Raises ``Unauthenticated`` for a missing App Check token and a revoked account,
        ``CaptchaRequired`` for a suspicious caller, and ``StoreUnavailable`` where Google would
        have to say which, and does not.
        """
        if self.app_check is not None:
            await self.app_check.check(http, call.identity)
        if http.method in SAFE_METHODS:
            return
        if self.revocation is not None:
            await self.revocation.check(call.identity)
        if self.abuse is not None and self.abuse.any_blocked:
            await self._hold_up(http, call)

    async def asked(self, http: HttpRequest, call: Call, answer: Awaitable[Admission]) -> Admission:
        """``answer``, for which the store is asked what it knows of the caller's limit: what it
        knows of the caller otherwise comes with it. Raises as ``enter``."""
        caller = _suspect(call)
        if self.abuse is None or caller is None or not self.abuse.due(caller):
            return await answer
        told, _ = await asyncio.gather(answer, self.abuse.look(caller))
        await self._hold_up(http, call)
        return told

    async def failed(self, call: Call, error: CodeexError) -> None:
        """A call ended so: whether that is to be remembered, and whether it speaks against its
        caller. Never fails."""
        incident = INCIDENTS.get(type(error))
        if incident is None:
            return
        speaks = self._speaks_against(call, incident, error)
        if self.violations is None or incident is Incident.LIMIT_HIT:
            await speaks
        else:
            kept = self.violations.refused(call.identity.uid, call.request_id, error)
            await asyncio.gather(kept, speaks)

    async def _speaks_against(self, call: Call, incident: Incident, error: CodeexError) -> None:
        caller = _suspect(call)
        if self.abuse is None or caller is None or _not_by_caller(error):
            return
        if call.allowance is None or not call.allowance.shared:
            await self.abuse.note(caller, incident)

    async def _hold_up(self, http: HttpRequest, call: Call) -> None:
        caller = _suspect(call)
        if self.captcha is not None and caller is not None:
            await self.captcha.check(http, caller)


def _not_by_caller(error: CodeexError) -> bool:
    """What a model wrote is not its reader's doing."""
    return error.details.get("stage") == Stage.OUTPUT.value


def _suspect(call: Call) -> str | None:
    """Under what the caller's incidents gather; administrators are above suspicion."""
    if call.client is None or call.identity.admin:
        return None
    return abuse_caller(call.client)
