"""``/v1/me/preferences`` through the whole house, and what routing makes of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import pytest

from infra.package import ROOT
from shared.accounts.preferences import LANGUAGE, MAX_LANGUAGE_CHARS, MAX_PROVIDERS, NAMES, WISHES
from shared.errors import QuotaExceeded
from shared.messages import JsonObject
from tests.support.edge_driver import House, Sent
from tests.support.fake_provider import OK, fails
from tests.support.openapi import check, schema_named
from tests.support.simulation import at, fields, items
from tests.support.virtual_time import run_virtual

PATH = "/v1/me/preferences"
EMPTY: JsonObject = {
    "preferred_providers": [],
    "avoid_providers": [],
    "prioritize": None,
    "language": None,
}


def in_house(main: Callable[[House], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        await main(House())

    run_virtual(whole())


async def put(house: House, body: JsonObject, method: str = "PUT") -> Sent:
    return await house.call(PATH, body, method=method)


async def shown(house: House) -> JsonObject:
    sent = await house.call(PATH)
    assert sent.status == 200
    check("StoredPreferences", sent.json())
    return sent.json()


async def chain(house: House, model: str = "auto", **codeex: object) -> list[str]:
    """Providers of the plan, in order."""
    body: JsonObject = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    body["codeex"] = {"classifier": "local", **codeex}  # type: ignore[dict-item]
    sent = await house.call("/v1/route", body)
    assert sent.status == 200, sent.body
    return [str(fields(one)["provider"]) for one in items(at(sent.json(), "plan", "chain"))]


def test_put_replaces_patch_merges_and_get_shows_all_four() -> None:
    async def main(house: House) -> None:
        assert await shown(house) == EMPTY
        whole: JsonObject = {
            "preferred_providers": ["groq", "local"],
            "avoid_providers": ["google"],
            "prioritize": "speed",
            "language": "pt-BR",
        }
        assert (await put(house, whole)).json() == whole
        assert await shown(house) == whole
        # What was shown can be sent back as it is.
        assert (await put(house, await shown(house))).json() == whole
        patched = await put(house, {"language": None, "prioritize": "quality"}, "PATCH")
        assert patched.json() == {**whole, "language": None, "prioritize": "quality"}
        assert await shown(house) == patched.json()
        assert (await put(house, {}, "PATCH")).json() == patched.json()
        assert (await put(house, {"language": "de"})).json() == {**EMPTY, "language": "de"}
        assert (await put(house, {})).json() == EMPTY
        twice: JsonObject = {"avoid_providers": ["groq", "google", "groq"]}
        assert (await put(house, twice)).json()["avoid_providers"] == ["groq", "google"]

    in_house(main)


def test_another_user_has_others_and_a_client_may_have_written_anything() -> None:
    async def main(house: House) -> None:
        documents = house.services.stores.documents
        await documents.set("users/bob/settings/preferences", {"prioritize": "speed"})
        assert await shown(house) == EMPTY
        garbage = {"avoid_providers": "groq", "prioritize": "speed", "theme": "dark"}
        await documents.set("users/tester/settings/preferences", garbage)
        assert await shown(house) == {**EMPTY, "prioritize": "speed"}
        assert (await put(house, {"language": "de"}, "PATCH")).json()["prioritize"] == "speed"
        found = await documents.get("users/tester/settings/preferences")
        assert found is not None
        assert found.data == {"prioritize": "speed", "language": "de"}

    in_house(main)


BAD: list[tuple[JsonObject, str | None]] = [
    ({"theme": "dark"}, "theme"),
    ({"Language": "de"}, "Language"),
    ({"preferred_providers": "groq"}, "preferred_providers"),
    ({"preferred_providers": ["groq", "acme"]}, "preferred_providers[1]"),
    ({"avoid_providers": [5]}, "avoid_providers[0]"),
    ({"avoid_providers": [None]}, "avoid_providers[0]"),
    ({"avoid_providers": [*NAMES]}, "avoid_providers"),
    ({"avoid_providers": ["groq"] * (MAX_PROVIDERS + 1)}, "avoid_providers"),
    ({"prioritize": "cost"}, "prioritize"),
    ({"prioritize": True}, "prioritize"),
    ({"language": ""}, "language"),
    ({"language": "German please"}, "language"),
    ({"language": "de\n"}, "language"),
    ({"language": "de_AT"}, "language"),
    ({"language": 5}, "language"),
    ({"x" * 100: 1}, "the body"),
]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(("body", "param"), BAD, ids=str)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    body: JsonObject, param: str, method: str
) -> None:
    async def main(house: House) -> None:
        sent = await put(house, {"language": "de", **body}, method)
        assert (sent.status, sent.error()["param"]) == (400, param)
        assert sent.error()["code"] == "invalid_request"
        assert await shown(house) == EMPTY

    in_house(main)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"null", b"\xff"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    async def main(house: House) -> None:
        for method in ("PUT", "PATCH"):
            assert (await house.call(PATH, body, method=method)).status == 400

    in_house(main)


def test_p22_a_preferred_provider_comes_first_and_its_models_join() -> None:
    async def main(house: House) -> None:
        assert (await chain(house))[0] != "huggingface"
        await put(house, {"preferred_providers": ["huggingface"]})
        assert (await chain(house))[0] == "huggingface"
        answer = await house.chat()
        assert answer.headers["x-codeex-provider"] == "huggingface"
        # The request's own field wins.
        assert (await chain(house, preferred_providers=["google"]))[0] == "google"
        assert (await chain(house, preferred_providers=[]))[0] != "huggingface"

    in_house(main)


def test_an_avoided_provider_comes_last_and_serves_where_nobody_else_can() -> None:
    async def whole() -> None:
        full = {
            name: (lambda _card, _nth: fails(QuotaExceeded, wait_s=600.0))
            for name in ("groq", "google", "huggingface")
        }
        house = House({**full, "cerebras": lambda _card, _nth: OK})
        first = (await chain(house))[0]
        await put(house, {"avoid_providers": [first, "cerebras"]})
        providers = await chain(house)
        others = [name for name in providers if name not in (first, "cerebras")]
        assert providers[: len(others)] == others
        assert "cerebras" in providers
        answer = await house.chat(codeex={"patience_seconds": 0})
        assert answer.status == 200
        assert answer.headers["x-codeex-provider"] == "cerebras"
        # In the request it is hard.
        assert "cerebras" not in await chain(house, avoid_providers=["cerebras"])

    run_virtual(whole())


def test_everybody_avoided_is_nobody_avoided() -> None:
    async def main(house: House) -> None:
        await put(house, {"avoid_providers": [*NAMES[:MAX_PROVIDERS]]})
        answer = await house.chat()
        assert answer.status == 200
        reason = at(answer.json(), "codeex", "routing", "reason")
        assert "a provider you avoid" in str(reason)

    in_house(main)


def test_a_model_asked_for_by_name_is_asked_wherever_it_is() -> None:
    async def main(house: House) -> None:
        await put(house, {"avoid_providers": ["groq"]})
        providers = await chain(house, "groq-gpt-oss-120b")
        assert providers[0] == "groq"
        elsewhere = await chain(house, "cerebras-gpt-oss-120b")
        assert elsewhere[0] == "cerebras"
        assert elsewhere[1] != "groq"

    in_house(main)


def test_speed_and_quality() -> None:
    async def main(house: House) -> None:
        asked: dict[str, list[str]] = {}
        for wish in WISHES:
            await put(house, {"prioritize": wish})
            asked[wish] = await chain(house)
            assert asked[wish] == await chain(house, prioritize=wish)
        assert asked["speed"] != asked["quality"]
        assert await chain(house, prioritize="speed") == asked["speed"]

    in_house(main)


def test_chats_of_a_user_cost_one_read_of_them_in_ten_minutes() -> None:
    async def main(house: House) -> None:
        operations = house.services.stores.documents.operations
        for _ in range(9):
            await house.chat()
            await house.clock.sleep(60.0)
        assert fields(operations.to_json()["settings"])["reads"] == 1

    in_house(main)


def test_the_description_allows_what_the_code_does() -> None:
    described = fields(schema_named("Preferences")["properties"])
    for name in ("preferred_providers", "avoid_providers"):
        assert at(described, name, "maxItems") == MAX_PROVIDERS
        assert at(described, name, "items", "enum") == [*NAMES]
    assert at(described, "prioritize", "enum") == [*WISHES, None]
    assert at(described, "language", "maxLength") == MAX_LANGUAGE_CHARS
    assert at(described, "language", "pattern") == f"^{LANGUAGE.pattern}$"


def test_the_security_rules_let_clients_write_what_is_taken_here() -> None:
    rules = (ROOT / "firestore.rules").read_text(encoding="utf-8")
    assert f"names.size() <= {MAX_PROVIDERS}" in rules
    assert f"tag.size() <= {MAX_LANGUAGE_CHARS}" in rules
    assert f"'^{LANGUAGE.pattern.replace('(?:', '(')}$'" in rules
    for name in EMPTY:
        assert f"'{name}'" in rules
