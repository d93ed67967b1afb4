"""API keys and preferences on both databases: what is promised under many at once."""

from __future__ import annotations

import asyncio
import random

import pytest
from msgspec.structs import replace

from shared.accounts.api_keys import MAX_KEYS, ApiKey, KeyStore
from shared.accounts.key_text import fingerprint
from shared.accounts.preferences import Preferences, PreferenceStore
from shared.clock import SystemClock
from shared.errors import Conflict, StoreUnavailable
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed, VersionConflict


@pytest.fixture
def keys(documents: DocumentStore) -> KeyStore:
    return KeyStore(documents, SystemClock(), random.Random(3))


async def one_more(keys: KeyStore) -> tuple[str, ApiKey] | None:
    """A new key; None: one too many, or others came in between for as long as it may take."""
    try:
        return await keys.create("alice", "tool", "free", None)
    except (Conflict, VersionConflict, StoreUnavailable):
        return None


async def test_nobody_has_more_keys_than_allowed_however_they_are_asked_for(keys: KeyStore) -> None:
    for _ in range(MAX_KEYS - 2):
        await keys.create("alice", "tool", "free", None)
    made = await asyncio.gather(*(one_more(keys) for _ in range(6)))
    assert sum(one is not None for one in made) <= 2
    while len(await keys.of("alice")) < MAX_KEYS:
        assert await one_more(keys) is not None
    with pytest.raises(Conflict):
        await keys.create("alice", "tool", "free", None)
    assert await keys.of("bob") == []


async def test_a_key_is_found_noted_and_gone_once_it_is_revoked(keys: KeyStore) -> None:
    text, made = await keys.create("alice", "tool", "pro", 30)
    mark = fingerprint(text)
    found = await keys.find(mark)
    assert found is not None
    assert (found.id, found.uid, found.tier) == (made.id, "alice", "pro")
    assert found.expires_at == pytest.approx(made.expires_at, abs=0.001)
    await keys.used(found)
    again = await keys.find(mark)
    assert again is not None
    assert again.last_used_at is not None
    await keys.revoke("alice", made.id)
    assert await keys.find(mark) is None
    with pytest.raises(PreconditionFailed):
        await keys.used(found)


async def test_changes_of_preferences_made_at_once_are_all_made(documents: DocumentStore) -> None:
    store = PreferenceStore(documents)
    changes = [
        lambda stored: replace(stored, preferred_providers=("groq",)),
        lambda stored: replace(stored, avoid_providers=("google",)),
        lambda stored: replace(stored, language="de"),
    ]
    await asyncio.gather(*(store.change("alice", change) for change in changes))
    whole = Preferences(("groq",), ("google",), None, "de")
    assert await store.read("alice", 5.0) == whole
