"""The runtime configuration from outside: who may change it, what it changes, how to go back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.messages import JsonObject, JsonValue
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient
from tests.support.simulation import at, fields, items

CONFIG = "/admin/api/config"
Fresh = Callable[[JsonObject], RouterClient]
READ = (
    "config",
    "config/history",
    "quotas",
    "jobs",
    "stats",
    "health",
    "store-operations",
    "audit",
    "violations",
)


@pytest.fixture
def admin(fresh: Fresh) -> RouterClient:
    return fresh({}).signed_in_as("dev-admin")


def patch(client: RouterClient, body: JsonValue) -> JsonObject:
    answer = client.patch(CONFIG, body)
    assert answer.status == 200, answer.body
    check_answer(answer, "patch", CONFIG)
    return answer.json()


def test_everything_is_described_and_closed_to_everybody_else(admin: RouterClient) -> None:
    for name in READ:
        path = f"/admin/api/{name}"
        answer = admin.get(path)
        assert answer.status == 200, (path, answer.body)
        check_answer(answer, "get", path)
        stranger = admin.signed_in_as("dev-alice").get(path)
        assert (stranger.status, stranger.error()["code"]) == (403, "forbidden")
        check_answer(stranger, "get", path)
    assert admin.signed_in_as("dev-alice").patch(CONFIG, {}).status == 403


def test_a_rule_changed_routes_the_next_request(admin: RouterClient) -> None:
    entry: JsonValue = {"model": "google-gemini-3.5-flash-lite", "priority": 1000}
    patch(admin, {"rules": {"SIMPLE": {"entries": [entry]}}})
    answer = admin.chat("What is the capital of France?")
    assert at(answer.receipt(), "classification", "category") == "SIMPLE"
    assert answer.headers["x-codeex-model"] == "google-gemini-3.5-flash-lite"


def test_a_model_marked_dead_is_asked_no_more(admin: RouterClient) -> None:
    model = "groq-gpt-oss-120b"
    assert admin.chat(model=model).headers["x-codeex-model"] == model
    patch(admin, {"models": {model: {"dead": True}}})
    answer = admin.chat(model=model)
    assert answer.status == 200
    assert answer.headers["x-codeex-model"] != model
    listed = admin.get(f"/v1/models/{model}").json()
    assert at(listed, "codeex", "status") == "DEAD"


def test_a_wrong_configuration_is_refused_whole_with_every_problem(admin: RouterClient) -> None:
    before = admin.get(CONFIG).json()
    wrong: JsonValue = {
        "client_limits": {"user_rpm": 0},
        "models": {"no-such-model": {"dead": True}},
        "limits": {"groq": {"rpm": -1}},
        "surprise": 1,
    }
    answer = admin.patch(CONFIG, wrong)
    assert answer.status == 400
    check_answer(answer, "patch", CONFIG)
    message = str(answer.error()["message"])
    for named in ("user_rpm", "rpm", "surprise"):
        assert named in message
    assert admin.get(CONFIG).json() == before
    unknown = admin.patch(CONFIG, {"models": {"no-such-model": {"dead": True}}})
    assert unknown.status == 400
    assert "no-such-model" in str(unknown.error()["message"])


def test_history_says_who_and_what_and_leads_back(admin: RouterClient) -> None:
    first = patch(admin, {"client_limits": {"user_rpm": 77}})
    second = patch(admin, {"client_limits": {"user_rpm": 88}})
    assert at(second, "config", "client_limits", "user_rpm") == 88
    history = items(admin.get(f"{CONFIG}/history").json()["data"])
    assert [fields(line)["version"] for line in history][:2] == [
        second["version"],
        first["version"],
    ]
    back = admin.post(f"{CONFIG}/rollback", {"version": first["version"]})
    assert back.status == 200, back.body
    check_answer(back, "post", f"{CONFIG}/rollback")
    assert at(back.json(), "config", "client_limits", "user_rpm") == 77
    assert int(str(back.json()["version"])) > int(str(second["version"]))
    missing = admin.post(f"{CONFIG}/rollback", {"version": 999})
    assert missing.status == 404
    check_answer(missing, "post", f"{CONFIG}/rollback")
    lines = items(admin.get("/admin/api/audit").json()["data"])
    assert len(lines) == 3
    assert "admin" not in {fields(line).get("changed_by") for line in lines}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"null"])
def test_a_body_that_is_no_object_is_400(admin: RouterClient, body: bytes) -> None:
    for method, path in (("PATCH", CONFIG), ("POST", f"{CONFIG}/rollback")):
        answer = admin.call(method, path, body)
        assert (answer.status, answer.error()["code"]) == (400, "invalid_request")


def test_limits_and_use_are_shown(admin: RouterClient) -> None:
    patch(admin, {"limits": {"groq": {"rpm": 5}}})
    assert admin.chat(model="groq-gpt-oss-120b").status == 200
    rows = [fields(row) for row in items(admin.get("/admin/api/quotas").json()["data"])]
    groq = next(row for row in rows if row["provider"] == "groq" and row["model"] is None)
    assert fields(groq["limits"]) == {"rpm": 5}
    assert at(groq, "used", "minute", "requests") == 1


def test_the_operations_of_the_store_are_counted(admin: RouterClient) -> None:
    patch(admin, {"limits": {"groq": {"rpm": 5}}})
    assert admin.chat(model="groq-gpt-oss-120b").status == 200
    told = admin.get("/admin/api/store-operations").json()
    assert at(told, "data", "quotas", "writes") == 1
    total = fields(told["total"])
    assert int(str(total["writes"])) >= 1
