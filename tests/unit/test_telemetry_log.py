import io
import json
import logging

import pytest

from shared.messages import Attempt, JsonObject
from shared.telemetry import JsonLog, RequestRecord, bridge_logging, user_hash
from shared.telemetry.log import MAX_LINE_BYTES, MAX_STACK
from shared.telemetry.redaction import MASK, Redactor
from tests.support.virtual_time import ManualClock

GROQ_KEY = "gsk_0123456789abcdefghijABCDEFGHIJ"


def make_log(level: str = "INFO", secrets: tuple[str, ...] = ()) -> tuple[JsonLog, io.BytesIO]:
    stream = io.BytesIO()
    return JsonLog(stream, ManualClock(), level, secrets), stream


def lines(stream: io.BytesIO) -> list[JsonObject]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def record(**changes: object) -> RequestRecord:
    made = RequestRecord("req_1", "chat", "/v1/chat/completions", 200)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_line_is_one_object_with_cloud_logging_names() -> None:
    log, stream = make_log()
    log.warning("limit reached", {"provider": "groq", "wait_s": 2.5})
    assert stream.getvalue().endswith(b"}\n")
    assert stream.getvalue().count(b"\n") == 1
    assert lines(stream) == [
        {
            "provider": "groq",
            "wait_s": 2.5,
            "severity": "WARNING",
            "time": "2026-11-23T12:00:00Z",
            "message": "limit reached",
        }
    ]


def test_a_field_cannot_pretend_to_be_the_severity() -> None:
    log, stream = make_log()
    log.error("broken", {"severity": "DEBUG", "message": "fine", "time": "then"})
    line = lines(stream)[0]
    assert (line["severity"], line["message"]) == ("ERROR", "broken")
    assert line["time"] != "then"


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("DEBUG", ["d", "i", "w", "e"]),
        ("INFO", ["i", "w", "e"]),
        ("WARNING", ["w", "e"]),
        ("ERROR", ["e"]),
        ("CRITICAL", []),
        ("nonsense", ["i", "w", "e"]),
    ],
)
def test_levels(level: str, written: list[str]) -> None:
    log, stream = make_log(level)
    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")
    assert [line["message"] for line in lines(stream)] == written


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key gsk_AbCdEf0123456789 used", "gsk_AbCdEf0123456789"),
        ("csk-abcdefghij0123456789", "csk-abcdefghij0123456789"),
        ("(hf_abcdefghijklmnop)", "hf_abcdefghijklmnop"),
        ("AIzaSyA-abcdefghij_0123456789abcdefghij", "AIzaSyA-abcdefghij_0123456789abcdefghij"),
        ("xi: sk_0123456789abcdef", "sk_0123456789abcdef"),
        ("user's ck_Ab-Cd_Ef0123456789", "ck_Ab-Cd_Ef0123456789"),
        ("Bearer dev-admin", "dev-admin"),
        ("authorization: bearer abc.def", "abc.def"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl", "eyJzdWIiOiJ1In0"),
        ("GET https://host/v1beta/models?key=QWERTY&alt=sse", "QWERTY"),
        ("https://host/o?X-Goog-Signature=deadbeef01", "deadbeef01"),
        ("{'xi-api-key': 'opaque1'}", "opaque1"),
        ('{"x-goog-api-key": "opaque2"}', "opaque2"),
        ("Cookie: session=opaque3", "opaque3"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ],
)
def test_key_shapes_are_masked(text: str, secret: str) -> None:
    log, stream = make_log()
    log.info(text, {"detail": [{"deep": f"before {text}"}]})
    assert secret not in stream.getvalue().decode()
    assert MASK in str(lines(stream)[0]["message"])


@pytest.mark.parametrize(
    "text",
    [
        "send a Bearer token in the Authorization header",
        "task_completed after fallback_chain",
        "disk-full on the risk_engine",
        "model deepseek-r1-distill-llama-70b",
        "GROQ_API_KEY not set",
        "outcome not_on_this_key",
        "the key: see docs",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().clean(text) == text


def test_a_field_named_like_a_secret_is_masked_whole() -> None:
    log, stream = make_log()
    log.info("headers", {"headers": {"Authorization": "opaque one", "x-api-key": 5, "host": "h"}})
    assert lines(stream)[0]["headers"] == {"Authorization": MASK, "x-api-key": MASK, "host": "h"}


def test_known_secrets_are_found_escaped_quoted_and_in_keys() -> None:
    secret = 'pa"ss\\wörd&1'
    log, stream = make_log(secrets=(secret,))
    log.info(f"v={secret}", {secret: {"body": json.dumps({"k": secret}), "repr": repr(secret)}})
    text = stream.getvalue().decode()
    assert "ss\\" not in text
    assert "ss\\\\w" not in text
    assert text.count("redacted") == 4


def test_short_values_are_not_secrets() -> None:
    log, stream = make_log(secrets=("", "a", "chat"))
    log.info("a chat")
    assert lines(stream)[0]["message"] == "a chat"


def test_a_secret_of_json_signs_or_digits_withholds_the_event() -> None:
    log, stream = make_log(secrets=('","wait', "1234567890"))
    log.info("one", {"a": "x", "wait": 1})
    log.info("two", {"number": 1234567890})
    assert b'","wait' not in stream.getvalue()
    assert b"1234567890" not in stream.getvalue()
    assert [line["message"] for line in lines(stream)] == ["event withheld: it held a secret"] * 2


def test_exceptions_come_with_type_and_trace_but_without_secrets() -> None:
    log, stream = make_log(secrets=(GROQ_KEY,))
    try:
        try:
            raise ValueError(f"url ?key={GROQ_KEY}")
        except ValueError as inner:
            raise RuntimeError("outer Bearer abcdef") from inner
    except RuntimeError as error:
        log.error("failed", error=error)
    line = lines(stream)[0]
    assert line["error_type"] == "RuntimeError"
    assert "ValueError" in str(line["stack_trace"])
    assert GROQ_KEY not in stream.getvalue().decode()
    assert "abcdef" not in stream.getvalue().decode()


class _Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_that_cannot_be_shown_is_logged_all_the_same() -> None:
    log, stream = make_log()
    log.error("failed", error=_Hostile())
    assert lines(stream)[0]["error_type"] == "_Hostile"


def test_lines_are_bounded_whatever_is_logged() -> None:
    log, stream = make_log()
    log.info("m" * 10**6, {f"f{n}": "x" * 10**5 for n in range(100)})
    log.error("deep", error=ValueError("e" * 10**6))
    for line in stream.getvalue().splitlines():
        assert len(line) <= MAX_LINE_BYTES
        assert json.loads(line)["severity"] in ("INFO", "ERROR")
    assert len(str(lines(stream)[1]["stack_trace"])) <= MAX_STACK + 10


def test_a_cut_never_leaves_part_of_a_secret() -> None:
    secret = "s3cr3t" * 20
    redactor = Redactor([secret])
    for offset in range(0, 140, 7):
        text = "x" * (4 * 100 + 512 - 60 + offset) + secret * 3 + "y" * 2000
        assert "s3cr3t" not in redactor.clean_bounded(text, 100)
        assert "s3cr3t" not in redactor.clean_bounded(text[::-1], 100, keep_end=True)[::-1]


def test_values_that_json_has_no_form_for_are_described() -> None:
    log, stream = make_log()
    strange: JsonObject = {"big": 10**30, "surrogate": "a\ud800b", "nan": float("nan")}
    strange["self"] = strange
    log.info("strange", strange)
    line = lines(stream)[0]
    assert line["big"] == "[large number]"
    assert line["surrogate"] == "a?b"
    assert line["nan"] is None


class _Broken:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def write(self, data: bytes, /) -> int | None:
        if self.error is not None:
            raise self.error
        return None


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("closed"), None])
def test_a_stream_that_fails_costs_a_line_and_nothing_else(error: Exception | None) -> None:
    log = JsonLog(_Broken(error), ManualClock())
    log.info("lost")
    assert log.dropped == 1


class _Short:
    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: bytes, /) -> int | None:
        part = data[: len(data) // 2] if not self.taken else data
        self.taken += part
        return len(part)


def test_a_write_cut_short_is_completed() -> None:
    stream = _Short()
    JsonLog(stream, ManualClock()).info("whole")
    assert json.loads(stream.taken)["message"] == "whole"


def test_a_request_line_has_what_was_decided_and_how_it_went() -> None:
    log, stream = make_log()
    log.request(
        RequestRecord(
            "req_9",
            "chat",
            "/v1/chat/completions",
            200,
            user_hash="0123456789abcdef",
            category="CODING",
            confidence=0.9,
            classification_source="local",
            routing_reason="primary is healthy",
            chain=("m1", "m2"),
            attempts=[Attempt("m1", "groq", "timeout", 4000), Attempt("m2", "google", "ok", 900)],
            model="m2",
            provider="google",
            warnings=["unguarded"],
            stream=True,
            prompt_tokens=10,
            completion_tokens=20,
            timings_ms={"total": 4950},
            cancelled=True,
        )
    )
    line = lines(stream)[0]
    assert line.pop("time") == "2026-11-23T12:00:00Z"
    assert line == {
        "severity": "INFO",
        "message": "chat 200 m2",
        "request_id": "req_9",
        "function": "chat",
        "path": "/v1/chat/completions",
        "status": 200,
        "stream": True,
        "timings_ms": {"total": 4950},
        "user": "0123456789abcdef",
        "classification": {"category": "CODING", "confidence": 0.9, "source": "local"},
        "routing": {
            "reason": "primary is healthy",
            "chain": ["m1", "m2"],
            "attempts": [
                {"model": "m1", "provider": "groq", "outcome": "timeout", "latency_ms": 4000},
                {"model": "m2", "provider": "google", "outcome": "ok", "latency_ms": 900},
            ],
        },
        "model": "m2",
        "provider": "google",
        "tokens": {"prompt": 10, "completion": 20},
        "warnings": ["unguarded"],
        "cancelled": True,
    }


def test_severity_of_requests() -> None:
    five = [Attempt("m", "p", "timeout", 1)] * 5
    assert record().severity() == "INFO"
    assert record(status=404, code="not_found").severity() == "INFO"
    assert record(attempts=five[:4]).severity() == "INFO"
    assert record(attempts=five).severity() == "WARNING"
    assert record(status=429, code="capacity_exhausted").severity() == "WARNING"
    assert record(status=503, code="all_models_failed").severity() == "ERROR"


def test_requests_below_the_level_are_not_written() -> None:
    log, stream = make_log("WARNING")
    log.request(record())
    assert stream.getvalue() == b""


def test_user_hash_is_stable_and_keyed() -> None:
    assert user_hash("alice", b"salt") == user_hash("alice", b"salt")
    assert user_hash("alice", b"salt") != user_hash("alice", b"other")
    assert user_hash("alice", b"salt") != user_hash("bob", b"salt")
    assert len(user_hash("a\ud800", b"")) == 16


@pytest.fixture
def manager() -> logging.Manager:
    return logging.Manager(logging.RootLogger(logging.WARNING))


def test_python_logging_comes_out_as_json_without_secrets(manager: logging.Manager) -> None:
    log, stream = make_log(secrets=("opaque-secret",))
    own = logging.StreamHandler(io.StringIO())
    manager.getLogger("uvicorn").addHandler(own)
    manager.getLogger("uvicorn").propagate = False
    bridge_logging(log, "INFO", manager)
    manager.getLogger("uvicorn").info("started with %s", "opaque-secret")
    try:
        raise OSError("opaque-secret refused")
    except OSError:
        manager.getLogger("aiohttp.client").exception("connection")
    manager.getLogger("uvicorn.access").info("GET /?key=abc")
    manager.getLogger("x").debug("not at this level")
    first, second = lines(stream)
    assert (first["message"], first["logger"]) == (f"started with {MASK}", "uvicorn")
    assert (second["severity"], second["error_type"]) == ("ERROR", "OSError")
    assert b"opaque-secret" not in stream.getvalue()


def test_a_bad_format_is_shown_as_it_is(manager: logging.Manager) -> None:
    log, stream = make_log("DEBUG")
    bridge_logging(log, "DEBUG", manager)
    logger = manager.getLogger("lib")
    logger.warning("%d items", "many")
    logger.debug("low")
    logger.critical("high")
    assert [(line["severity"], line["message"]) for line in lines(stream)] == [
        ("WARNING", "%d items"),
        ("DEBUG", "low"),
        ("CRITICAL", "high"),
    ]
