"""What identity costs: microseconds for a caller who was just judged, and the store's time."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path

from shared.edge.app_check import HEADER
from shared.edge.app_check_rule import AppCheckRule
from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.captcha import Captcha
from shared.edge.gate import Gate
from shared.edge.identity import Identity, bearer_token
from shared.edge.revocation import Account, Revocation
from shared.limits.abuse import AbuseBook
from shared.limits.abuse_score import Incident
from shared.limits.clients import ClientKey
from shared.messages import JsonObject
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog
from tests.support.app_check_world import app_check
from tests.support.edge_driver import House
from tests.support.stores import memory_store
from tests.support.tokens import app_claims, sign
from tests.support.virtual_time import START_WALL, ManualClock, run_virtual


async def _receive() -> dict[str, object]:
    raise AssertionError("nothing is read")


async def _lookup(uid: str) -> Account:
    return Account(False, 0.0)


async def test_a_caller_who_was_just_judged_passes_in_under_a_tenth_of_a_millisecond() -> None:
    """All of it on: App Check, revocation, and somebody else blocked."""
    clock = ManualClock()
    store = memory_store(clock)
    checker = app_check(clock)
    book = AbuseBook(store, clock, lambda incident: None)
    for _ in range(4):
        await book.note("u-mallory", Incident.INJECTION)
    assert book.any_blocked
    log = JsonLog(io.BytesIO(), clock, "INFO")
    gate = Gate(
        AppCheckRule(checker, "true", clock, Counters(clock), log),
        Revocation(_lookup, clock),
        book,
        Captcha(book, checker, clock),
    )
    token = sign(app_claims(), "app-1").encode()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(HEADER, token)]}
    http = HttpRequest(scope, _receive)
    call = Call("r", "POST", "/", 0.0, Identity("alice", auth_time=START_WALL))
    call.client = ClientKey("alice", "pseudonym")
    await gate.enter(http, call)
    best = float("inf")
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(50):
            await gate.enter(http, call)
        best = min(best, (time.perf_counter() - begun) / 50)
    assert best < 1e-4
    await store.close()


class _AnyUser:
    async def authenticate(self, authorization: str | None) -> Identity:
        return Identity(bearer_token(authorization))


async def _chats(folder: Path, users: int, seconds: int, every: float) -> tuple[float, float, int]:
    """Reads and writes a chat over that time, a chat ``every`` so many seconds by turns of the
    users, under callers' and provider's limits; and what of it is abuse's."""
    config = folder / "config.json"
    config.write_text('{"limits": {"groq": {"rpm": 600, "rpd": 1000000}}}')
    house = House(authenticator=_AnyUser(), limited=True, CODEEX_CONFIG=str(config))
    total = int(seconds / every)
    for number in range(total):
        body: JsonObject = {
            "model": "groq-gpt-oss-120b",
            "messages": [{"role": "user", "content": "Hello!"}],
        }
        headers = {"authorization": f"Bearer u{number % users}"}
        sent = await house.call("/v1/chat/completions", body, headers=headers)
        assert sent.status == 200
        await asyncio.sleep(every)
    operations = house.services.stores.documents.operations
    tally = operations.total()
    abuse = operations.of("abuse")
    await house.services.close()
    return tally.reads / total, tally.writes / total, abuse.reads + abuse.writes


def test_the_stores_operations_keep_to_their_budget_when_busy(tmp_path: Path) -> None:
    """300 users, five chats a second: at most half a read and half a write a chat."""
    reads, writes, abuse = run_virtual(_chats(tmp_path, 300, 300, 0.2))
    assert reads <= 0.5
    assert writes <= 0.5
    assert abuse == 0


def test_the_stores_operations_keep_to_their_budget_at_a_trickle(tmp_path: Path) -> None:
    """One user, a chat a minute, or six: at most four reads and three writes a chat."""
    for every in (60.0, 10.0):
        reads, writes, abuse = run_virtual(_chats(tmp_path, 1, 1200, every))
        assert reads <= 4
        assert writes <= 3
        assert abuse <= 1200 / 60
