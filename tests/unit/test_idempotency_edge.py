"""A request sent again with its Idempotency-Key: one answer, whoever left, at one instance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import Overloaded
from shared.messages import JsonObject
from shared.storage.queries import Query
from tests.support.edge_driver import GROQ, NAMES, TOKEN, Anybody, House, Sent
from tests.support.fake_provider import Act, fails, says
from tests.support.virtual_time import run_virtual

CHAT = "/v1/chat/completions"
KEYED = {**TOKEN, "content-type": "application/json", "idempotency-key": "k-1"}
WORDS = [f"word{number} " for number in range(10)]
SLOW = Act(chunks=says(*WORDS), gap=1.0)


def asked(text: str = "Hello!", **fields: object) -> JsonObject:
    body: dict[str, object] = {"model": GROQ, "messages": [{"role": "user", "content": text}]}
    return {**body, **fields}  # type: ignore[dict-item]


def text_of(sent: Sent) -> str:
    found = ""
    for event in sent.events():
        choices = event.get("choices")
        assert isinstance(choices, list), event
        for choice in choices:
            assert isinstance(choice, dict)
            delta = choice["delta"]
            assert isinstance(delta, dict)
            found += str(delta.get("content") or "")
    return found


def calls(house: House) -> int:
    return sum(len(fake.asked) for fake in house.fakes.values())


async def kept(house: House) -> int:
    """Documents under keys, their parts too."""
    documents = house.services.stores.documents
    names = ("idempotency", "answer_parts")
    return sum([len(await documents.query(Query(name, group=True))) for name in names])


def of_groq(act: Act) -> dict[str, Callable[..., Act]]:
    return {"groq": lambda _card, _nth: act}


def in_house(
    main: Callable[[House], Awaitable[None]], act: Act | None = None, origins: str = ""
) -> House:
    async def run() -> House:
        house = House(of_groq(act) if act is not None else None, ALLOWED_ORIGINS=origins)
        await main(house)
        return house

    return run_virtual(run())


def test_a_whole_answer_comes_again_and_the_provider_is_called_once() -> None:
    async def main(house: House) -> None:
        first = await house.call(CHAT, asked(), headers=KEYED)
        again = await house.call(CHAT, asked(), headers=KEYED)
        assert (first.status, again.status) == (200, 200)
        assert first.body == again.body
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        for name in ("content-type", "content-length", "x-codeex-model", "x-codeex-provider"):
            assert again.headers[name] == first.headers[name]
        assert calls(house) == 1

    in_house(main)


def test_a_stream_that_lost_its_client_is_whole_when_it_is_asked_for_again() -> None:
    async def main(house: House) -> None:
        cut = await house.call(CHAT, asked(stream=True), headers=KEYED, leave_after=3.5)
        assert not cut.ended
        again = await house.call(CHAT, asked(stream=True), headers=KEYED)
        assert text_of(again) == "".join(WORDS)
        assert again.body.startswith(cut.body)
        assert again.body.endswith(b"data: [DONE]\n\n")
        assert again.headers["content-type"].startswith("text/event-stream")
        # It was followed live: what is there at once, the rest as it is made.
        times = [at for at, _ in again.pieces]
        assert times[0] == pytest.approx(3.5, abs=0.1)
        assert times[-1] > 8.0
        stored = await house.call(CHAT, asked(stream=True), headers=KEYED)
        assert stored.body == again.body
        assert calls(house) == 1
        lines = [str(line["status"]) for line in house.lines.json() if "status" in line]
        assert sorted(lines) == ["200", "200", "200", "499"]

    in_house(main, SLOW)


def test_leaving_does_not_cancel_with_a_key_and_does_without() -> None:
    async def main(house: House) -> None:
        await house.call(CHAT, asked(), headers=KEYED, leave_after=1.0)
        await house.call(CHAT, asked(), leave_after=1.0)
        await asyncio.sleep(30)
        with_key, without = house.fakes["groq"].asked
        assert (with_key.cancelled, without.cancelled) == (False, True)
        again = await house.call(CHAT, asked(), headers=KEYED)
        assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")

    in_house(main, Act(delay=5.0))


def test_many_at_once_are_one_call() -> None:
    async def main(house: House) -> None:
        sent = await asyncio.gather(
            *(house.call(CHAT, asked(stream=True), headers=KEYED) for _ in range(20))
        )
        assert {one.status for one in sent} == {200}
        assert {text_of(one) for one in sent} == {"".join(WORDS)}
        assert calls(house) == 1
        assert sum("idempotent-replayed" not in one.headers for one in sent) == 1

    in_house(main, SLOW)


@pytest.mark.parametrize("running", [False, True])
def test_another_body_is_a_conflict_that_says_what_to_do(running: bool) -> None:
    async def main(house: House) -> None:
        first = asyncio.create_task(house.call(CHAT, asked(), headers=KEYED))
        if running:
            await asyncio.sleep(1.0)
        else:
            await first
        other = await house.call(CHAT, asked("Another"), headers=KEYED)
        assert (other.status, other.error()["code"]) == (409, "conflict")
        assert other.error()["param"] == "Idempotency-Key"
        assert "new key" in str(other.error()["message"])
        assert (await first).status == 200
        assert calls(house) == 1

    in_house(main, Act(delay=2.0))


def test_keys_are_a_users_own_and_of_one_path() -> None:
    async def run() -> None:
        house = House(authenticator=Anybody())
        for user in ("ann", "bob"):
            headers = {"authorization": f"Bearer {user}", "idempotency-key": "k-1"}
            sent = await house.call(CHAT, asked(f"I am {user}"), headers=headers)
            assert sent.status == 200
            route = await house.call("/v1/route", asked("Route me"), headers=headers)
            assert (route.status, route.json()["object"]) == (200, "route")
        assert calls(house) == 2

    run_virtual(run())


def test_after_an_hour_the_key_is_new() -> None:
    async def main(house: House) -> None:
        await house.call(CHAT, asked(), headers=KEYED)
        await asyncio.sleep(3_590)
        assert (await house.call(CHAT, asked(), headers=KEYED)).headers.get("idempotent-replayed")
        await asyncio.sleep(20)
        other = await house.call(CHAT, asked("Another"), headers=KEYED)
        assert (other.status, other.headers.get("idempotent-replayed")) == (200, None)
        assert calls(house) == 2

    in_house(main)


def test_after_a_failure_the_key_is_free_and_nothing_is_kept() -> None:
    down = True

    async def run() -> None:
        nonlocal down

        def script(_card: object, _nth: int) -> Act:
            return fails(Overloaded) if down else Act()

        house = House(dict.fromkeys(NAMES, script))
        failed = await house.call(CHAT, asked(), headers=KEYED)
        assert failed.status >= 500
        assert await kept(house) == 0
        down = False
        again = await house.call(CHAT, asked("Something else"), headers=KEYED)
        assert (again.status, again.headers.get("idempotent-replayed")) == (200, None)

    run_virtual(run())


def test_a_stream_that_ended_in_an_error_frees_its_key() -> None:
    broken = Act(chunks=says(*WORDS), gap=1.0, break_after=3)

    async def main(house: House) -> None:
        body = asked(stream=True, codeex={"allow_fallback": False})
        failed = await house.call(CHAT, body, headers=KEYED)
        assert failed.status == 200
        assert b'"error"' in failed.body
        assert await kept(house) == 0

    in_house(main, broken)


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'{"model": "no-such-model", "messages": []}', 400)]
)
def test_bad_requests_are_told_and_free_their_key(body: bytes, status: int) -> None:
    async def main(house: House) -> None:
        sent = await house.call(CHAT, body, headers=KEYED)
        assert sent.status == status
        assert await kept(house) == 0

    in_house(main)


@pytest.mark.parametrize("key", ["", "a" * 256, "schlüssel", "a\tb", "\x7f"])
def test_bad_keys_are_refused(key: str) -> None:
    async def main(house: House) -> None:
        sent = await house.call(CHAT, asked(), headers={**TOKEN, "idempotency-key": key})
        assert (sent.status, sent.error()["code"]) == (400, "invalid_request")
        assert sent.error()["param"] == "Idempotency-Key"
        assert calls(house) == 0

    in_house(main)


@pytest.mark.parametrize("key", ["a", "a" * 255, "two words", '"quoted"', "~!/\\"])
def test_good_keys_are_taken(key: str) -> None:
    async def main(house: House) -> None:
        for _ in range(2):
            sent = await house.call(CHAT, asked(), headers={**TOKEN, "idempotency-key": key})
            assert sent.status == 200
        assert calls(house) == 1

    in_house(main)


def test_it_costs_nothing_without_a_key_and_for_what_is_no_post() -> None:
    async def main(house: House) -> None:
        await house.call(CHAT, asked())
        await house.call("/v1/models", headers=KEYED)
        operations = house.services.stores.documents.operations
        assert operations.of("idempotency").reads == operations.of("idempotency").writes == 0

    in_house(main)


def test_what_a_keyed_chat_costs() -> None:
    async def main(house: House) -> None:
        operations = house.services.stores.documents.operations
        await house.call(CHAT, asked(), headers=KEYED)
        record, parts = operations.of("idempotency"), operations.of("answer_parts")
        assert (record.writes, parts.writes, record.reads, parts.reads) == (2, 1, 0, 0)
        await house.call(CHAT, asked(), headers=KEYED)
        assert (record.writes, parts.writes, parts.reads) == (2, 1, 1)

    in_house(main)


def test_the_callable_protocol_has_it_too_whole_and_streamed() -> None:
    async def main(house: House) -> None:
        body: JsonObject = {"data": {"prompt": "Hello!", "model": GROQ}}
        whole = [await house.call("/", body, headers=KEYED) for _ in range(2)]
        assert whole[0].body == whole[1].body
        assert "result" in whole[0].json()
        events = {**KEYED, "accept": "text/event-stream"}
        other = await house.call("/", body, headers=events)
        assert b"ABORTED" in other.body
        events["idempotency-key"] = "k-2"
        cut = await house.call("/", body, headers=events, leave_after=3.5)
        again = await house.call("/", body, headers=events)
        assert again.body.startswith(cut.body)
        assert "result" in again.events()[-1]
        assert calls(house) == 2

    in_house(main, SLOW)


def test_a_failed_call_of_the_protocol_frees_its_key_though_its_status_is_200() -> None:
    async def main(house: House) -> None:
        body: JsonObject = {"data": {"prompt": "Hello!", "model": GROQ, "temperature": 9}}
        events = {**KEYED, "accept": "text/event-stream"}
        sent = await house.call("/", body, headers=events)
        assert (sent.status, b"INVALID_ARGUMENT" in sent.body) == (200, True)
        assert await kept(house) == 0

    in_house(main)


def test_a_large_answer_is_kept_in_parts() -> None:
    pieces = [f"{number:06d} " * 10_000 for number in range(12)]  # 70 kB each, 840 kB in all

    async def main(house: House) -> None:
        for stream in (False, True):
            headers = {**TOKEN, "idempotency-key": f"large-{stream}"}
            first = await house.call(CHAT, asked(stream=stream), headers=headers)
            again = await house.call(CHAT, asked(stream=stream), headers=headers)
            assert len(first.body) > 800_000
            assert first.body == again.body
        assert house.services.stores.documents.operations.of("answer_parts").writes >= 8

    in_house(main, Act(chunks=says(*pieces), gap=0.1))


def test_what_is_shown_once_is_not_shown_again() -> None:
    async def main(house: House) -> None:
        first = await house.call("/v1/me/keys", {"name": "one"}, headers=KEYED)
        assert first.status == 200
        again = await house.call("/v1/me/keys", {"name": "one"}, headers=KEYED)
        assert (again.status, again.error()["code"]) == (409, "conflict")
        assert "shown once" in str(again.error()["message"])
        listed = (await house.call("/v1/me/keys")).json()["data"]
        assert isinstance(listed, list)
        assert len(listed) == 1

    in_house(main)


def test_a_replay_counts_as_a_request() -> None:
    async def run() -> None:
        house = House(limited=True)
        left = []
        for _ in range(3):
            sent = await house.call(CHAT, asked(), headers=KEYED)
            left.append(int(sent.headers["x-ratelimit-remaining-requests"]))
        assert left == [left[0], left[0] - 1, left[0] - 2]
        assert calls(house) == 1

    run_virtual(run())


def test_pages_of_other_origins_may_read_that_it_is_a_replay() -> None:
    async def main(house: House) -> None:
        headers = {**KEYED, "origin": "https://app.example"}
        for _ in range(2):
            sent = await house.call(CHAT, asked(), headers=headers)
            assert sent.headers["access-control-allow-origin"] == "https://app.example"
        exposed = sent.headers["access-control-expose-headers"].lower()
        assert "idempotent-replayed" in exposed

    in_house(main, origins="https://app.example")


def test_a_fallback_is_part_of_the_one_call() -> None:
    async def run() -> None:
        house = House({"groq": lambda _card, _nth: fails(Overloaded)})
        first = await house.call(CHAT, asked(model="auto"), headers=KEYED)
        again = await house.call(CHAT, asked(model="auto"), headers=KEYED)
        assert first.body == again.body
        assert again.headers["x-codeex-provider"] != "groq"

    run_virtual(run())
