"""The Firebase callable protocol at the functions' roots, through the whole house."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from local.gateway import load_functions
from local.hosting import read_hosting
from shared.edge.callable import ADMIN
from shared.edge.callable_status import STATUSES, Status, callable_error
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    ModelGone,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    Refused,
    StreamCut,
)
from shared.messages import JsonObject, JsonValue
from tests.support.asgi_client import call
from tests.support.chat_function import chat_function
from tests.support.edge_driver import GROQ, TOKEN, House, Sent
from tests.support.fake_provider import Act, fails, says
from tests.support.simulation import at, fields, items
from tests.support.virtual_time import run_virtual
from tests.unit.test_openapi_document import subclasses

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("groq", "cerebras", "google", "huggingface")
JSON = {**TOKEN, "content-type": "application/json"}
EVENTS = {**JSON, "accept": "text/event-stream"}
HELLO: JsonObject = {"model": GROQ, "prompt": "Hello!"}
NOW: JsonObject = {"patience_seconds": 0}


async def asked(
    house: House,
    data: JsonValue,
    headers: Mapping[str, str] = JSON,
    function: str = "chat",
    leave_after: float | None = None,
) -> Sent:
    body: JsonObject = {"data": data}
    return await house.call("/", body, headers=headers, function=function, leave_after=leave_after)


def answered(data: JsonValue, headers: Mapping[str, str] = JSON, function: str = "chat") -> Sent:
    """One call in a house where everything works."""

    async def main() -> Sent:
        return await asked(House(), data, headers, function)

    return run_virtual(main())


def error_of(sent: Sent) -> JsonObject:
    """The protocol's error, out of a plain answer or of the last event of a stream."""
    streamed = sent.headers["content-type"].startswith("text/event-stream")
    error = (sent.events()[-1] if streamed else sent.json())["error"]
    assert isinstance(error, dict)
    assert set(error) == {"status", "message", "details"}
    return error


# -------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("kind", subclasses(CodeexError))
def test_every_error_has_a_status_that_client_sdks_know(kind: type[CodeexError]) -> None:
    if kind.code == "queued":
        assert kind.code not in STATUSES  # a job is a result
        return
    status = STATUSES[kind.code]
    same = {one.value: one for one in Status}
    # An HTTP status that the protocol has is kept; the others fall to the nearest meaning.
    nearest = {405: 400, 413: 400, 415: 400, 422: 400, 502: 503}
    assert status is same[nearest.get(kind.status, kind.status)]


def test_the_table_has_nothing_else() -> None:
    assert set(STATUSES) == {kind.code for kind in subclasses(CodeexError)} - {"queued"}


def test_details_say_what_the_status_cannot() -> None:
    error = ProviderError("it failed", param="model", details={"provider": "groq"})
    assert callable_error(error, "r-1") == {
        "error": {
            "status": "UNAVAILABLE",
            "message": "it failed",
            "details": {
                "code": "provider_error",
                "param": "model",
                "request_id": "r-1",
                "provider": "groq",
            },
        }
    }
    full = callable_error(CapacityExhausted("full", retry_after=1.2), "r-2")
    assert at(full, "error", "details", "retry_after") == 2


# ------------------------------------------------------------------------------------- plain calls


def test_a_prompt_stands_for_one_message_and_the_result_is_the_answer() -> None:
    answer = answered({"prompt": "Hello!"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert list(answer.json()) == ["result"]
    result = answer.json()["result"]
    assert at(result, "object") == "chat.completion"
    assert at(result, "choices", 0, "message", "content") == "Hello"
    assert at(result, "codeex", "request_id") == answer.headers["x-request-id"]
    assert answer.headers["x-codeex-model"] == at(result, "model")
    assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize(
    "data",
    [
        {"model": GROQ, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5},
        # Only what the caller accepts decides; null is what JavaScript makes of undefined.
        {"prompt": "Hi", "messages": None, "stream": True, "stream_options": {}, "model": None},
        {"prompt": None, "messages": [{"role": "user", "content": "Hi"}]},
    ],
)
def test_data_is_the_endpoints_body(data: JsonValue) -> None:
    assert at(answered(data).json(), "result", "object") == "chat.completion"


@pytest.mark.parametrize("form", ["application/json", "Application/JSON; charset=utf-8"])
def test_numbers_of_64_bits_are_understood(form: str) -> None:
    number: JsonObject = {
        "@type": "type.googleapis.com/google.protobuf.Int64Value",
        "value": "200",
    }
    headers = {**TOKEN, "content-type": form}
    assert answered({**HELLO, "max_tokens": number, "seed": number}, headers).status == 200


@pytest.mark.parametrize("value", ["", "1.5", "9223372036854775808", "1e3", 5, None, {}])
def test_numbers_that_are_none_are_refused(value: JsonValue) -> None:
    number: JsonObject = {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": value}
    answer = answered({**HELLO, "max_tokens": number})
    assert (answer.status, error_of(answer)["status"]) == (400, "INVALID_ARGUMENT")


def test_other_types_are_left_alone() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"@type": {"const": "type.googleapis.com/google.protobuf.Duration"}},
    }
    tool: JsonObject = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert answered({**HELLO, "tools": [tool]}).status == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"[]", JSON),
        (b"{}", JSON),
        (b'{"data": null}', JSON),
        (b'{"data": "Hello"}', JSON),
        (b'{"data": {"prompt": "Hi"}, "more": 1}', JSON),
        (b'{"prompt": "Hi"}', JSON),
        (b'{"data": {"prompt": "Hi"}}', TOKEN),
        (b'{"data": {"prompt": "Hi"}}', {**TOKEN, "content-type": "text/plain"}),
        (b'{"data": {"prompt": "Hi"', JSON),
        (b'{"data": {"prompt": ""}}', JSON),
        (b'{"data": {"prompt": 5}}', JSON),
        (b'{"data": {"prompt": "Hi", "messages": [{"role": "user", "content": "Hi"}]}}', JSON),
        (b'{"data": {}}', JSON),
        (b'{"data": {"prompt": "Hi", "temperature": 9}}', JSON),
    ],
)
def test_what_is_no_callable_request_is_an_invalid_argument(
    body: bytes, headers: Mapping[str, str]
) -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House()
        streamed = {**headers, "accept": "text/event-stream"}
        return (
            await house.call("/", body, headers=headers, method="POST"),
            await house.call("/", body, headers=streamed, method="POST"),
        )

    plain, streamed = run_virtual(main())
    assert (plain.status, error_of(plain)["status"]) == (400, "INVALID_ARGUMENT")
    assert at(error_of(plain), "details", "code") == "invalid_request"
    assert (streamed.status, error_of(streamed)["status"]) == (200, "INVALID_ARGUMENT")
    assert len(streamed.events()) == 1


def test_who_shows_no_token_is_told_in_the_protocols_way() -> None:
    async def main() -> list[Sent]:
        house = House()
        return [
            await asked(house, HELLO, {"content-type": "application/json", **token}, function)
            for function in ("chat", "jobs", "admin")
            for token in ({}, {"authorization": "Bearer wrong"})
        ]

    for answer in run_virtual(main()):
        assert (answer.status, error_of(answer)["status"]) == (401, "UNAUTHENTICATED")
        assert at(error_of(answer), "details", "request_id") == answer.headers["x-request-id"]


def test_other_methods_are_refused_as_firebase_does() -> None:
    async def main() -> Sent:
        return await House().call("/", method="GET")

    answer = run_virtual(main())
    assert (answer.status, error_of(answer)["status"]) == (400, "INVALID_ARGUMENT")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("act", "status", "name", "code"),
    [
        (fails(Overloaded), 503, "UNAVAILABLE", "all_models_failed"),
        (fails(ModelGone), 503, "UNAVAILABLE", "all_models_failed"),
        (fails(Refused), 400, "INVALID_ARGUMENT", "content_filter"),
    ],
)
def test_errors_carry_their_status_plain_and_streamed(
    act: Act, status: int, name: str, code: str
) -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House(dict.fromkeys(NAMES, lambda _c, _n: act))
        data: JsonObject = {"prompt": "Hi", "codeex": NOW}
        return await asked(house, data), await asked(house, data, EVENTS)

    plain, streamed = run_virtual(main())
    assert (plain.status, streamed.status) == (status, 200)
    for answer in (plain, streamed):
        assert (error_of(answer)["status"], at(error_of(answer), "details", "code")) == (name, code)
    if status == 503:
        assert plain.headers["retry-after"] == str(at(error_of(plain), "details", "retry_after"))


def test_chats_count_against_the_callers_own_limit_and_jobs_do_not() -> None:
    async def main() -> list[bool]:
        house = House()
        return [
            ("POST", "/") in house.services.app(name).routes.counted
            for name in ("chat", "jobs", "admin")
        ]

    assert run_virtual(main()) == [True, False, False]


def test_a_plain_call_whose_client_leaves_is_cancelled_at_the_provider() -> None:
    async def main() -> House:
        house = House(dict.fromkeys(NAMES, lambda _c, _n: Act(delay=3.0)))
        await asked(house, HELLO, leave_after=1.5)
        return house

    house = run_virtual(main())
    assert house.fakes["groq"].asked[0].ended == pytest.approx(1.5)
    assert house.lines.json()[-1]["status"] == 499


# ----------------------------------------------------------------------------------------- streams


def test_a_stream_is_messages_then_the_answer_a_plain_call_would_have_got() -> None:
    async def main() -> tuple[Sent, Sent]:
        house = House()
        data: JsonObject = {**HELLO, "stream_options": {"include_usage": True}}
        return await asked(house, data, EVENTS), await asked(house, data)

    answer, plain = run_virtual(main())
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    *messages, last = answer.events()
    assert all(list(event) == ["message"] for event in messages)
    chunks = [event["message"] for event in messages]
    assert all(at(chunk, "object") == "chat.completion.chunk" for chunk in chunks)
    told = [chunk for chunk in chunks if at(chunk, "choices") != []]
    deltas = [fields(at(chunk, "choices", 0, "delta")) for chunk in told]
    assert "".join(str(delta.get("content", "")) for delta in deltas) == "Hello"
    assert at(chunks[-1], "usage", "completion_tokens") == 3
    result, whole = last["result"], plain.json()["result"]
    assert isinstance(result, dict)
    assert isinstance(whole, dict)
    for name in ("object", "model", "choices", "usage"):
        assert result[name] == whole[name]
    assert at(result, "codeex", "request_id") == answer.headers["x-request-id"]
    assert b"[DONE]" not in answer.body
    assert answer.ended


def test_every_line_of_a_stream_is_one_event() -> None:
    """Client SDKs read line by line; see ``callable_stream``."""
    text = 'a "quoted"\nline\r\n\n\u2028data: x'

    async def main() -> Sent:
        script = {"groq": lambda _c, _n: Act(chunks=says(text, "\n\n", "end"))}
        return await asked(House(script), HELLO, EVENTS)

    answer = run_virtual(main())
    for event in answer.body.removesuffix(b"\n\n").split(b"\n\n"):
        assert event.startswith(b"data: {")
        assert b"\n" not in event
        orjson.loads(event[6:])
    result = answer.events()[-1]["result"]
    assert at(result, "choices", 0, "message", "content") == text + "\n\nend"


def test_silence_is_kept_alive_by_blanks_before_the_next_event() -> None:
    async def main() -> Sent:
        slow = dict.fromkeys(NAMES, lambda _c, _n: fails(Overloaded, delay=3.5))
        return await asked(House(slow), {"prompt": "Hi", "codeex": NOW}, EVENTS)

    answer = run_virtual(main())
    assert [piece for _, piece in answer.pieces[:2]] == [b"data: ", b" "]
    assert answer.pieces[0][0] == pytest.approx(5.0)
    assert answer.body.count(b"\n") == 2
    assert error_of(answer)["status"] == "UNAVAILABLE"
    assert answer.ended


def test_messages_after_a_silence_are_whole() -> None:
    chunks = says("One ", "two")

    async def main() -> Sent:
        house = House({"groq": lambda _c, _n: Act(chunks=chunks, gap=5.5)})
        return await asked(house, HELLO, EVENTS)

    answer = run_virtual(main())
    assert b"data:  {" not in answer.body.split(b"\n\n")[0]
    assert any(piece == b"data: " for _, piece in answer.pieces)
    assert at(answer.events()[-1], "result", "choices", 0, "message", "content") == "One two"


def test_a_stream_that_breaks_ends_in_an_error_without_a_result() -> None:
    broken = Act(chunks=says("One ", "two "), break_after=2, broken=lambda: StreamCut("cut"))

    async def main() -> Sent:
        return await asked(House(dict.fromkeys(NAMES, lambda _c, _n: broken)), HELLO, EVENTS)

    answer = run_virtual(main())
    assert error_of(answer)["status"] == "UNAVAILABLE"
    assert not any("result" in event for event in answer.events())


def test_a_client_that_aborts_closes_the_providers_stream_at_once() -> None:
    async def main() -> House:
        house = House({"groq": lambda _c, _n: Act(chunks=says(*"abcdefgh"), gap=1.0)})
        await asked(house, HELLO, EVENTS, leave_after=2.5)
        return house

    house = run_virtual(main())
    call = house.fakes["groq"].asked[0]
    assert call.cancelled
    assert call.ended == pytest.approx(2.5)


# -------------------------------------------------------------------------------------------- jobs


def test_without_capacity_the_result_is_a_job_and_jobs_has_it() -> None:
    async def main() -> None:
        full = dict.fromkeys(NAMES, lambda _c, _n: fails(QuotaExceeded, wait_s=8.0))
        house = House(full)
        data: JsonObject = {"prompt": "Hi", "codeex": NOW}
        plain, streamed = await asked(house, data), await asked(house, data, EVENTS)
        # 200: Kotlin's SDK takes every other status for an error.
        assert (plain.status, streamed.status) == (200, 200)
        job = plain.json()["result"]
        assert (at(job, "object"), at(job, "status")) == ("job", "queued")
        assert plain.headers["location"] == f"/v1/jobs/{at(job, 'id')}"
        assert [at(event, "result", "object") for event in streamed.events()] == ["job"]

        async def jobs(data: JsonObject, headers: Mapping[str, str] = JSON) -> Sent:
            return await asked(house, data, headers, "jobs")

        got = await jobs({"op": "get", "id": at(job, "id")})
        assert at(got.json(), "result", "id") == at(job, "id")
        listed = await jobs({"op": "list", "limit": 1.0})
        assert at(listed.json(), "result", "object") == "list"
        assert at(listed.json(), "result", "has_more") is True
        last = at(listed.json(), "result", "last_id")
        rest = await jobs({"op": "list", "after": last}, EVENTS)
        assert len(items(at(rest.events()[0], "result", "data"))) == 1
        gone = await jobs({"op": "cancel", "id": at(job, "id")})
        assert at(gone.json(), "result", "status") == "cancelled"

    run_virtual(main())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"op": "get", "id": "job_nobody"}, "NOT_FOUND"),
        ({"op": "get", "id": "../../v1/jobs"}, "NOT_FOUND"),
        ({"op": "get", "id": "ü"}, "NOT_FOUND"),
        ({"op": "get"}, "INVALID_ARGUMENT"),
        ({"op": "get", "id": ""}, "INVALID_ARGUMENT"),
        ({"op": "get", "id": 5}, "INVALID_ARGUMENT"),
        ({"op": "delete", "id": "x"}, "INVALID_ARGUMENT"),
        ({"op": None}, "INVALID_ARGUMENT"),
        ({}, "INVALID_ARGUMENT"),
        ({"op": "list", "limit": 0}, "INVALID_ARGUMENT"),
        ({"op": "list", "limit": True}, "INVALID_ARGUMENT"),
        ({"op": "list", "after": []}, "INVALID_ARGUMENT"),
        ({"op": "list", "limit": 1e300}, "INVALID_ARGUMENT"),
        ({"op": "list", "after": "x" * 5000}, "NOT_FOUND"),
    ],
)
def test_what_jobs_refuses(data: JsonObject, status: str) -> None:
    assert error_of(answered(data, function="jobs"))["status"] == status


# ------------------------------------------------------------------------------------------- admin


def test_admin_is_for_administrators_here_too() -> None:
    answer = answered({"op": "quotas"}, function="admin")
    assert (answer.status, error_of(answer)["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("operation", [*ADMIN])
async def test_every_page_of_the_admin_api_has_its_operation(operation: str) -> None:
    function = chat_function("admin")
    headers = {"authorization": "Bearer dev-admin", "content-type": "application/json"}
    bodies: dict[str, JsonObject] = {
        "config/patch": {"client_limits": {"user_rpm": 7}},
        "config/rollback": {"version": 0},
    }
    more = bodies.get(operation, {"hours": 2, "limit": 5})
    data = orjson.dumps({"data": {"op": operation, **more}})
    answer = await call(function, "/", "POST", body=data, headers=headers)
    assert answer.status == 200, answer.text
    assert list(answer.json()) == ["result"]


def test_no_page_of_the_admin_api_is_left_out() -> None:
    served = {
        (method, path)
        for path, methods in chat_function("admin").routes.exact.items()
        for method in methods
    }
    reached = {(one.method, one.path) for one in ADMIN.values()}
    assert served - reached == {("POST", "/")}


@pytest.mark.parametrize("function", ["chat", "jobs", "admin"])
async def test_the_deployed_entry_point_hands_its_root_on(function: str) -> None:
    app = load_functions(read_hosting(ROOT), ROOT)[function]
    answer = await call(app, "/", "POST", headers={"content-type": "application/json"})
    assert (answer.status, at(answer.json(), "error", "status")) == (401, "UNAUTHENTICATED")
