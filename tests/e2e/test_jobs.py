"""Chats that find no capacity, from outside: kept as jobs, shown, cancelled, done in the end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.messages import JsonObject, JsonValue
from tests.support.openapi import check, check_answer
from tests.support.router_client import Answer, RouterClient
from tests.support.simulation import fields, items

CHAT = "/v1/chat/completions"
Fresh = Callable[[JsonObject], RouterClient]
PROVIDERS = ("groq", "cerebras", "google", "huggingface")
FULL: JsonValue = {name: {"rpm": 0} for name in PROVIDERS}
ROOM: JsonValue = {name: {"rpm": 1_000} for name in PROVIDERS}
LIMIT_S = 40.0


@pytest.fixture
def router(fresh: Fresh) -> RouterClient:
    """A system in which no provider has any capacity."""
    return fresh({"limits": FULL})


def queued(router: RouterClient, **more: JsonValue) -> JsonObject:
    answer = router.chat("Why is the sky blue?", codeex={"patience_seconds": 0}, **more)
    assert answer.status == 202, answer.body
    check_answer(answer, "post", CHAT)
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["kind"]) == ("queued", "chat")
    return job


def job_of(router: RouterClient, job: JsonObject) -> Answer:
    return router.get(f"/v1/jobs/{job['id']}")


def make_room(router: RouterClient) -> None:
    admin = router.signed_in_as("dev-admin")
    assert admin.patch("/admin/api/config", {"limits": ROOM}).status == 200


def ended(router: RouterClient, job: JsonObject) -> JsonObject:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        answer = job_of(router, job)
        check_answer(answer, "get", "/v1/jobs/{id}")
        if answer.json()["status"] not in ("queued", "running"):
            return answer.json()
        time.sleep(0.2)
    raise AssertionError(job_of(router, job).body)


def test_a_chat_without_capacity_becomes_a_job_and_is_answered(router: RouterClient) -> None:
    job = queued(router)
    assert int(str(job["position"])) == 0
    assert float(str(job["estimated_wait_seconds"])) >= 0
    make_room(router)
    done = ended(router, job)
    assert done["status"] == "succeeded", done
    check("ChatCompletion", done["result"])
    assert fields(done["progress"]) == {"done": 1, "total": 1}


def test_a_stream_without_capacity_gives_the_job_too(router: RouterClient) -> None:
    assert queued(router, stream=True)["id"]


def test_who_cannot_take_a_job_is_told_when_to_come_back(router: RouterClient) -> None:
    answer = router.chat("Why is the sky blue?", codeex=None)
    assert (answer.status, answer.error()["code"]) == (429, "capacity_exhausted")
    check_answer(answer, "post", CHAT)
    assert int(answer.headers["retry-after"]) >= 1


def test_jobs_are_listed_newest_first_and_only_to_their_owner(router: RouterClient) -> None:
    jobs = [queued(router) for _ in range(3)]
    first = router.get("/v1/jobs?limit=2")
    check_answer(first, "get", "/v1/jobs")
    ids = [fields(one)["id"] for one in items(first.json()["data"])]
    assert ids == [jobs[2]["id"], jobs[1]["id"]]
    assert first.json()["has_more"] is True
    rest = router.get(f"/v1/jobs?limit=2&after={ids[-1]}").json()
    assert [fields(one)["id"] for one in items(rest["data"])] == [jobs[0]["id"]]
    stranger = router.signed_in_as("dev-bob")
    assert items(stranger.get("/v1/jobs").json()["data"]) == []
    for method, path in (
        ("GET", f"/v1/jobs/{jobs[0]['id']}"),
        ("POST", f"/v1/jobs/{jobs[0]['id']}/cancel"),
    ):
        answer = stranger.call(method, path)
        assert (answer.status, answer.error()["code"]) == (404, "not_found")


def test_a_cancelled_job_never_runs(router: RouterClient) -> None:
    job = queued(router)
    other = queued(router)
    path = f"/v1/jobs/{job['id']}/cancel"
    answer = router.call("POST", path)
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    check_answer(answer, "post", "/v1/jobs/{id}/cancel")
    make_room(router)
    assert ended(router, other)["status"] == "succeeded"
    assert job_of(router, job).json()["status"] == "cancelled"
    late = router.call("POST", f"/v1/jobs/{other['id']}/cancel")
    assert (late.status, late.error()["code"]) == (409, "conflict")
    check_answer(late, "post", "/v1/jobs/{id}/cancel")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "after=nothing"])
def test_a_wrong_page_is_refused(router: RouterClient, query: str) -> None:
    answer = router.get(f"/v1/jobs?{query}")
    assert answer.status in (400, 404)
    check_answer(answer, "get", "/v1/jobs")


def test_the_private_functions_do_not_exist_for_anybody_else(router: RouterClient) -> None:
    for path in ("/_private/worker/tasks/run", "/_private/health-cron/cron/health"):
        assert router.call("POST", path, b"{}").status in (404, 405)
    for path in ("/callable/worker", "/p/us-central1/worker", "/tasks/run", "/cron/health"):
        assert router.call("POST", path, b"{}").status in (404, 405)
