"""What holds of the stored configuration whatever is sent to it, and of those who follow it."""

from __future__ import annotations

import asyncio
import random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config import RuntimeConfig, merge_patch
from shared.configuration.following import ConfigFollower
from shared.configuration.patching import difference, patched, same
from shared.errors import InvalidRequest
from shared.messages import JsonObject, JsonValue
from shared.storage.documents import DocumentStore
from tests.support.config_house import Fragile, config_store
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual

names = st.sampled_from(["a", "b", "limits", "groq"])
scalars = st.none() | st.booleans() | st.integers(0, 1) | st.just("x")
values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3)
)
patches: st.SearchStrategy[JsonObject] = st.dictionaries(names, values, max_size=3)


def without_empty(value: JsonValue) -> JsonValue:
    """Without the objects that hold nothing, in each other too."""
    if not isinstance(value, dict):
        return value
    kept = {name: without_empty(inner) for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner != {}}


@given(st.lists(patches, max_size=5))
def test_patches_in_order_are_rfc_7396_but_for_empty_objects(sent: list[JsonObject]) -> None:
    ours: JsonObject = {}
    plain: dict[str, object] = {}
    for patch in sent:
        ours = patched(ours, patch)
        plain = merge_patch(plain, patch)
    assert without_empty(ours) == without_empty(plain)  # type: ignore[arg-type]


@given(patches, patches)
def test_a_difference_makes_the_one_of_the_other(one: JsonObject, other: JsonObject) -> None:
    before, after = patched({}, one), patched({}, other)
    made = patched(before, difference(before, after))
    assert same(without_empty(made), without_empty(after))
    assert difference(after, after) == {}


def as_json(value: object) -> JsonObject:
    """A plain copy."""
    loaded: JsonObject = orjson.loads(orjson.dumps(value))
    return loaded


rpm = st.integers(-1, 50) | st.none()
OPTIONAL: dict[str, st.SearchStrategy[object]] = {
    "limits": st.dictionaries(
        st.sampled_from(["groq", "google", "groq-gpt-oss-120b", "nobody"]),
        st.none() | st.fixed_dictionaries({}, optional={"rpm": rpm, "tpd": rpm}),
        max_size=3,
    )
    | st.none(),
    "rollout": st.fixed_dictionaries({"v33_percent": st.integers(-5, 105) | st.none()}),
    "models": st.dictionaries(
        st.sampled_from(["groq-gpt-oss-120b", "no.such"]),
        st.none() | st.fixed_dictionaries({"dead": st.booleans() | st.none()}),
        max_size=2,
    ),
    "surprise": st.none() | st.integers(0, 9),
}
sections: st.SearchStrategy[JsonObject] = st.fixed_dictionaries(
    {},
    optional=OPTIONAL,
).map(as_json)


@settings(max_examples=40)
@given(st.lists(st.tuples(sections, st.integers(0, 9)), max_size=8))
def test_a_refused_change_changes_nothing_and_a_taken_one_is_kept(
    steps: list[tuple[JsonObject, int]],
) -> None:
    """Random patches, some of them wrong, and rollbacks among them."""

    async def scenario() -> None:
        documents = memory_store()
        store = config_store(documents, {"limits": {"groq": {"tpm": 5}}})
        stored: JsonObject = {}
        versions: list[JsonObject] = [{}]
        for patch, back in steps:
            if back < len(versions) and back % 3 == 2:
                outcome = await store.rollback(back, "me")
                stored = versions[back]
            else:
                try:
                    outcome = await store.patch(patch, "me")
                except InvalidRequest:
                    assert same((await store.read()).patch, stored)
                    continue
                stored = patched(stored, patch)
            if outcome.made:
                versions.append(stored)
            assert same(outcome.stored.patch, stored)
            assert outcome.stored.version == len(versions) - 1
            store.effective(stored)
        history = await store.history(100)
        assert [change.stored.patch for change in reversed(history)] == versions[1:]
        await documents.close()

    asyncio.run(scenario())


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.02, 0.5, 5.0, 24.0, 40.0]),
    st.sampled_from([0.0, 0.05, 0.4]),
    st.booleans(),
)
def test_an_instance_reads_thrice_a_minute_at_most_and_follows_in_30_seconds(
    seed: int, gap_s: float, delay_s: float, fails: bool
) -> None:
    """Requests at random times, changes at random times; the store may fail now and then."""

    async def scenario() -> None:
        rng = random.Random(seed)
        clock = VirtualClock(asyncio.get_running_loop())
        watched = Fragile(clock)
        documents = DocumentStore(watched, clock=clock)
        store = config_store(documents, clock=clock)
        applied: list[int] = []
        follower = ConfigFollower(
            store, RuntimeConfig(), clock, lambda made: applied.append(made.rollout.v33_percent)
        )
        changes: list[tuple[float, int]] = []
        failed_at = -100.0
        next_change = rng.uniform(0, 60)
        end = {0.02: 130.0, 0.5: 400.0}.get(gap_s, 2000.0)
        running: list[asyncio.Task[None]] = []

        async def request() -> None:
            nonlocal failed_at
            begun = clock.monotonic()
            await follower.ensure()
            served = follower.config.rollout.v33_percent
            known = [value for at, value in changes if at <= begun - 30.0]
            later = [value for at, value in changes if at > begun - 30.0]
            if begun - failed_at > 60.0:
                assert served in [*(known[-1:] or [100]), *later]
            await follower.finish()

        while clock.monotonic() < end:
            await asyncio.sleep(rng.expovariate(1 / gap_s))
            if clock.monotonic() >= next_change:
                value = rng.randrange(100)
                keep = len(watched.reads)
                watched.delay_s, watched.down = 0.0, False
                await store.patch({"rollout": {"v33_percent": value}}, "me")
                del watched.reads[keep:]
                changes.append((clock.monotonic(), value))
                next_change = clock.monotonic() + rng.uniform(5, 90)
            watched.delay_s = delay_s
            watched.down = fails and rng.random() < 0.2
            if watched.down:
                failed_at = clock.monotonic()
            running.append(asyncio.get_running_loop().create_task(request()))
        await asyncio.gather(*running)
        for first, fourth in zip(watched.reads, watched.reads[3:], strict=False):
            assert fourth - first >= 60.0
        assert len(applied) <= len(changes)
        await documents.close()

    run_virtual(scenario())
