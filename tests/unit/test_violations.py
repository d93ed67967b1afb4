"""Violations: what is kept of a refusal, what administrators find, and what speaks against whom."""

from __future__ import annotations

import asyncio
import io
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Send

from shared.clock import Clock, Deadline
from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.chat_job import ChatJobHandler
from shared.edge.cors import CorsPolicy
from shared.edge.gate import Gate
from shared.edge.identity import Identity, bearer_token
from shared.errors import (
    AllModelsFailed,
    CodeexError,
    InjectionDetected,
    InvalidRequest,
    SafetyViolation,
    StoreUnavailable,
)
from shared.jobs.job import State
from shared.limits.abuse import AbuseBook
from shared.limits.abuse_score import WEIGHTS, Incident
from shared.messages import ChatRequest, ChatResult, JsonObject
from shared.pipeline.chat import ChatPipeline
from shared.pipeline.context import RequestContext
from shared.safety.verdict import Severity
from shared.safety.violations import (
    CATEGORIES,
    KEPT,
    Kind,
    Violation,
    ViolationStore,
    Wanted,
    violation_of,
)
from shared.storage.documents import DocumentStore
from shared.storage.values import Changes
from shared.telemetry.log import JsonLog
from tests.support.asgi_client import call
from tests.support.edge_driver import Lines
from tests.support.job_world import UID, JobWorld
from tests.support.stores import memory_store
from tests.support.virtual_time import ManualClock, VirtualClock, run_virtual

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WORDS = st.text(string.printable, max_size=20)
TEXT = "how to build the thing"


@pytest.fixture
async def documents(documents: DocumentStore) -> DocumentStore:
    """With its connection made: a record waits a second only, and the first call makes one."""
    await documents.get("users/nobody")
    return documents


def refusal(
    category: str = "VIOLENCE", severity: str = "HIGH", stage: str = "input"
) -> SafetyViolation:
    details = {"category": category, "severity": severity, "stage": stage}
    return SafetyViolation(f"refused: {TEXT}", details=details)


def store_of(documents: DocumentStore, clock: ManualClock | None = None) -> ViolationStore:
    return ViolationStore(documents, clock or ManualClock(), JsonLog(io.BytesIO(), ManualClock()))


async def filled(documents: DocumentStore, clock: ManualClock) -> ViolationStore:
    """Ten of two users, a minute apart: categories and stages alternate."""
    store = store_of(documents, clock)
    for number in range(10):
        error = refusal(
            "VIOLENCE" if number % 2 else "SELF_HARM", stage="output" if number % 3 else "input"
        )
        await store.refused(f"user{number % 2}", f"req_{number}", error)
        clock.advance(60.0)
    return store


def requests(found: list[Violation]) -> list[int]:
    return [int(one.request_id.removeprefix("req_")) for one in found]


# -------------------------------------------------------------------------------- what it is


@given(
    st.sampled_from((SafetyViolation, InjectionDetected)),
    st.dictionaries(st.sampled_from(("category", "severity", "stage", "x")), WORDS),
)
def test_p10_a_violation_has_one_of_four_severities(
    kind: type[CodeexError], details: dict[str, str]
) -> None:
    found = violation_of("u", "r", AT, kind("no", details=details))
    assert found is not None
    assert found.severity in list(Severity)
    assert found.category in CATEGORIES
    assert found.to_json()["severity"] in {"LOW", "MEDIUM", "HIGH", "CRITICAL"}


@pytest.mark.parametrize(
    ("error", "kind", "category"),
    [
        (refusal("SELF_HARM"), Kind.GUARD, "SELF_HARM"),
        (refusal("PERSONAL_DATA", stage="output"), Kind.PERSONAL, "PERSONAL_DATA"),
        (InjectionDetected("no"), Kind.INJECTION, "PROMPT_INJECTION"),
        (SafetyViolation("no"), Kind.GUARD, "DANGEROUS_CONTENT"),
    ],
)
def test_who_refused_and_why(error: CodeexError, kind: Kind, category: str) -> None:
    found = violation_of("u", "r", AT, error)
    assert found is not None
    assert (found.kind, found.category) == (kind, category)


def test_other_errors_are_no_violations() -> None:
    for error in (AllModelsFailed("x"), InvalidRequest("x"), StoreUnavailable("x")):
        assert violation_of("u", "r", AT, error) is None


# ------------------------------------------------------------------------------ what is kept


async def test_no_word_of_the_text_is_kept(documents: DocumentStore) -> None:
    clock = ManualClock()
    store = store_of(documents, clock)
    await store.refused("alice", "req_1", refusal())
    (found,) = (await store.newest(Wanted(), 10)).found
    kept = await documents.get(f"users/alice/violations/{found.id}")
    assert kept is not None
    assert TEXT not in repr(kept.data)
    assert kept.data["expires_at"] == found.at + KEPT
    assert found.at.timestamp() == clock.wall()
    assert set(kept.data) == {
        "uid", "request_id", "at", "kind", "category", "severity", "stage", "expires_at",
    }  # fmt: skip


async def test_a_request_told_twice_is_one_violation(documents: DocumentStore) -> None:
    store = store_of(documents)
    for _ in range(2):
        await store.refused("alice", "req_1", refusal())
    assert len((await store.newest(Wanted(), 10)).found) == 1


async def test_a_user_whose_id_could_be_no_document_has_a_history(documents: DocumentStore) -> None:
    store = store_of(documents)
    await store.refused("a/b", "req_1", refusal())
    assert requests((await store.newest(Wanted(uid="a/b"), 10)).found) == [1]
    assert (await store.newest(Wanted(), 10)).found[0].uid == "a/b"


class DownStore(DocumentStore):
    """Takes no writes."""

    async def create(self, path: str, data: Changes, *, timeout_s: float = 5.0) -> int:
        assert timeout_s <= 1.0
        raise StoreUnavailable("down")


async def test_a_store_that_is_down_costs_the_record_and_is_logged() -> None:
    lines = Lines()
    store = ViolationStore(
        DownStore(memory_store().backend), ManualClock(), JsonLog(lines, ManualClock())
    )
    await store.refused("alice", "req_1", refusal())
    (line,) = lines.json()
    assert (line["message"], line["request_id"]) == ("violation not kept", "req_1")
    assert "alice" not in lines.data.decode()


# ----------------------------------------------------------------------------- what is found


async def test_newest_first_in_pages_that_miss_and_repeat_nothing(
    documents: DocumentStore,
) -> None:
    store = await filled(documents, ManualClock())
    seen: list[int] = []
    after: str | None = None
    for size in (4, 4, 2):
        page = await store.newest(Wanted(), 4, after)
        assert len(page.found) == size
        seen += requests(page.found)
        after = page.after
    assert seen == list(range(9, -1, -1))
    assert after is None


@pytest.mark.parametrize("uid", ["", "user0", "user1"])
@pytest.mark.parametrize("category", ["", "VIOLENCE", "HATE_SPEECH"])
@pytest.mark.parametrize("stage", ["", "input", "output"])
async def test_filters_hold_together(
    documents: DocumentStore, uid: str, category: str, stage: str
) -> None:
    store = await filled(documents, ManualClock())
    expected = [
        number
        for number in range(9, -1, -1)
        if uid in ("", f"user{number % 2}")
        and category in ("", "VIOLENCE" if number % 2 else "SELF_HARM")
        and stage in ("", "output" if number % 3 else "input")
    ]
    seen: list[int] = []
    after: str | None = None
    while True:
        page = await store.newest(Wanted(category, stage, uid), 2, after)
        assert len(page.found) <= 2
        seen += requests(page.found)
        after = page.after
        if after is None:
            break
    assert seen == expected


async def test_expired_ones_are_gone_before_the_store_takes_them(
    documents: DocumentStore,
) -> None:
    clock = ManualClock()
    store = await filled(documents, clock)
    clock.advance(KEPT.total_seconds() - 5 * 60.0)
    assert requests((await store.newest(Wanted(), 50)).found) == [9, 8, 7, 6]


@pytest.mark.parametrize(
    "cursor",
    ["x", "====", "é", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkgYS9i", "MSBhdWRpdC9iL2MvZA"],
)
async def test_a_cursor_of_no_page_is_refused(documents: DocumentStore, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        await store_of(documents).newest(Wanted(), 5, cursor)
    assert told.value.param == "cursor"


async def test_a_cursor_leads_nowhere_but_to_the_user_it_is_of(documents: DocumentStore) -> None:
    store = await filled(documents, ManualClock())
    page = await store.newest(Wanted(uid="user0"), 2)
    with pytest.raises(InvalidRequest):
        await store.newest(Wanted(uid="user1"), 2, page.after)


# ------------------------------------------------------------------------------- at the edge


class _AnyUser:
    async def authenticate(self, authorization: str | None) -> Identity:
        return Identity(bearer_token(authorization))


def edge(documents: DocumentStore, error: CodeexError) -> EdgeApp:
    """A function whose one path ends in ``error``."""

    async def refuse(http: HttpRequest, send: Send, call: Call) -> None:
        raise error

    clock = ManualClock()
    gate = Gate(
        abuse=AbuseBook(documents, clock, lambda name: None), violations=store_of(documents, clock)
    )
    return EdgeApp(
        EdgeParts(
            function="chat",
            routes=Routes(exact={"/ask": {"POST": refuse}}, patterns={}),
            authenticator=_AnyUser(),
            clock=clock,
            new_request_id=lambda given: given or "req_7",
            record=lambda call: None,
            record_crash=lambda call, error: None,
            cors=CorsPolicy(()),
            gate=gate,
        )
    )


@pytest.mark.parametrize(
    ("error", "kept", "score"),
    [
        (refusal(), 1, WEIGHTS[Incident.VIOLATION]),
        (refusal(stage="output"), 1, 0.0),
        (InjectionDetected("no"), 1, WEIGHTS[Incident.INJECTION]),
        (AllModelsFailed("no"), 0, 0.0),
    ],
)
async def test_a_refusal_is_kept_and_speaks_against_who_wrote_it(
    documents: DocumentStore, error: CodeexError, kept: int, score: float
) -> None:
    """R18.12: what a model wrote is not its reader's doing. Two make the least that is written."""
    app = edge(documents, error)
    headers = {"authorization": "Bearer alice"}
    for number in range(2):
        request = {**headers, "x-request-id": f"req_{number}"}
        answer = await call(app, "/ask", "POST", headers=request)
        assert answer.status == error.status
    page = await store_of(documents).newest(Wanted(uid="alice"), 10)
    assert len(page.found) == 2 * kept
    record = await documents.get("abuse/u-alice")
    assert (record.data["score"] if record else 0.0) == 2 * score


async def test_who_causes_no_refusal_costs_nothing(documents: DocumentStore) -> None:
    app = edge(documents, AllModelsFailed("no"))
    before = documents.operations.total()
    await call(app, "/ask", "POST", headers={"authorization": "Bearer alice"})
    total = documents.operations.total()
    assert (total.reads, total.writes) == (before.reads, before.writes)


# -------------------------------------------------------------------------------- in the worker


class Refusing(ChatPipeline):
    """Refuses every request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def begin(
        self, request: ChatRequest, request_id: str, started: float, tier: str, uid: str = ""
    ) -> RequestContext:
        return RequestContext(
            request_id, self._clock, started, Deadline(self._clock, started + 50.0), tier
        )

    async def complete(self, request: ChatRequest, context: RequestContext) -> ChatResult:
        raise refusal()


def test_what_a_job_is_refused_for_is_its_owners_violation() -> None:
    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        documents = memory_store(clock)
        violations = ViolationStore(documents, clock, JsonLog(io.BytesIO(), clock))
        handler = ChatJobHandler(
            Refusing(clock), clock, lambda call: None, Gate(violations=violations).failed
        )
        world = JobWorld(documents, clock)
        process = world.process({"chat": handler})
        body: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": TEXT}]}
        job = await process.queue.submit(UID, "chat", body, priority=5, request_id="req_1")
        await world.settle(process)
        assert (await process.queue.get(UID, job.id)).state is State.FAILED
        page = await violations.newest(Wanted(uid=UID), 10)
        assert [(one.request_id, one.category) for one in page.found] == [("req_1", "VIOLENCE")]

    run_virtual(main())
