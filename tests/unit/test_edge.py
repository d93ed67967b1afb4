"""The edge: paths, identity, errors, headers and the record of every call."""

from __future__ import annotations

import pytest

from shared import VERSION
from shared.edge.asgi import MAX_DRAIN_BYTES
from shared.errors import ModelGone, Overloaded, QuotaExceeded, Refused, RequestRejected
from tests.support.edge_driver import CEREBRAS, GROQ, TOKEN, House, Sent
from tests.support.fake_provider import OK, Act, fails
from tests.support.virtual_time import run_virtual


def test_health_needs_no_token() -> None:
    async def main() -> Sent:
        return await House().call("/health", headers={})

    answer = run_virtual(main())
    assert answer.json() == {"status": "ok", "function": "chat", "version": VERSION}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/nothing"])
def test_every_other_path_needs_a_token(path: str) -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House()
        missing = await house.call(path, headers={})
        return missing, await house.call(path, headers={"authorization": "Bearer wrong"})

    for answer in run_virtual(main()):
        assert answer.status == 401
        assert answer.error()["code"] == "unauthenticated"
        assert answer.headers["x-request-id"] == answer.error()["request_id"]


def test_unknown_paths_and_methods_say_so() -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House()
        return await house.call("/nothing"), await house.call("/v1/models", {})

    missing, wrong = run_virtual(main())
    assert (missing.status, missing.error()["code"]) == (404, "not_found")
    assert (wrong.status, wrong.error()["code"]) == (405, "method_not_allowed")
    assert "GET" in str(wrong.error()["message"])


def test_plain_answer_has_shape_headers_and_receipt() -> None:
    async def main() -> Sent:
        return await House().call(
            "/v1/chat/completions",
            {"model": GROQ, "messages": [{"role": "user", "content": "Hello!"}]},
            headers={**TOKEN, "x-request-id": "my-own-id-1"},
            pieces=3,
        )

    answer = run_virtual(main())
    body = answer.json()
    assert answer.status == 200
    assert body["object"] == "chat.completion"
    assert body["model"] == GROQ
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer.headers["x-request-id"] == "my-own-id-1"
    assert answer.headers["x-codeex-model"] == GROQ
    assert answer.headers["x-codeex-provider"] == "groq"
    assert int(answer.headers["content-length"]) == len(answer.body)
    usage = body["usage"]
    assert isinstance(usage, dict)
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (7, 10)
    receipt = body["codeex"]
    assert isinstance(receipt, dict)
    assert receipt["request_id"] == "my-own-id-1"
    assert receipt["guard"] == "unguarded"


def test_a_broken_provider_is_not_seen_but_told() -> None:
    async def main() -> Sent:
        return await House({"cerebras": lambda _c, _n: fails(Overloaded)}).chat()

    receipt = run_virtual(main()).json()["codeex"]
    assert isinstance(receipt, dict)
    routing = receipt["routing"]
    assert isinstance(routing, dict)
    attempts = routing["attempts"]
    assert isinstance(attempts, list)
    outcomes = [attempt["outcome"] for attempt in attempts if isinstance(attempt, dict)]
    assert outcomes == ["server_error", "ok"]


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        (fails(RequestRejected), 400, "invalid_request"),
        (fails(Refused), 400, "content_filter"),
        (fails(Overloaded), 503, "all_models_failed"),
        (fails(QuotaExceeded, wait_s=90.0), 429, "capacity_exhausted"),
        (fails(ModelGone), 503, "all_models_failed"),
    ],
)
def test_how_a_request_ends_when_every_provider_does_the_same(
    act: Act, status: int, code: str
) -> None:
    async def main() -> tuple[Sent, list[str]]:
        def script(_card: object, _nth: int) -> Act:
            return act

        names = ("groq", "cerebras", "google", "huggingface")
        house = House(dict.fromkeys(names, script))
        answer = await house.chat()
        return answer, [str(line.get("code")) for line in house.lines.json()]

    answer, logged = run_virtual(main())
    assert (answer.status, answer.error()["code"]) == (status, code)
    assert code in logged
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1


def test_without_fallback_the_provider_is_named() -> None:
    async def main() -> Sent:
        house = House({"groq": lambda _c, _n: fails(Overloaded)})
        return await house.chat(model=GROQ, codeex={"fallback": False})

    answer = run_virtual(main())
    assert (answer.status, answer.error()["code"]) == (502, "provider_error")
    assert answer.error()["provider"] == "groq"


def test_a_crash_is_a_500_that_tells_nothing() -> None:
    class Boom(RuntimeError):
        pass

    def script(_card: object, _nth: int) -> Act:
        raise Boom("internal detail")

    async def main() -> tuple[Sent, House]:
        house = House({"groq": script})
        return await house.chat(model=GROQ), house

    answer, house = run_virtual(main())
    assert (answer.status, answer.error()["code"]) == (500, "internal")
    assert b"detail" not in answer.body
    crash = next(line for line in house.lines.json() if line["severity"] == "ERROR")
    assert "internal detail" in str(crash["stack_trace"])
    assert crash["request_id"] == answer.error()["request_id"]


def test_bodies_over_the_limit_are_413_also_when_they_never_end() -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House()
        big = await house.call("/v1/chat/completions", b"x" * (24 * 1024 * 1024 + 1), pieces=5)
        endless = b"x" * (MAX_DRAIN_BYTES + 10)
        return big, await house.call("/v1/chat/completions", endless, pieces=9)

    for answer in run_virtual(main()):
        assert (answer.status, answer.error()["code"]) == (413, "payload_too_large")


def test_forms_are_told_to_be_json() -> None:
    async def main() -> Sent:
        headers = {**TOKEN, "content-type": "multipart/form-data; boundary=x"}
        return await House().call("/v1/chat/completions", b"--x", headers=headers)

    answer = run_virtual(main())
    assert (answer.status, answer.error()["code"]) == (400, "invalid_request")


def test_models_are_listed_and_found_by_either_id() -> None:
    async def main() -> tuple[Sent, Sent, Sent]:
        house = House()
        listed = await house.call("/v1/models")
        one = await house.call("/v1/models/openai%2Fgpt-oss-120b")
        return listed, one, await house.call("/v1/models/nobody")

    listed, one, missing = run_virtual(main())
    data = listed.json()["data"]
    assert isinstance(data, list)
    assert len(data) >= 60
    assert one.json()["object"] == "model"
    assert (missing.status, missing.error()["code"]) == (404, "model_not_found")


def test_a_picture_is_refused_by_chat_and_planned_by_route() -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Draw a picture of a cat"}]}

    async def main() -> tuple[Sent, Sent]:
        house = House()
        refused = await house.chat("Draw a picture of a cat")
        return refused, await house.call("/v1/route", {"messages": body["messages"]})  # type: ignore[dict-item]

    refused, planned = run_virtual(main())
    assert (refused.status, refused.error()["code"]) == (400, "invalid_request")
    plan = planned.json()["plan"]
    assert isinstance(plan, dict)
    assert plan["category"] == "IMAGE_GEN"
    assert plan["chain"]
    assert plan["reason"]


def test_a_call_is_logged_once_without_what_was_said() -> None:
    async def main() -> House:
        house = House({"cerebras": lambda _c, n: fails(Overloaded) if n == 0 else OK})
        await house.chat("my secret plan: 4111-1111")
        return house

    house = run_virtual(main())
    lines = [line for line in house.lines.json() if line.get("path") == "/v1/chat/completions"]
    assert len(lines) == 1
    assert b"secret plan" not in house.lines.data
    assert b"tester" not in house.lines.data
    figures = house.services.counters.snapshot()["models"]
    assert isinstance(figures, dict)
    assert set(figures) >= {CEREBRAS}


def test_a_client_that_leaves_is_logged_as_cancelled() -> None:
    async def main() -> tuple[Sent, House]:
        house = House({"groq": lambda _c, _n: Act(delay=3.0)})
        body = {"model": GROQ, "messages": [{"role": "user", "content": "Hello!"}]}
        answer = await house.call("/v1/chat/completions", body, leave_after=1.0)  # type: ignore[arg-type]
        return answer, house

    answer, house = run_virtual(main())
    assert answer.status == 0
    asked = house.fakes["groq"].asked[0]
    assert asked.cancelled
    assert asked.ended == pytest.approx(1.0)
    assert house.lines.json()[-1]["status"] == 499
