"""What administrators store: versions, refusals, the way back; on both databases."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from shared.config import SettingsError
from shared.configuration.patching import difference, leaves, patched
from shared.configuration.stored import HISTORY, MAX_PROBLEMS, PATH
from shared.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from shared.messages import JsonObject
from shared.storage.documents import DocumentStore
from shared.storage.writes import Create
from tests.support.config_house import Fragile, config_store
from tests.support.virtual_time import VirtualClock, run_virtual

ME = "0123456789abcdef"
MODEL = "groq-gpt-oss-120b"


def test_null_takes_back_what_was_stored_and_no_empty_entry_stays() -> None:
    stored: JsonObject = {"limits": {"groq": {"rpm": 20}, "google": {"rpm": 1, "rpd": 2}}}
    assert patched(stored, {"limits": {"groq": {"rpm": None}}}) == {
        "limits": {"google": {"rpm": 1, "rpd": 2}}
    }
    assert patched(stored, {"limits": {"google": {"rpd": None}}})["limits"] == {
        "groq": {"rpm": 20},
        "google": {"rpm": 1},
    }
    assert patched({"limits": {"groq": {"rpm": 1}}}, {"limits": {"groq": {"rpm": None}}}) == {}
    assert patched({}, {"a": {"b": None}, "c": None}) == {}
    assert patched({}, {"limits": {"groq": {}}}) == {"limits": {"groq": {}}}
    assert stored["limits"] == {"groq": {"rpm": 20}, "google": {"rpm": 1, "rpd": 2}}


def test_a_difference_says_what_changed() -> None:
    before: JsonObject = {"a": {"b": 1, "c": 2}, "d": [1], "e": 1}
    after: JsonObject = {"a": {"b": 1, "c": 3}, "d": [2], "e": True, "f": {}}
    change = difference(before, after)
    assert change == {"a": {"c": 3}, "d": [2], "e": True, "f": {}}
    assert difference(after, before) == {"a": {"c": 2}, "d": [1], "e": 1, "f": None}
    assert sorted(leaves(change)) == ["a.c", "d", "e", "f"]


async def test_versions_are_kept_and_gone_back_to(documents: DocumentStore) -> None:
    store = config_store(documents, {"flags": {"ENABLE_COMPUTER_USE": True}})
    assert (await store.read()).version == 0
    assert await store.history() == []
    first = await store.patch({"limits": {"groq": {"rpm": 20}}}, ME)
    second = await store.patch({"limits": {"groq": {"rpm": 9}}, "client_limits": {}}, ME)
    assert (first.stored.version, second.stored.version) == (1, 2)
    nothing = await store.patch({"limits": {"groq": {"rpm": 9}}}, ME)
    assert (nothing.stored.version, nothing.made) == (2, False)
    config = store.effective(second.stored.patch)
    assert config.flags.ENABLE_COMPUTER_USE
    assert config.limits["groq"].rpm == 9

    back = await store.rollback(1, ME)
    assert (back.stored.version, back.made) == (3, True)
    assert back.stored.patch == first.stored.patch == (await store.read()).patch
    assert (await store.rollback(0, ME)).stored.patch == {}
    with pytest.raises(NotFound, match="no version 9"):
        await store.rollback(9, ME)

    history = await store.history()
    assert [change.stored.version for change in history] == [4, 3, 2, 1]
    assert [change.rolled_back_to for change in history] == [0, 1, None, None]
    assert history[2].change == {"limits": {"groq": {"rpm": 9}}, "client_limits": {}}
    assert history[2].stored.patch["limits"] == {"groq": {"rpm": 9}}
    assert {change.stored.changed_by for change in history} == {ME}
    assert all(change.stored.changed_at is not None for change in history)
    assert [change.stored.version for change in await store.history(2)] == [4, 3]


async def test_nobodys_change_is_lost_when_many_change_at_once(documents: DocumentStore) -> None:
    store = config_store(documents)
    names = ("groq", "cerebras", "google", "huggingface", "elevenlabs")
    await asyncio.gather(
        *(store.patch({"limits": {name: {"rpm": 5}}}, name) for name in names),
    )
    stored = await store.read()
    assert stored.version == len(names)
    assert set(cast(JsonObject, stored.patch["limits"])) == set(names)
    assert {change.stored.changed_by for change in await store.history()} == set(names)


def test_a_change_without_an_answer_says_that_it_may_have_been_made() -> None:
    async def scenario() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        backend = Fragile(clock)
        documents = DocumentStore(backend, clock=clock)
        store = config_store(documents, clock=clock)
        backend.lost = True
        with pytest.raises(StoreUnavailable, match="may have been made"):
            await store.patch({"rollout": {"v33_percent": 5}}, ME)
        backend.lost = False
        assert (await store.read()).version == 1
        await documents.close()

    run_virtual(scenario())


async def test_what_is_written_beside_is_in_the_same_commit(documents: DocumentStore) -> None:
    store = config_store(documents)

    def beside(version: int) -> list[Create]:
        return [Create(f"audit/{version}", {"version": version})]

    await store.patch({"rollout": {"v33_percent": 5}}, ME, beside)
    assert await documents.get("audit/1") is not None
    await store.patch({"rollout": {"v33_percent": 5}}, ME, beside)
    assert await documents.get("audit/2") is None


WRONG: list[tuple[JsonObject, tuple[str, ...]]] = [
    ({"surprise": 1}, ("surprise",)),
    ({"client_limits": {"user_rpm": 0}}, ("client_limits.user_rpm",)),
    ({"models": {"no-such": {"dead": True}}}, ("models.no-such",)),
    ({"limits": {"nobody": {"rpm": 1}}}, ("limits.nobody",)),
    (
        {
            "models": {
                MODEL: {"replacement": "groq-gpt-oss-20b"},
                "groq-gpt-oss-20b": {"replacement": MODEL},
            }
        },
        ("replacement cycle",),
    ),
    (
        {"rules": {"VISION_IN": {"entries": [{"model": MODEL, "priority": 1}]}}},
        ("rules.VISION_IN",),
    ),
    ({"limits": {"groq": {"rpm": 10**30}}}, ("limits.groq.rpm",)),
    (
        {
            "flags": {"NO_FLAG": True, "ENABLE_COMPUTER_USE": "perhaps"},
            "limits": {"groq": {"rpm": -1}, "nobody": {"rpm": 1}},
            "models": {"no.such": {"dead": True}, MODEL: {"enabled": 7}},
            "rules": {"CODING": {"entries": []}, "NONE": {"entries": []}},
        },
        (
            "flags.NO_FLAG",
            "flags.ENABLE_COMPUTER_USE",
            "limits.groq.rpm",
            "limits.nobody",
            "models.no.such",
            f"models.{MODEL}.enabled",
            "rules.CODING.entries",
            "rules.NONE",
        ),
    ),
]


@pytest.mark.parametrize(("wrong", "named"), WRONG)
async def test_a_wrong_change_is_refused_whole_with_every_problem(
    documents: DocumentStore, wrong: JsonObject, named: tuple[str, ...]
) -> None:
    store = config_store(documents)
    await store.patch({"rollout": {"v33_percent": 5}}, ME)
    with pytest.raises(InvalidRequest) as refused:
        await store.patch({**wrong, "rollout": {"v33_percent": 6}}, ME)
    for path in named:
        assert path in refused.value.message
    assert refused.value.param is not None
    assert f" {refused.value.param}: " in refused.value.message
    assert (await store.read()).patch == {"rollout": {"v33_percent": 5}}
    assert len(await store.history()) == 1


async def test_a_refusal_stays_short_and_so_does_what_is_stored(documents: DocumentStore) -> None:
    store = config_store(documents)
    many: JsonObject = {f"x{number}": 1 for number in range(MAX_PROBLEMS + 20)}
    with pytest.raises(InvalidRequest, match="and 20 more"):
        await store.patch(many, ME)
    note = "x" * 300_000
    rule: JsonObject = {"entries": [{"model": MODEL, "priority": 1}], "note": note}
    with pytest.raises(InvalidRequest, match="bytes"):
        await store.patch({"rules": {"CODING": rule}}, ME)


async def test_what_somebody_broke_by_hand_can_be_replaced(documents: DocumentStore) -> None:
    store = config_store(documents)
    await store.patch({"rollout": {"v33_percent": 5}}, ME)
    await documents.update(PATH, {"patch": "{broken"})
    with pytest.raises(SettingsError, match="config/runtime"):
        await store.read()
    with pytest.raises(Conflict, match="roll back"):
        await store.patch({"rollout": {"v33_percent": 6}}, ME)
    assert (await store.rollback(1, ME)).stored.version == 2
    assert (await store.read()).patch == {"rollout": {"v33_percent": 5}}
    await documents.update(PATH, {"version": "two"})
    with pytest.raises(Conflict):
        await store.rollback(1, ME)


async def test_a_version_that_fits_no_more_is_not_gone_back_to(documents: DocumentStore) -> None:
    store = config_store(documents)
    await store.patch({"rollout": {"v33_percent": 5}}, ME)
    text = '{"models": {"gone-model": {"dead": true}}}'
    await documents.update(f"{HISTORY}/0000000001", {"patch": text})
    with pytest.raises(InvalidRequest, match="gone-model"):
        await store.rollback(1, ME)
    assert (await store.read()).version == 1
