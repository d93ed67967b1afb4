"""Queued chats through the whole house: 202, the event, the worker, ``/v1/jobs``, who is let in."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine

import orjson
import pytest
from starlette.types import Message

from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.chat import ChatEndpoint
from shared.edge.identity import Identity
from shared.edge.worker import ServiceAccountAuthenticator
from shared.errors import CapacityExhausted, Forbidden, Queued, QuotaExceeded, Unauthenticated
from shared.messages import JsonObject
from shared.providers.base import ProviderCall
from tests.support.edge_driver import TOKEN, House, Sent
from tests.support.fake_provider import OK, Act, fails
from tests.support.job_world import Gate, JobWorld
from tests.support.virtual_time import run_virtual

PROVIDERS = ("groq", "cerebras", "google", "huggingface")
NOW: JsonObject = {"patience_seconds": 0}


class Full:
    """Providers at their limit until told otherwise."""

    def __init__(self) -> None:
        self.full = True

    def __call__(self, _call: ProviderCall, _nth: int) -> Act:
        return fails(QuotaExceeded, wait_s=8.0) if self.full else OK


def in_house(main: Callable[[House, Full], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        full = Full()
        await main(House(dict.fromkeys(PROVIDERS, full)), full)

    run_virtual(whole())


async def ticket(house: House) -> Sent:
    return await house.call("/tasks/run", {"queue": "interactive"}, headers={}, function="worker")


async def jobs(house: House, path: str = "", method: str = "GET") -> Sent:
    return await house.call(f"/v1/jobs{path}", method=method, function="jobs")


def test_a_chat_without_capacity_becomes_a_job_and_the_worker_answers_it() -> None:
    async def main(house: House, full: Full) -> None:
        sent = await house.chat("Why?", codeex=NOW, temperature=0.5)
        job = sent.json()
        assert (sent.status, job["object"], job["status"]) == (202, "job", "queued")
        assert sent.headers["location"] == f"/v1/jobs/{job['id']}"
        assert sent.headers["x-request-id"]
        assert (job["kind"], job["position"]) == ("chat", 0)
        assert (await jobs(house, f"/{job['id']}")).json()["status"] == "queued"
        # Too early: nothing to do.
        assert (await ticket(house)).status == 204
        await house.clock.sleep(10.0)
        assert (await ticket(house)).status == 204
        held = (await jobs(house, f"/{job['id']}")).json()
        assert (held["status"], held["attempts"]) == ("queued", 0)
        full.full = False
        await house.clock.sleep(30.0)
        assert (await ticket(house)).status == 204
        done = (await jobs(house, f"/{job['id']}")).json()
        assert (done["status"], done["progress"]) == ("succeeded", {"done": 1, "total": 1})
        answer = done["result"]
        assert isinstance(answer, dict)
        assert answer["object"] == "chat.completion"
        assert isinstance(answer["codeex"], dict)
        assert answer["codeex"]["request_id"] == sent.headers["x-request-id"]
        late = await jobs(house, f"/{job['id']}/cancel", "POST")
        assert (late.status, late.error()["code"]) == (409, "conflict")
        listed = (await jobs(house)).json()
        assert (listed["first_id"], listed["has_more"]) == (job["id"], False)

    in_house(main)


@pytest.mark.parametrize("patience", [0, 15], ids=["before the status line", "after it"])
def test_a_stream_without_capacity_ends_as_a_job(patience: int) -> None:
    async def main(house: House, full: Full) -> None:
        full.full = True
        wanted: JsonObject = {"patience_seconds": patience}
        sent = await house.chat("Why?", stream=True, codeex=wanted)
        if sent.status == 202:
            job = sent.json()
        else:
            error = sent.events()[-1]["error"]
            assert isinstance(error, dict)
            assert error["code"] == "queued"
            assert isinstance(error["job"], dict)
            job = error["job"]
            assert b"[DONE]" not in sent.body
        assert (sent.status == 202) == (patience == 0)
        full.full = False
        await house.clock.sleep(60.0)
        await ticket(house)
        done = (await jobs(house, f"/{job['id']}")).json()
        assert done["status"] == "succeeded"

    in_house(main)


def test_who_can_take_a_job() -> None:
    async def main(house: House, _full: Full) -> None:
        plain = await house.chat("Why?")
        assert (plain.status, plain.error()["code"]) == (429, "capacity_exhausted")
        assert "retry-after" in plain.headers
        body: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": "Why?"}]}
        wishes = {"prefer": "wait=1, Respond-Async"}
        sent = await house.call("/v1/chat/completions", body, headers={**TOKEN, **wishes})
        assert sent.status == 202
        named = await house.chat(
            "Why?", model="groq-gpt-oss-120b", codeex={**NOW, "fallback": False}
        )
        assert named.status == 202

    in_house(main)


def test_a_store_that_takes_no_job_leaves_429() -> None:
    async def main(house: House, _full: Full) -> None:
        world = JobWorld(house.services.stores.documents, house.clock)
        queue = world.process({}, Gate(kill_at=1, faults=True)).queue
        endpoint = ChatEndpoint(house.services.chat, house.clock, lambda _call: None, queue)
        body = {"model": "auto", "messages": [{"role": "user", "content": "Why?"}], "codeex": NOW}

        bodies = [orjson.dumps(body), orjson.dumps(body)]

        async def receive() -> Message:
            if len(bodies) == left:
                await asyncio.Event().wait()  # the client stays
            return {"type": "http.request", "body": bodies.pop()}

        async def send(_message: Message) -> None:
            raise AssertionError("nothing is sent")

        scope = {"method": "POST", "path": "/v1/chat/completions", "headers": []}
        call = Call("req_1", "POST", "/v1/chat/completions", 0.0, identity=Identity("tester"))
        left = 1
        with pytest.raises(CapacityExhausted):
            await endpoint.completions(HttpRequest(scope, receive), send, call)
        assert await world.jobs() == []
        left = 0
        with pytest.raises(Queued) as told:
            await endpoint.completions(HttpRequest(scope, receive), send, call)
        assert told.value.job["status"] == "queued"

    in_house(main)


def test_a_cancelled_chat_is_never_asked() -> None:
    async def main(house: House, full: Full) -> None:
        job = (await house.chat("Why?", codeex=NOW)).json()
        asked = sum(len(fake.asked) for fake in house.fakes.values())
        cancelled = await jobs(house, f"/{job['id']}/cancel", "POST")
        assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelled")
        assert (await jobs(house, f"/{job['id']}/cancel", "POST")).json() == cancelled.json()
        full.full = False
        await house.clock.sleep(60.0)
        assert (await ticket(house)).status == 204
        assert sum(len(fake.asked) for fake in house.fakes.values()) == asked

    in_house(main)


def test_jobs_that_are_not_there_and_limits_that_are_none() -> None:
    async def main(house: House, _full: Full) -> None:
        for path, method in (("/job_1", "GET"), ("/job_1/cancel", "POST"), ("/a%2Fb", "GET")):
            sent = await jobs(house, path, method)
            assert (sent.status, sent.error()["code"]) == (404, "not_found")
        assert (await jobs(house, "?after=job_1")).status == 404
        for limit in ("0", "101", "x", "-1", ""):
            sent = await jobs(house, f"?limit={limit}")
            assert (sent.status, sent.error()["param"]) == (400, "limit")
        flood = await jobs(house, "?" + "x=1&" * 200)
        assert (flood.status, flood.error()["code"]) == (400, "invalid_request")
        empty = (await jobs(house, "?limit=100")).json()
        assert empty["data"] == []

    in_house(main)


def test_the_cron_sweeps_and_refuses_a_wrong_queue() -> None:
    async def main(house: House, _full: Full) -> None:
        await house.chat("Why?", codeex=NOW)
        await house.clock.sleep(200.0)
        sent = await house.call("/cron/health", {}, headers={}, function="health-cron")
        assert (sent.status, sent.json()["overdue"]) == (200, 1)
        wrong = await house.call("/tasks/run", {"queue": "x"}, headers={}, function="worker")
        assert wrong.status == 400

    in_house(main)


def _token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
    return f"Bearer e30.{payload}."


async def test_private_functions_look_at_the_email_and_nothing_more() -> None:
    tasks = ServiceAccountAuthenticator("tasks@p.iam")
    assert (await tasks.authenticate(_token({"email": "tasks@p.iam", "n": "ü?>"}))).uid
    for wrong in (_token({"email": "x@p.iam"}), _token({}), _token([]), "Bearer x", "Bearer a.!.c"):
        with pytest.raises(Forbidden):
            await tasks.authenticate(wrong)
    with pytest.raises(Unauthenticated):
        await tasks.authenticate(None)
    assert (await ServiceAccountAuthenticator(None).authenticate(None)).uid
