"""The functions that work with jobs, deployed where nothing has a worker come for them."""

from __future__ import annotations

import random

import pytest

from shared.app import Services, build_services
from shared.clock import SystemClock
from shared.edge.identity import Identity
from shared.settings import load_settings
from tests.support.asgi_client import call
from tests.support.edge_driver import Lines
from tests.support.stores import memory_store

NO_TASKS = {"GOOGLE_CLOUD_PROJECT": "demo-jobs", "K_SERVICE": "jobs", "GROQ_API_KEY": "gsk_x"}


class Anybody:
    async def authenticate(self, authorization: str | None) -> Identity:
        return Identity("u1")


def deployed(lines: Lines) -> Services:
    return build_services(
        load_settings(NO_TASKS),
        authenticator=Anybody(),
        clock=SystemClock(),
        rng=random.Random(1),
        log_stream=lines,
        documents=memory_store(),
    )


@pytest.mark.parametrize("function", ["jobs", "worker", "health-cron"])
async def test_it_serves_and_its_log_says_what_to_set(function: str) -> None:
    lines = Lines()
    services = deployed(lines)
    try:
        assert (await call(services.app(function), "/health")).status == 200
        said = [line for line in lines.json() if "TASKS_QUEUE" in str(line)]
        assert len(said) == 1
    finally:
        await services.close()


async def test_what_is_there_can_be_seen_and_nothing_is_handed_in() -> None:
    services = deployed(Lines())
    try:
        assert not services.takes_jobs
        job = await services.jobs.submit("u1", "chat", {}, priority=5)
        for path in ("/v1/jobs", f"/v1/jobs/{job.id}"):
            assert (await call(services.app("jobs"), path)).status == 200
        cancelled = await call(services.app("jobs"), f"/v1/jobs/{job.id}/cancel", "POST")
        assert cancelled.status == 200, cancelled.text
        assert '"cancelled"' in cancelled.text
    finally:
        await services.close()
