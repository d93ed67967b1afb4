"""The HTTP pool over real sockets: what each way to break a connection becomes, and when."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest

from shared.errors import (
    ConnectionFailed,
    FirstByteTimeout,
    MalformedAnswer,
    ProviderFailure,
    StreamCut,
    StreamStalled,
)
from shared.providers.base import Timeouts
from shared.providers.http import Endpoint, HttpPool, endpoint
from tests.support.provider_calls import PATIENT
from tests.support.virtual_time import run_virtual
from tests.support.wire_server import (
    Cut,
    Hang,
    Pause,
    Reply,
    Reset,
    Step,
    WireServer,
    chunked,
    head,
    pieces,
    plain,
)

SHORT = Timeouts(first_byte=4.0, stall=6.0, total=50.0, connect=3.0)


def target(url: str, method: str = "POST") -> Endpoint:
    return endpoint("groq", method, url, "/chat", {"Authorization": "Bearer x"})


async def fetch_failure(
    steps: tuple[Step, ...], timeouts: Timeouts = PATIENT
) -> tuple[ProviderFailure, float]:
    """The failure of a plain call, and the loop's seconds until it."""
    async with WireServer([Reply(steps)]) as server:
        pool = HttpPool()
        start = asyncio.get_running_loop().time()
        try:
            with pytest.raises(ProviderFailure) as caught:
                await pool.fetch(target(server.url), b"{}", timeouts)
            return caught.value, asyncio.get_running_loop().time() - start
        finally:
            await pool.close()


OK_LENGTH = head(200, {"Content-Length": "10"})
OK_CHUNKED = head(200, {"Transfer-Encoding": "chunked"})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((Cut(),), ConnectionFailed),
        ((Reset(),), ConnectionFailed),
        ((b"HTTP/1.1 200 OK\r\nContent-", Cut()), ConnectionFailed),
        ((b"SSH-2.0-OpenSSH_9\r\n",), MalformedAnswer),
        ((OK_LENGTH + b"12345", Cut()), StreamCut),
        ((OK_LENGTH + b"12345", Reset()), StreamCut),
        ((OK_LENGTH, Cut()), StreamCut),
        ((OK_CHUNKED + b"5\r\n12345\r\n", Cut()), StreamCut),
        ((OK_CHUNKED + b"5\r\n12345\r\n", b"zz\r\n", Hang()), StreamCut),
        ((OK_CHUNKED + b"zz\r\n", Hang()), MalformedAnswer),
        (
            (head(200, {"Content-Length": "9", "Content-Encoding": "gzip"}) + b"not gzip!",),
            StreamCut,
        ),
    ],
)
async def test_a_broken_connection_is_named_by_its_stage(
    steps: tuple[Step, ...], expected: type[ProviderFailure]
) -> None:
    failure, _ = await fetch_failure(steps)
    assert type(failure) is expected
    assert failure.provider == "groq"
    assert "127.0.0.1" not in failure.message


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        pool = HttpPool()
        with pytest.raises(ConnectionFailed) as caught:
            await pool.fetch(target(f"http://127.0.0.1:{taken.getsockname()[1]}"), b"", PATIENT)
        await pool.close()
    assert "could not be connected to" in caught.value.message


async def test_an_unknown_host() -> None:
    pool = HttpPool()
    with pytest.raises(ConnectionFailed) as caught:
        await pool.fetch(target("http://nowhere.invalid"), b"", PATIENT)
    await pool.close()
    assert "nowhere.invalid" not in caught.value.message


@pytest.mark.parametrize(
    ("steps", "expected", "seconds"),
    [
        ((Hang(),), FirstByteTimeout, 4.0),
        ((OK_LENGTH, Hang()), FirstByteTimeout, 4.0),
        ((OK_LENGTH, *(b"\n", Pause(1.0)) * 9, Hang()), FirstByteTimeout, 4.0),
        ((OK_LENGTH + b" ", Pause(3.0), b"1", Hang()), StreamStalled, 9.0),
        ((OK_LENGTH + b"1", Hang()), StreamStalled, 6.0),
        ((Pause(3.0), OK_LENGTH + b"1", Pause(5.0), b"2", Hang()), StreamStalled, 14.0),
    ],
)
def test_silence_ends_a_plain_call_on_time(
    steps: tuple[Step, ...], expected: type[ProviderFailure], seconds: float
) -> None:
    failure, passed = run_virtual(fetch_failure(steps, SHORT))
    assert type(failure) is expected
    assert passed == pytest.approx(seconds, abs=0.01)


def test_the_deadline_caps_a_body_that_trickles() -> None:
    trickle: tuple[Step, ...] = (OK_LENGTH, *(b"1", Pause(2.0)) * 4, Hang())
    failure, passed = run_virtual(fetch_failure(trickle, Timeouts(4.0, 6.0, 5.0)))
    assert type(failure) is StreamStalled
    assert passed == pytest.approx(5.0, abs=0.01)


def test_a_connection_that_is_not_made_in_time() -> None:
    async def scenario() -> float:
        # A full backlog: the kernel neither accepts nor refuses.
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            pool = HttpPool()
            start = asyncio.get_running_loop().time()
            with pytest.raises(ConnectionFailed) as caught:
                await pool.fetch(target(f"http://127.0.0.1:{port}"), b"", SHORT)
            await pool.close()
            for filler in fillers:
                filler.close()
            assert "took too long" in caught.value.message
            return asyncio.get_running_loop().time() - start

    assert run_virtual(scenario()) == pytest.approx(3.0, abs=0.01)


async def test_an_error_status_counts_even_if_its_body_breaks_off() -> None:
    broken = Reply((head(503, {"Content-Length": "99"}) + b'{"error"', Cut()))
    async with WireServer([broken]) as server:
        pool = HttpPool()
        answer = await pool.fetch(target(server.url), b"", PATIENT)
        await pool.close()
    assert (answer.status, answer.body) == (503, b'{"error"')


async def test_a_body_over_the_cap_is_refused() -> None:
    async with WireServer([chunked([b"x" * 600, b"x" * 600])]) as server:
        pool = HttpPool()
        with pytest.raises(MalformedAnswer):
            await pool.fetch(target(server.url), b"", PATIENT, max_bytes=1000)
        await pool.close()


async def test_what_goes_out_and_how_connections_are_kept() -> None:
    async with WireServer([plain({"ok": True}, headers={"Set-Cookie": "a=b"})]) as server:
        pool = HttpPool()
        for _ in range(3):
            answer = await pool.fetch(target(server.url), b'{"a":1}', PATIENT)
        await pool.close()
        assert answer.headers["content-TYPE"] == "application/json"
        assert server.connections == 1
        seen = server.requests[2]
    assert seen.body == b'{"a":1}'
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"] == "Bearer x"
    assert "cookie" not in seen.headers


async def test_a_redirect_is_not_followed() -> None:
    moved = plain(b"", 302, {"Location": "http://127.0.0.1:9/else"})
    async with WireServer([moved]) as server:
        pool = HttpPool()
        answer = await pool.fetch(target(server.url), b"{}", PATIENT)
        await pool.close()
    assert answer.status == 302


async def test_small_writes_are_sent_at_once() -> None:
    """TCP_NODELAY on the provider's connection, seen in the kernel through the open stream."""
    async with WireServer([chunked([b"data: 1\n\n", Hang()])]) as server:
        pool = HttpPool()
        source = await pool.stream(target(server.url), b"{}", PATIENT)
        options = _nodelay_of_connections_to(int(server.url.rpartition(":")[2]))
        source.close()
        await pool.close()
    assert options
    assert all(options)


def _nodelay_of_connections_to(port: int) -> list[int]:
    """The option of every socket of this process that is connected to ``port``."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = os.dup(int(name))
        except OSError:
            continue
        try:
            own = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        with own:
            try:
                if own.family == socket.AF_INET and own.getpeername()[1] == port:
                    found.append(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            except OSError:
                continue
    return found


async def test_closing_a_stream_closes_its_connection_at_once() -> None:
    async with WireServer([chunked([b"data: 1\n\n", Hang()])]) as server:
        pool = HttpPool()
        source = await pool.stream(target(server.url), b"{}", PATIENT)
        assert await source.read() == b"data: 1\n\n"
        start = time.monotonic()
        source.close()
        await asyncio.wait_for(server.left.wait(), 1.0)
        await pool.close()
    assert time.monotonic() - start < 1.0


async def test_cancelling_a_plain_call_closes_its_connection_at_once() -> None:
    async with WireServer([Reply((Hang(),))]) as server:
        pool = HttpPool()
        task = asyncio.create_task(pool.fetch(target(server.url), b"{}", PATIENT))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 1.0)
        await pool.close()


def test_a_finished_stream_gives_its_connection_back() -> None:
    """Also where the last chunk marker comes a little after the last event."""

    async def scenario() -> int:
        async with WireServer([chunked([b"data: 1\n\n", Pause(0.1)])]) as server:
            pool = HttpPool()
            for _ in range(3):
                source = await pool.stream(target(server.url), b"{}", PATIENT)
                assert await source.read()
                source.finish()
                source.close()
                await asyncio.sleep(0.5)
            await pool.close()
            return server.connections

    assert run_virtual(scenario()) == 1


def test_a_finished_stream_without_an_end_is_closed_after_a_moment() -> None:
    async def scenario() -> float:
        async with WireServer([chunked([b"data: 1\n\n", Hang()])]) as server:
            pool = HttpPool()
            source = await pool.stream(target(server.url), b"{}", PATIENT)
            assert await source.read()
            source.finish()
            start = asyncio.get_running_loop().time()
            await server.left.wait()
            await pool.close()
            return asyncio.get_running_loop().time() - start

    assert run_virtual(scenario()) == pytest.approx(0.25, abs=0.01)


def test_a_slow_reader_is_not_taken_for_a_silent_provider() -> None:
    async def scenario() -> list[bytes]:
        parts = [b"data: 1\n\n", b"data: 2\n\n"]
        async with WireServer([chunked(parts)]) as server:
            pool = HttpPool()
            source = await pool.stream(target(server.url), b"{}", SHORT)
            got = [await source.read()]
            source.answering()
            await asyncio.sleep(20.0)
            got.append(await source.read())
            source.close()
            await pool.close()
            return got

    assert b"".join(run_virtual(scenario())) == b"data: 1\n\ndata: 2\n\n"


async def test_a_large_body_in_small_packets_is_whole() -> None:
    body = bytes(range(256)) * 40
    steps = (head(200, {"Content-Length": str(len(body))}), *pieces(body, [977]))
    async with WireServer([Reply(steps)]) as server:
        pool = HttpPool()
        answer = await pool.fetch(target(server.url), b"", PATIENT)
        await pool.close()
    assert answer.body == body


async def test_a_closed_pool_can_be_used_again() -> None:
    async with WireServer([plain(b"1")]) as server:
        pool = HttpPool()
        await pool.fetch(target(server.url), b"", PATIENT)
        await pool.close()
        assert (await pool.fetch(target(server.url), b"", PATIENT)).body == b"1"
        await pool.close()


@pytest.mark.parametrize("address", ["ftp://host/v1", "http://", "no address", "http://[::1"])
def test_a_bad_base_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        endpoint("groq", "POST", address, "/chat", {})
