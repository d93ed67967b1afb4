"""``/v1/me/keys`` through the whole house: made, shown once, used, listed, revoked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import pytest

from shared.accounts.api_keys import MAX_KEYS
from shared.accounts.key_text import is_key
from shared.edge.api_keys import MAX_DAYS, MAX_NAME_CHARS, UNNAMED
from shared.edge.identity import Identity
from shared.messages import JsonObject
from shared.storage.queries import Query
from tests.support.edge_driver import House, Sent
from tests.support.openapi import check, schema_named
from tests.support.simulation import at, fields, items
from tests.support.virtual_time import run_virtual

PATH = "/v1/me/keys"


class Users:
    """``Bearer alice`` is alice, ``Bearer ghost`` an anonymous account, ``root`` administrator."""

    async def authenticate(self, authorization: str | None) -> Identity:
        uid = (authorization or "").removeprefix("Bearer ")
        return Identity(uid, admin=uid == "root", anonymous=uid == "ghost", tier="pro")


def in_house(main: Callable[[House], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        await main(House(authenticator=Users()))

    run_virtual(whole())


def signed_in(token: str = "alice") -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def make(house: House, body: JsonObject | None = None, token: str = "alice") -> Sent:
    return await house.call(PATH, body or {"name": "my server"}, headers=signed_in(token))


async def listed(house: House, token: str = "alice") -> list[JsonObject]:
    sent = await house.call(PATH, headers=signed_in(token))
    assert sent.status == 200
    check("ApiKeyList", sent.json())
    return [fields(row) for row in items(sent.json()["data"])]


def test_a_key_is_shown_once_serves_its_owner_and_is_revoked() -> None:
    async def main(house: House) -> None:
        sent = await make(house)
        assert sent.status == 200
        check("NewApiKey", sent.json())
        assert sent.headers["cache-control"] == "no-store"
        key = str(sent.json()["key"])
        assert is_key(key)
        row = {name: value for name, value in sent.json().items() if name != "key"}
        assert await listed(house) == [row]
        chat: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}
        answer = await house.call("/v1/chat/completions", chat, headers=signed_in(key))
        assert answer.status == 200
        (now,) = await listed(house)
        assert now["last_used_at"] is not None
        gone = await house.call(f"{PATH}/{row['id']}", method="DELETE", headers=signed_in())
        assert gone.json() == {"id": row["id"], "object": "api_key", "deleted": True}
        check("DeletedApiKey", gone.json())
        assert await listed(house) == []
        refused = await house.call("/v1/models", headers=signed_in(key))
        assert (refused.status, refused.error()["code"]) == (401, "unauthenticated")
        # Nowhere but in the one answer.
        assert key.encode() not in house.lines.data
        (left,) = await house.services.stores.documents.query(Query("api_keys"))
        assert set(left.data) == {"revoked_at", "expires_at"}

    in_house(main)


def test_the_key_is_kept_nowhere_though_the_answer_may_be_asked_for_again() -> None:
    """An answer with ``no-store`` is not for keeping, whatever Idempotency-Key it came under."""

    async def main(house: House) -> None:
        headers = {**signed_in(), "idempotency-key": "once-and-again"}
        sent = await house.call(PATH, {"name": "a tool"}, headers=headers)
        assert (sent.status, sent.headers["cache-control"]) == (200, "no-store")
        key = str(sent.json()["key"])
        documents = house.services.stores.documents
        for collection in ("idempotency", "api_keys", "jobs", "audit"):
            for kept in await documents.query(Query(collection, group=True)):
                assert key not in repr(kept.data)

    in_house(main)


def test_an_administrators_key_has_no_admin_rights() -> None:
    async def main(house: House) -> None:
        key = str((await make(house, token="root")).json()["key"])
        path = "/admin/api/health"
        assert (await house.call(path, headers=signed_in("root"), function="admin")).status == 200
        sent = await house.call(path, headers=signed_in(key), function="admin")
        assert (sent.status, sent.error()["code"]) == (403, "forbidden")
        urgent: JsonObject = {
            "model": "auto",
            "messages": [{"role": "user", "content": "Hello!"}],
            "codeex": {"priority": 9},
        }
        sent = await house.call("/v1/chat/completions", urgent, headers=signed_in(key))
        assert sent.status == 403

    in_house(main)


def test_a_key_has_the_limit_of_its_owner() -> None:
    async def main(house: House) -> None:
        key = str((await make(house)).json()["key"])
        body: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}
        path = "/v1/chat/completions"
        first = await house.call(path, body, headers=signed_in())
        second = await house.call(path, body, headers=signed_in(key))
        name = "x-ratelimit-remaining-requests"
        assert int(second.headers[name]) == int(first.headers[name]) - 1

    in_house(main)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_key_cannot_touch_keys_nor_can_an_anonymous_account(method: str) -> None:
    async def main(house: House) -> None:
        made = (await make(house)).json()
        path = f"{PATH}/{made['id']}" if method == "DELETE" else PATH
        for token, says in ((str(made["key"]), "sign in"), ("ghost", "anonymous")):
            sent = await house.call(path, {"name": "x"}, method=method, headers=signed_in(token))
            assert (sent.status, sent.error()["code"]) == (403, "forbidden")
            assert says in str(sent.error()["message"])
        assert len(await listed(house)) == 1

    in_house(main)


def test_another_users_key_is_not_there() -> None:
    async def main(house: House) -> None:
        made = (await make(house)).json()
        assert await listed(house, "bob") == []
        for identifier in (made["id"], "key_none", "a/b", "%2e%2e", "é"):
            sent = await house.call(
                f"{PATH}/{identifier}", method="DELETE", headers=signed_in("bob")
            )
            assert (sent.status, sent.error()["code"]) == (404, "not_found")
        assert len(await listed(house)) == 1

    in_house(main)


def test_one_key_too_many_is_a_conflict_that_says_what_to_do() -> None:
    async def main(house: House) -> None:
        for _ in range(MAX_KEYS):
            assert (await make(house)).status == 200
        sent = await make(house)
        assert (sent.status, sent.error()["code"]) == (409, "conflict")
        assert "revoke" in str(sent.error()["message"])

    in_house(main)


def test_the_limits_described_are_the_ones_that_hold() -> None:
    asked = schema_named("ApiKeyRequest")
    assert at(asked, "properties", "name", "maxLength") == MAX_NAME_CHARS
    assert at(asked, "properties", "name", "default") == UNNAMED
    assert at(asked, "properties", "expires_in_days", "maximum") == MAX_DAYS
    assert at(schema_named("ApiKeyList"), "properties", "data", "maxItems") == MAX_KEYS


GOOD: list[JsonObject] = [
    {},
    {"name": None, "expires_in_days": None},
    {"name": "x" * MAX_NAME_CHARS, "expires_in_days": MAX_DAYS},
    {"name": "  Küche 🍳 ", "expires_in_days": 1},
]
BAD: list[tuple[JsonObject, str]] = [
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "x" * (MAX_NAME_CHARS + 1)}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": 5}, "name"),
    ({"expires_in_days": 0}, "expires_in_days"),
    ({"expires_in_days": MAX_DAYS + 1}, "expires_in_days"),
    ({"expires_in_days": 1.5}, "expires_in_days"),
    ({"expires_in_days": "7"}, "expires_in_days"),
    ({"expires_in_days": True}, "expires_in_days"),
]


@pytest.mark.parametrize("body", GOOD, ids=str)
def test_what_is_taken(body: JsonObject) -> None:
    async def main(house: House) -> None:
        sent = await house.call(PATH, body, headers=signed_in())
        assert sent.status == 200
        check("NewApiKey", sent.json())

    in_house(main)


@pytest.mark.parametrize(("body", "param"), BAD, ids=str)
def test_what_is_wrong_is_named(body: JsonObject, param: str) -> None:
    async def main(house: House) -> None:
        sent = await house.call(PATH, body, headers=signed_in())
        assert (sent.status, sent.error()["param"]) == (400, param)
        assert await listed(house) == []

    in_house(main)
