"""A job: what is kept of it, what its owner sees of it, and which moves it can make.

States are those of the contract. Every move gives a new ``Job``; the store writes it only over the
version it was made from, so of two who move one job at once only one succeeds. Times are Unix
seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import orjson
from msgspec import Struct
from msgspec.structs import replace

from shared.errors import CodeexError
from shared.messages import JsonObject
from shared.storage.values import Data, Input

DAY_S = 86_400.0
# A finished job can be fetched for a week; an unfinished one is given up by nobody before a month.
KEPT_S = 7 * DAY_S
UNFINISHED_S = 30 * DAY_S
# A ticket that has not led to a claim after this long is taken for lost.
TICKET_LOST_S = 120.0
# How far the clocks of two instances may differ before one takes the other's work for abandoned.
SKEW_S = 10.0
# Contract, A job, and the two queues of ARCHITECTURE, Durable work.
KINDS = ("chat", "document", "video", "batch")
INTERACTIVE, BULK = "interactive", "bulk"


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self not in (State.QUEUED, State.RUNNING)


class Job(Struct, frozen=True):
    """One job as it was read. ``version`` 0: not stored yet.

    ``claim`` names the worker's run that holds it, or that finished it; ``lease_until`` is when
    others may take it from there. ``due`` is when the sweep looks at it. ``attempts`` counts runs
    that began and were not given back for want of capacity (``holds`` counts those); of them
    ``lost`` are those whose worker died. ``payload``
    and ``result`` are JSON as text, or empty where ``payload_blob`` or ``result_blob`` names it.
    """

    uid: str
    id: str
    kind: str
    queue: str
    state: State
    priority: int
    tier: str
    admin: bool
    request_id: str
    created: float
    expires: float
    payload: str = ""
    payload_blob: str = ""
    not_before: float = 0.0
    due: float = 0.0
    started: float | None = None
    finished: float | None = None
    done: int = 0
    total: int = 1
    attempts: int = 0
    lost: int = 0
    holds: int = 0
    claim: str = ""
    lease_until: float = 0.0
    result: str = ""
    result_blob: str = ""
    error: str = ""
    version: int = 0

    @property
    def path(self) -> str:
        """Where it is kept."""
        return job_path(self.uid, self.id)

    def held_by(self, claim: str) -> bool:
        """Whether that run may still write."""
        return self.state is State.RUNNING and self.claim == claim

    # ------------------------------------------------------------------------------- moves

    def claimed(self, claim: str, now: float, lease_s: float) -> Job:
        """Taken by a worker's run."""
        return replace(
            self,
            state=State.RUNNING,
            claim=claim,
            lease_until=now + lease_s,
            due=now + lease_s + SKEW_S,
            attempts=self.attempts + 1,
            started=now if self.started is None else self.started,
        )

    def renewed(self, now: float, lease_s: float) -> Job:
        """Held for longer."""
        return replace(self, lease_until=now + lease_s, due=now + lease_s + SKEW_S)

    def advanced(self, now: float, lease_s: float) -> Job:
        """One step further. A job of unknown length grows as it goes."""
        done = self.done + 1
        return replace(self.renewed(now, lease_s), done=done, total=max(self.total, done))

    def requeued(self, now: float, delay_s: float, *, counted: bool) -> Job:
        """Back in the queue for ``delay_s``. Not ``counted``: there was no capacity, and that is no
        attempt."""
        return replace(
            self,
            state=State.QUEUED,
            claim="",
            lease_until=0.0,
            not_before=now + delay_s,
            due=now + delay_s + TICKET_LOST_S,
            attempts=self.attempts if counted else max(0, self.attempts - 1),
            holds=self.holds if counted else self.holds + 1,
        )

    def abandoned(self, now: float, delay_s: float) -> Job:
        """Back in the queue because its worker died."""
        return replace(self.requeued(now, delay_s, counted=True), lost=self.lost + 1)

    def ticketed(self, now: float) -> Job:
        """With a new ticket under way."""
        return replace(self, due=now + TICKET_LOST_S)

    def succeeded(self, now: float, result: str, result_blob: str) -> Job:
        """Ended with a result."""
        whole = max(self.total, self.done, 1)
        ended = self._ended(State.SUCCEEDED, now)
        return replace(ended, result=result, result_blob=result_blob, done=whole, total=whole)

    def failed(self, now: float, error: CodeexError) -> Job:
        """Ended with an error object, as a client would have been told it (contract, Errors)."""
        body: JsonObject = {
            "message": error.message,
            "type": error.type,
            "code": error.code,
            "param": error.param,
            "request_id": self.request_id,
        }
        for name, value in error.details.items():
            body.setdefault(name, value)
        return replace(self._ended(State.FAILED, now), error=orjson.dumps(body).decode())

    def cancelled(self, now: float) -> Job:
        """Ended by its owner; whoever held it holds it no more."""
        return replace(self._ended(State.CANCELLED, now), claim="")

    def _ended(self, state: State, now: float) -> Job:
        # What was asked is of no more use, and is its owner's: it goes at once.
        return replace(
            self,
            state=state,
            finished=now,
            expires=now + KEPT_S,
            lease_until=0.0,
            payload="",
            payload_blob="",
        )

    # ------------------------------------------------------------------------------- forms

    def to_json(
        self,
        *,
        position: int | None = None,
        wait_s: float | None = None,
        result_url: str | None = None,
    ) -> JsonObject:
        """The contract's job; what is not known is left out."""
        body: JsonObject = {
            "id": self.id,
            "object": "job",
            "kind": self.kind,
            "status": self.state.value,
            "progress": {"done": self.done, "total": self.total},
            "created_at": int(self.created),
            "expires_at": int(self.expires),
            "attempts": self.attempts,
        }
        if self.state is State.QUEUED and position is not None:
            body["position"] = max(0, position)
        if self.state is State.QUEUED and wait_s is not None:
            body["estimated_wait_seconds"] = round(max(0.0, wait_s), 1)
        if self.started is not None:
            body["started_at"] = int(self.started)
        if self.finished is not None:
            body["finished_at"] = int(self.finished)
        if self.result:
            body["result"] = orjson.loads(self.result)
        if result_url is not None:
            body["result_url"] = result_url
        if self.error:
            body["error"] = orjson.loads(self.error)
        return body

    def to_data(self) -> dict[str, Input]:
        """The document."""
        data: dict[str, Input] = {
            name: getattr(self, name) for name in _PLAIN if getattr(self, name) is not None
        }
        data["state"] = self.state.value
        data["expires_at"] = datetime.fromtimestamp(self.expires, UTC)
        if self.state.finished:
            del data["due"]  # so that no sweep ever finds it
        return data

    @classmethod
    def from_data(cls, data: Data, version: int) -> Job:
        """The job of a document."""
        expires = data["expires_at"]
        assert isinstance(expires, datetime)
        known = {name: data[name] for name in _PLAIN if name in data}
        return cls(
            **known,  # type: ignore[arg-type]
            state=State(str(data["state"])),
            expires=expires.timestamp(),
            version=version,
        )


_PLAIN = (
    "uid",
    "id",
    "kind",
    "queue",
    "priority",
    "tier",
    "admin",
    "request_id",
    "created",
    "payload",
    "payload_blob",
    "not_before",
    "due",
    "started",
    "finished",
    "done",
    "total",
    "attempts",
    "lost",
    "holds",
    "claim",
    "lease_until",
    "result",
    "result_blob",
    "error",
)


def jobs_path(uid: str) -> str:
    """The collection of a user's jobs."""
    return f"users/{uid}/jobs"


def job_path(uid: str, identifier: str) -> str:
    """The document of a job."""
    return f"{jobs_path(uid)}/{identifier}"


def step_path(job: Job, name: str) -> str:
    """The document of a job's step."""
    return f"{job.path}/steps/{name}"
