"""Google's certificates: when they are fetched, how long they serve, what forged key ids cost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.edge.certificate_fetch import certificate_fetch
from shared.edge.certificates import (
    CERTIFICATES_URL,
    MAX_AGE_S,
    RETRY_S,
    STALE_S,
    UNKNOWN_KEY_S,
    CertificateSource,
    CertificatesUnavailable,
    max_age_seconds,
)
from shared.errors import StoreUnavailable
from shared.providers.http import HttpPool
from tests.support.tokens import FakeCertificates, certificates
from tests.support.virtual_time import ManualClock


class Slow(FakeCertificates):
    """Answers only when ``go`` is set."""

    def __init__(self, *names: str, max_age: float = 3600.0) -> None:
        super().__init__(*names, max_age=max_age)
        self.go = asyncio.Event()

    async def __call__(self, url: str) -> tuple[bytes, float]:
        answer = await super().__call__(url)
        await self.go.wait()
        return answer


async def settle() -> None:
    """Let the fetch in the background end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_fetch_serves_everybody_who_waits_at_the_start() -> None:
    fetch = Slow("key-1")
    source = CertificateSource(fetch, ManualClock())
    waiting = [asyncio.create_task(source.verifier("key-1")) for _ in range(20)]
    await settle()
    fetch.go.set()
    found = await asyncio.gather(*waiting)
    assert all(found)
    assert fetch.urls == [CERTIFICATES_URL]


async def test_a_caller_who_leaves_does_not_take_the_fetch_along() -> None:
    fetch = Slow("key-1")
    source = CertificateSource(fetch, ManualClock())
    first = asyncio.create_task(source.verifier("key-1"))
    second = asyncio.create_task(source.verifier("key-1"))
    await settle()
    first.cancel()
    await settle()
    fetch.go.set()
    assert await second is not None
    assert len(fetch.urls) == 1


async def test_certificates_are_kept_as_long_as_told_and_renewed_in_the_background_before() -> None:
    clock, fetch = ManualClock(), Slow("key-1", max_age=1000)
    fetch.go.set()
    source = CertificateSource(fetch, clock)
    await source.verifier("key-1")
    clock.advance(890)
    await source.verifier("key-1")
    assert len(fetch.urls) == 1
    clock.advance(20)
    fetch.go.clear()
    assert await source.verifier("key-1") is not None  # at once, while the renewal still runs
    await settle()
    assert len(fetch.urls) == 2
    assert await source.verifier("key-1") is not None
    fetch.go.set()
    await settle()
    clock.advance(890)
    await source.verifier("key-1")
    await settle()
    assert len(fetch.urls) == 2


async def test_a_rotated_key_is_found_after_renewal_and_the_old_one_is_gone() -> None:
    clock, fetch = ManualClock(), FakeCertificates("key-1", max_age=1000)
    source = CertificateSource(fetch, clock)
    assert await source.verifier("key-1") is not None
    fetch.body = certificates("key-2")
    clock.advance(100)
    assert await source.verifier("key-2") is not None  # rotated in early: found by asking again
    assert await source.verifier("key-1") is None


async def test_forged_key_ids_cause_one_fetch_a_minute_at_most() -> None:
    clock, fetch = ManualClock(), FakeCertificates("key-1", max_age=1e9)
    source = CertificateSource(fetch, clock)
    await source.verifier("key-1")
    for second in range(600):
        assert await source.verifier(f"forged-{second}") is None
        clock.advance(1)
    assert len(fetch.urls) <= 1 + 600 / UNKNOWN_KEY_S


async def test_stale_certificates_serve_while_renewal_fails_and_not_for_ever() -> None:
    clock, fetch = ManualClock(), FakeCertificates("key-1", max_age=1000)
    source = CertificateSource(fetch, clock)
    await source.verifier("key-1")
    fetch.failure = CertificatesUnavailable("down")
    clock.advance(2000)
    for _ in range(50):
        assert await source.verifier("key-1") is not None
        await settle()
    assert len(fetch.urls) == 2  # the failure is remembered
    clock.advance(STALE_S)
    with pytest.raises(StoreUnavailable):
        await source.verifier("key-1")
    fetch.failure = None
    clock.advance(RETRY_S)
    assert await source.verifier("key-1") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"key-1": 5}',
        b'{"key-1": "no certificate"}',
        b'{"key-1": "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"}',
    ],
)
async def test_without_certificates_nobody_is_judged_and_the_failure_is_not_hammered(
    body: bytes,
) -> None:
    clock, fetch = ManualClock(), FakeCertificates("key-1")
    good, fetch.body = fetch.body, body
    source = CertificateSource(fetch, clock)
    for _ in range(10):
        with pytest.raises(StoreUnavailable) as caught:
            await source.verifier("key-1")
        assert caught.value.retry_after == RETRY_S
    assert len(fetch.urls) == 1
    fetch.body = good
    clock.advance(RETRY_S)
    assert await source.verifier("key-1") is not None


@pytest.mark.parametrize("failure", [TimeoutError(), OSError("reset"), CertificatesUnavailable()])
async def test_every_kind_of_network_failure_is_a_503(failure: Exception) -> None:
    fetch = FakeCertificates("key-1")
    fetch.failure = failure
    with pytest.raises(StoreUnavailable, match="try again"):
        await CertificateSource(fetch, ManualClock()).verifier("key-1")


async def test_an_absurd_age_is_held_within_a_day() -> None:
    clock, fetch = ManualClock(), FakeCertificates("key-1", max_age=1e12)
    source = CertificateSource(fetch, clock)
    await source.verifier("key-1")
    clock.advance(MAX_AGE_S)
    await source.verifier("key-1")
    await settle()
    assert len(fetch.urls) == 2


async def test_close_ends_a_fetch_under_way() -> None:
    fetch = Slow("key-1")
    source = CertificateSource(fetch, ManualClock())
    waiting = asyncio.create_task(source.verifier("key-1"))
    await settle()
    await source.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await CertificateSource(fetch, ManualClock()).close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("public, max-age=19302, must-revalidate, no-transform", 19302),
        ("MAX-AGE = 60", 60),
        ('max-age="5"', 5),
        ("s-maxage=7", 0),
        ("no-store, max-age=100", 0),
        ("max-age=-1", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_max_age_of_a_header(header: str | None, seconds: float) -> None:
    assert max_age_seconds(header) == seconds


async def test_over_a_real_socket() -> None:
    answers = [
        web.Response(body=certificates("key-1"), headers={"Cache-Control": "public, max-age=77"}),
        web.Response(status=503),
    ]

    async def handler(request: web.Request) -> web.Response:
        return answers.pop(0)

    app = web.Application()
    app.router.add_get("/certs", handler)
    server = TestServer(app)
    await server.start_server()
    url = str(server.make_url("/certs"))
    pool = HttpPool()
    try:
        fetch = certificate_fetch(pool)
        assert await fetch(url) == (certificates("key-1"), 77.0)
        with pytest.raises(CertificatesUnavailable, match="503"):
            await fetch(url)
    finally:
        await pool.close()
        await server.close()
    with pytest.raises(CertificatesUnavailable):  # nobody listens any more
        await certificate_fetch(pool)(url)
    await pool.close()


def test_importing_the_authenticator_imports_no_cryptography() -> None:
    code = (
        "import sys, shared.edge.firebase_tokens as _; "
        "print([m for m in sys.modules if m.startswith(('google.auth', 'crypto', 'aiohttp'))])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
