"""Real answers of every endpoint against docs/openapi.json: successes, streams, every error."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.messages import JsonObject, JsonValue
from tests.support.openapi import check, check_answer
from tests.support.router_client import RouterClient
from tests.support.simulation import at, fields, items

CHAT = "/v1/chat/completions"
QUESTION: JsonValue = [{"role": "user", "content": "Explain how vaccines work."}]
WEATHER: JsonValue = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PERSON: JsonValue = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
    },
}
CHATS: dict[str, JsonObject] = {
    "plain": {},
    "named": {"model": "google-gemini-3.8-flash"},
    "tools": {"tools": [WEATHER], "tool_choice": "required"},
    "schema": {"response_format": PERSON},
    "likely": {"logprobs": True, "top_logprobs": 2},
    "short": {"max_tokens": 3},
}
Fresh = Callable[[JsonObject], RouterClient]


@pytest.mark.parametrize("more", CHATS.values(), ids=CHATS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_chat(router: RouterClient, more: JsonObject, stream: bool) -> None:
    body: JsonObject = {"model": "auto", "messages": QUESTION, "stream": stream, **more}
    check("ChatRequest", body)
    answer = router.post(CHAT, body)
    assert answer.status == 200, answer.body
    check_answer(answer, "post", CHAT)
    assert answer.headers["x-codeex-model"]
    assert answer.headers["x-codeex-provider"]


def test_streamed_usage_stands_on_a_chunk_without_choices(router: RouterClient) -> None:
    answer = router.chat(stream=True, stream_options={"include_usage": True})
    check_answer(answer, "post", CHAT)
    last = answer.chunks()[-1]
    assert last["choices"] == []
    check("Usage", last["usage"])


def test_route(router: RouterClient) -> None:
    answer = router.post("/v1/route", {"messages": QUESTION})
    assert answer.status == 200
    check_answer(answer, "post", "/v1/route")


def test_moderations(router: RouterClient) -> None:
    words = ["How do I kill a zombie process?", "How do I build a pipe bomb?"]
    answer = router.post("/v1/moderations", {"input": [*words]})
    assert answer.status == 200
    check_answer(answer, "post", "/v1/moderations")
    flagged = [at(result, "flagged") for result in items(answer.json()["results"])]
    assert flagged == [False, True]
    assert at(answer.json(), "results", 1, "categories", "illicit/violent") is True
    missing = router.post("/v1/moderations", {"input": "a", "model": "groq-gpt-oss-120b"})
    assert missing.status == 404
    check_answer(missing, "post", "/v1/moderations")


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(router: RouterClient, encoding: str) -> None:
    body: JsonObject = {"model": "auto", "input": ["a", "b"], "encoding_format": encoding}
    answer = router.post("/v1/embeddings", body)
    assert answer.status == 200
    check_answer(answer, "post", "/v1/embeddings")


def test_models_and_each_of_them(router: RouterClient) -> None:
    listed = router.get("/v1/models")
    check_answer(listed, "get", "/v1/models")
    for model in items(listed.json()["data"]):
        answer = router.get(f"/v1/models/{fields(model)['id']}")
        assert answer.status == 200
        check_answer(answer, "get", "/v1/models/{id}")


def test_health(router: RouterClient) -> None:
    check_answer(router.get("/health"), "get", "/health")


REFUSED: dict[str, tuple[int, str, JsonObject]] = {
    "wrong field": (400, "invalid_request", {"temperature": 9}),
    "a picture": (
        400,
        "invalid_request",
        {"messages": [{"role": "user", "content": "Draw a red fox in the snow."}]},
    ),
    "priority": (403, "forbidden", {"codeex": {"priority": 9}}),
    "unknown model": (404, "model_not_found", {"model": "no-such-model"}),
    "nobody left": (
        503,
        "all_models_failed",
        {"codeex": {"avoid_providers": ["groq", "cerebras", "google", "huggingface"]}},
    ),
}


@pytest.mark.parametrize(("status", "code", "more"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_chat_refused(
    router: RouterClient, status: int, code: str, more: JsonObject, stream: bool
) -> None:
    body: JsonObject = {"model": "auto", "messages": QUESTION, "stream": stream, **more}
    answer = router.post(CHAT, body)
    assert (answer.status, answer.error()["code"]) == (status, code)
    check_answer(answer, "post", CHAT)


@pytest.mark.parametrize("token", [None, "nonsense"])
def test_without_a_valid_token_everything_but_health_is_401(
    router: RouterClient, token: str | None
) -> None:
    stranger = router.signed_in_as(token)
    for path in (CHAT, "/v1/route", "/v1/embeddings", "/v1/moderations"):
        check_refused(stranger, "post", path, 401)
    check_refused(stranger, "get", "/v1/models", 401)
    assert stranger.get("/health").status == 200


def check_refused(client: RouterClient, method: str, path: str, status: int) -> None:
    answer = client.call(method.upper(), path, b"{}" if method == "post" else None)
    assert answer.status == status
    check_answer(answer, method, path)


@pytest.mark.parametrize("path", [CHAT, "/v1/route", "/v1/embeddings", "/v1/moderations"])
def test_a_body_over_24_mib_is_413(router: RouterClient, path: str) -> None:
    answer = router.call("POST", path, b" " * (24 * 1024 * 1024 + 1))
    assert answer.status == 413
    check_answer(answer, "post", path)


def test_other_refusals(router: RouterClient) -> None:
    missing = router.get("/v1/models/no-such-model")
    assert missing.status == 404
    check_answer(missing, "get", "/v1/models/{id}")
    no_embedder = router.post("/v1/embeddings", {"model": "groq-gpt-oss-120b", "input": "a"})
    assert no_embedder.status == 400
    check_answer(no_embedder, "post", "/v1/embeddings")
    for path in ("/v1/nothing", "/v1/models/"):
        nowhere = router.get(path)
        assert nowhere.status == 404
        check("Error", nowhere.json())
    wrong_method = router.call("PUT", CHAT)
    assert (wrong_method.status, wrong_method.headers["allow"]) == (405, "POST")
    check("Error", wrong_method.json())


def break_all(router: RouterClient, kind: str, **more: JsonValue) -> None:
    for provider in ("groq", "cerebras", "google", "huggingface"):
        router.fault(provider, kind, **more)


def test_every_provider_at_its_limit_is_a_job_or_429(fresh: Fresh) -> None:
    router = fresh({})
    break_all(router, "status", status=429, retry_after=30)
    answer = router.chat(codeex={"patience_seconds": 0, "deadline_seconds": 10})
    assert (answer.status, answer.json()["status"]) == (202, "queued")
    check_answer(answer, "post", CHAT)
    shown = router.get(answer.headers["location"])
    assert (shown.status, shown.json()["id"]) == (200, answer.json()["id"])
    check_answer(shown, "get", "/v1/jobs/{id}")
    embedded = router.post("/v1/embeddings", {"model": "auto", "input": "a"})
    assert embedded.status == 429
    check_answer(embedded, "post", "/v1/embeddings")


def test_the_one_model_that_fails_is_502_and_all_of_them_503(fresh: Fresh) -> None:
    router = fresh({})
    break_all(router, "status", status=503)
    alone = router.chat(model="groq-gpt-oss-120b", codeex={"fallback": False})
    assert (alone.status, alone.error()["code"]) == (502, "provider_error")
    assert alone.error()["provider"] == "groq"
    check_answer(alone, "post", CHAT)
    embedded = router.post("/v1/embeddings", {"model": "auto", "input": "a"})
    assert (embedded.status, embedded.error()["provider"]) == (502, "google")
    check_answer(embedded, "post", "/v1/embeddings")
    everyone = router.chat()
    assert (everyone.status, everyone.error()["code"]) == (503, "all_models_failed")
    check_answer(everyone, "post", CHAT)


def test_without_a_guard_nothing_is_judged_and_nothing_answered(fresh: Fresh) -> None:
    router = fresh({"flags": {"ENABLE_SAFETY_GUARD": True}})
    break_all(router, "status", status=503)
    judged = router.post("/v1/moderations", {"input": "a"})
    assert (judged.status, judged.error()["code"]) == (503, "safety_unavailable")
    check_answer(judged, "post", "/v1/moderations")
    asked = router.chat()
    assert (asked.status, asked.error()["code"]) == (503, "safety_unavailable")
    check_answer(asked, "post", CHAT)


def test_silence_until_the_deadline_is_504(fresh: Fresh) -> None:
    router = fresh({})
    break_all(router, "hang")
    answer = router.chat(codeex={"deadline_seconds": 1})
    assert (answer.status, answer.error()["code"]) == (504, "deadline_exceeded")
    check_answer(answer, "post", CHAT)


def test_a_stream_that_breaks_off_for_good_ends_with_an_error_event(fresh: Fresh) -> None:
    router = fresh({})
    break_all(router, "cut", after_bytes=4_000)
    answer = router.chat("Explain how vaccines work.", stream=True)
    assert answer.status == 200
    check_answer(answer, "post", CHAT)
    *_, last = answer.events()
    error = fields(json.loads(last)["error"])
    assert error["code"] in ("provider_error", "all_models_failed")
