"""The admin API at the edge: for administrators only, audited, checked whole; on both databases."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from shared.clock import SystemClock
from shared.config import RuntimeConfig
from shared.configuration.following import ConfigFollower
from shared.configuration.stored import PATH
from shared.edge.admin import AdminEndpoint, AdminParts
from shared.edge.app import EdgeApp, EdgeParts
from shared.edge.audit import AuditLog
from shared.edge.call import Call
from shared.edge.cors import CorsPolicy
from shared.edge.identity import Identity, bearer_token, rejected
from shared.errors import SafetyViolation
from shared.messages import Attempt, JsonObject, JsonValue
from shared.model import Category
from shared.pipeline.statistics import StatisticsFlusher
from shared.pipeline.statistics_reading import StatisticsReader
from shared.safety.violations import ViolationStore
from shared.storage.documents import DocumentStore
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog
from shared.telemetry.record import user_hash
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.config_house import config_store
from tests.support.edge_driver import Lines
from tests.support.openapi import check
from tests.support.simulation import at, items

SALT = b"salt"
CONFIG = "config"
PAGES = (
    "config",
    "config/history",
    "quotas",
    "jobs",
    "health",
    "stats",
    "store-operations",
    "audit",
    "violations",
)


class Users:
    """``boss`` is an administrator, ``user`` is not."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """By the token's name."""
        token = bearer_token(authorization)
        if token not in ("boss", "user"):
            raise rejected()
        return Identity(f"{token}-uid", admin=token == "boss")


class Office:
    """The admin function over one document store."""

    def __init__(self, documents: DocumentStore, **base: object) -> None:
        clock = SystemClock()
        self.documents, self.lines = documents, Lines()
        self.applied: list[RuntimeConfig] = []
        self.crashes: list[BaseException] = []
        self.store = config_store(documents, base)
        self.follower = ConfigFollower(self.store, RuntimeConfig(), clock, self.applied.append)
        self.counters = Counters(clock)
        self.flusher = StatisticsFlusher(self.counters, documents, clock, "one")
        log = JsonLog(self.lines, clock)
        self.violations = ViolationStore(documents, clock, log)
        parts = AdminParts(
            config_store=self.store,
            follower=self.follower,
            documents=documents,
            audit=AuditLog(documents, log, clock, random.Random(1), SALT),
            violations=self.violations,
            statistics=StatisticsReader(documents, clock),
            counters=self.counters,
            quotas=self._quotas,
            jobs=self._jobs,
            health=lambda: [{"provider": "groq", "model": None}],
            clock=clock,
            since=1000.5,
        )
        self.app = EdgeApp(
            EdgeParts(
                function="admin",
                routes=AdminEndpoint(parts).routes(),
                authenticator=Users(),
                clock=clock,
                new_request_id=lambda given: given or "req_1",
                record=lambda call: None,
                record_crash=self._crash,
                cors=CorsPolicy(()),
            )
        )

    async def ask(
        self,
        path: str,
        body: JsonValue | bytes = None,
        *,
        method: str = "GET",
        who: str = "boss",
        query: str = "",
        content_type: str = "application/json",
    ) -> AsgiAnswer:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        headers = {"authorization": f"Bearer {who}", "content-type": content_type}
        answer = await call(
            self.app, f"/admin/api/{path}", method, query=query, body=data, headers=headers
        )
        assert self.crashes == []
        return answer

    async def patch(self, body: JsonValue | bytes) -> AsgiAnswer:
        return await self.ask(CONFIG, body, method="PATCH")

    async def rows(self, path: str, query: str = "") -> list[JsonObject]:
        answer = await self.ask(path, query=query)
        data = answer.json()["data"]
        assert answer.status == 200
        assert isinstance(data, list)
        return [row for row in data if isinstance(row, dict)]

    async def _quotas(self) -> list[JsonObject]:
        return [{"provider": "groq", "model": None}]

    async def _jobs(self) -> JsonObject:
        return {"object": "list", "counts": {"queued": 0}, "data": []}

    def _crash(self, call: Call, error: BaseException) -> None:
        self.crashes.append(error)


def error(answer: AsgiAnswer) -> tuple[int, JsonObject]:
    told = answer.json()["error"]
    assert isinstance(told, dict)
    return answer.status, told


async def test_only_administrators_come_in(documents: DocumentStore) -> None:
    office = Office(documents)
    for page in PAGES:
        assert (await office.ask(page)).status == 200
        status, told = error(await office.ask(page, who="user"))
        assert (status, told["code"]) == (403, "forbidden")
        assert (await office.ask(page, who="nobody")).status == 401
    for method, page in (("PATCH", CONFIG), ("POST", "config/rollback")):
        for who, expected in (("user", 403), ("nobody", 401)):
            assert (await office.ask(page, {}, method=method, who=who)).status == expected
    assert (await office.ask("nothing")).status == 404
    assert (await office.ask(CONFIG, {}, method="PUT")).status == 405
    assert await documents.get(PATH) is None


async def test_a_change_holds_at_once_and_is_audited_with_a_pseudonym(
    documents: DocumentStore,
) -> None:
    office = Office(documents, paid_providers=["groq", "google"])
    answer = await office.patch({"rollout": {"v33_percent": 5}, "limits": {"groq": {"rpm": 3}}})
    assert answer.status == 200
    shown = answer.json()
    assert (shown["version"], shown["stored"]) == (
        1,
        {"rollout": {"v33_percent": 5}, "limits": {"groq": {"rpm": 3}}},
    )
    assert office.applied[-1].rollout.v33_percent == 5
    assert (await office.ask(CONFIG)).json() == shown
    config = shown["config"]
    assert isinstance(config, dict)
    assert config["paid_providers"] == ["google", "groq"]
    assert set(config) == set(RuntimeConfig.__struct_fields__)
    rules = config["rules"]
    assert isinstance(rules, dict)
    assert set(rules) == {category.value for category in Category}
    assert (await office.patch({"rollout": {"v33_percent": 5}})).json()["version"] == 1

    (line,) = await office.rows("audit")
    me = user_hash("boss-uid", SALT)
    assert {name: line[name] for name in ("actor", "action", "what", "version", "request_id")} == {
        "actor": me,
        "action": "config.patch",
        "what": ["rollout.v33_percent", "limits.groq.rpm"],
        "version": 1,
        "request_id": "req_1",
    }
    logged = [entry for entry in office.lines.json() if entry["message"] == "audit"]
    assert [(entry["actor"], entry["id"]) for entry in logged] == [(me, line["id"])]
    assert b"boss-uid" not in office.lines.data
    (version,) = await office.rows("config/history")
    assert version["changed_by"] == me
    assert isinstance(version["changed_at"], int)


async def test_what_is_shown_can_be_sent_back(documents: DocumentStore) -> None:
    office = Office(documents, limits={"google": {"rpm": 2}}, models={"groq-gpt-oss-120b": {}})
    shown = (await office.ask(CONFIG)).json()
    answer = await office.patch(shown["config"])
    assert answer.status == 200
    assert answer.json()["config"] == shown["config"]


async def test_the_way_back(documents: DocumentStore) -> None:
    office = Office(documents)
    for percent in (1, 2):
        await office.patch({"rollout": {"v33_percent": percent}})
    answer = await office.ask("config/rollback", {"version": 1}, method="POST")
    assert answer.json()["version"] == 3
    assert answer.json()["stored"] == {"rollout": {"v33_percent": 1}}
    assert office.applied[-1].rollout.v33_percent == 1
    versions = await office.rows("config/history")
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert (versions[0]["rolled_back_to"], versions[0]["patch"]) == (
        1,
        {"rollout": {"v33_percent": 1}},
    )
    assert len(await office.rows("config/history", "limit=2")) == 2
    entries = await office.rows("audit", "limit=1")
    assert [entry["action"] for entry in entries] == ["config.rollback"]
    assert error(await office.ask("config/rollback", {"version": 9}, method="POST"))[0] == 404
    for wrong in ({}, {"version": "1"}, {"version": -1}, {"version": 1.5}, {"version": True}):
        body: JsonValue = dict(wrong)
        status, told = error(await office.ask("config/rollback", body, method="POST"))
        assert (status, told["param"]) == (400, "version")


async def test_a_wrong_change_is_refused_with_every_problem(documents: DocumentStore) -> None:
    office = Office(documents)
    status, told = error(
        await office.patch(
            {"limits": {"groq": {"rpm": -1}}, "models": {"no.such": {"dead": True}}, "x": 1}
        )
    )
    assert (status, told["code"]) == (400, "invalid_request")
    for path in ("limits.groq.rpm", "models.no.such", "x: "):
        assert path in str(told["message"])
    assert told["param"] in ("limits.groq.rpm", "x")
    assert await documents.get(PATH) is None
    assert await office.rows("audit") == []
    assert office.applied == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"null", b'{"a": NaN}'])
async def test_a_body_that_is_no_object_is_400(documents: DocumentStore, body: bytes) -> None:
    office = Office(documents)
    for method, path in (("PATCH", CONFIG), ("POST", "config/rollback")):
        status, told = error(await office.ask(path, body, method=method))
        assert (status, told["code"]) == (400, "invalid_request")
    for form in ("multipart/form-data; boundary=x", "Multipart/Form-Data"):
        assert (await office.ask(CONFIG, b"{}", method="PATCH", content_type=form)).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"rollout": {"v33_percent": 1e300}},
        {"limits": {"groq": {"rpm": 2**63}}},
        {"__x__": {"a": 1}},
        {"": 1},
        {"models": {"a/b": {"dead": True}}},
        {"rules": {"CODING": {"entries": [[]]}}},
        {"limits": []},
        {"paid_providers": "some"},
        {"limits": {"groq": {"rpm": True}}},
        {"limits": {"groq": {"rpm": "5"}}},
        {"flags": {"ENABLE_SAFETY_GUARD": 0}},
        {"rollout": {"rollback": "yes"}},
        {"timeouts": {"first_byte": "4"}},
    ],
)
async def test_hostile_values_are_400(documents: DocumentStore, body: JsonObject) -> None:
    status, told = error(await Office(documents).patch(body))
    assert (status, told["code"]) == (400, "invalid_request")


async def test_a_problem_is_named_by_the_keys_that_were_sent(documents: DocumentStore) -> None:
    office = Office(documents)
    _, told = error(await office.patch({"paid_providers": {"groq": 1}}))
    assert told["param"] == "paid_providers"
    assert str(told["message"]).count("paid_providers: ") == 1
    _, long = error(await office.patch({"limits": {"x" * 100_000: {"rpm": 1}}}))
    assert len(str(long["message"])) + len(str(long["param"])) < 2_000


async def test_changes_at_once_are_all_kept_and_all_audited(documents: DocumentStore) -> None:
    office = Office(documents)
    names = ("groq", "cerebras", "google", "huggingface")
    bodies: list[JsonObject] = [{"limits": {name: {"rpm": 5}}} for name in names]
    answers = await asyncio.gather(*(office.patch(body) for body in bodies))
    assert [answer.status for answer in answers] == [200] * len(names)
    assert office.applied[-1].limits.keys() == set(names)
    assert office.follower.version == len(names)
    entries = await office.rows("audit")
    assert sorted(int(str(entry["version"])) for entry in entries) == [1, 2, 3, 4]
    assert len([line for line in office.lines.json() if line["message"] == "audit"]) == 4


async def test_a_stored_configuration_that_fits_no_more_is_shown_with_its_problems(
    documents: DocumentStore,
) -> None:
    office = Office(documents)
    await office.patch({"rollout": {"v33_percent": 5}})
    for text in ('{"models": {"gone": {"dead": true}}}', "{broken"):
        await documents.update(PATH, {"patch": text})
        shown = (await office.ask(CONFIG)).json()
        assert shown["problems"]
        config = shown["config"]
        assert isinstance(config, dict)
        assert config["rollout"] == {"v33_percent": 5, "rollback": False}
    back = await office.ask("config/rollback", {"version": 1}, method="POST")
    assert (back.status, back.json()["version"]) == (200, 2)


async def test_figures_and_operations_are_shown(documents: DocumentStore) -> None:
    office = Office(documents)
    office.counters.record("CODING", [Attempt("m.1", "groq", "ok", 100)], primary="m.1")
    await office.flusher.flush()
    body = (await office.ask("stats", query="hours=24")).json()
    (hour,) = await office.rows("stats")
    assert set(hour) == {"hour", "models", "providers", "categories", "incidents"}
    now = body["now"]
    assert isinstance(now, dict)
    assert now["models"] == hour["models"]
    assert isinstance(body["peaks"], dict)
    operations = (await office.ask("store-operations")).json()
    assert operations["since"] == 1000
    assert operations["data"] == documents.operations.to_json()
    assert operations["total"] == {
        "reads": documents.operations.total().reads,
        "writes": 1,
        "deletes": 0,
    }
    assert await office.rows("quotas") == [{"provider": "groq", "model": None}]
    assert await office.rows("health") == [{"provider": "groq", "model": None}]


async def test_violations_are_shown_and_who_looks_one_user_up_is_audited(
    documents: DocumentStore,
) -> None:
    office = Office(documents)
    assert await office.rows("violations") == []
    for uid, category in (("u1", "VIOLENCE"), ("u2", "SELF_HARM"), ("u1", "SELF_HARM")):
        details = {"category": category, "severity": "HIGH", "stage": "input"}
        refused = SafetyViolation("no", details=details)
        await office.violations.refused(uid, f"req_{uid}_{category}", refused)
    whole = (await office.ask("violations", query="limit=2&category=&stage=&uid=&cursor=")).json()
    check("Violations", whole)
    rest = (await office.ask("violations", query=f"limit=2&cursor={whole['next']}")).json()
    rows = [*items(whole["data"]), *items(rest["data"])]
    assert [at(row, "uid") for row in rows] == ["u1", "u2", "u1"]
    assert rest["next"] is None
    assert await office.rows("audit") == []
    found = await office.rows("violations", "uid=u1&category=SELF_HARM&stage=input")
    assert [one["request_id"] for one in found] == ["req_u1_SELF_HARM"]
    (line,) = await office.rows("audit")
    assert (line["actor"], line["action"], line["what"]) == (
        user_hash("boss-uid", SALT),
        "violations.read",
        [f"users/{user_hash('u1', SALT)}/violations"],
    )


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("stats", "hours=0"),
        ("stats", "hours=169"),
        ("stats", "hours=x"),
        ("stats", "hours="),
        ("stats", "hours=%F0%9F%91%8D"),
        ("audit", "limit=201"),
        ("audit", "limit=-1"),
        ("violations", "limit=0"),
        ("violations", "category=MURDER"),
        ("violations", "stage=both"),
        ("violations", "cursor=x"),
        ("violations", "uid=" + "u" * 129),
        ("config/history", "limit=" + "9" * 5000),
        ("config/history", "limit=1&limit=x"),
    ],
)
async def test_wrong_parameters_are_named(path: str, query: str, documents: DocumentStore) -> None:
    status, told = error(await Office(documents).ask(path, query=query))
    assert (status, told["param"]) == (400, query.partition("=")[0])
