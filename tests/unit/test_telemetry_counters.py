from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Attempt, JsonObject, JsonValue, Usage
from shared.telemetry import Counters, Tallies
from shared.telemetry.counters import CategoryTally, Tally
from tests.support.virtual_time import START_WALL, ManualClock

OUTCOMES = ["ok", "timeout", "rate_limited", "content_filter", "cancelled"]
usages = st.builds(Usage, st.integers(0, 999), st.integers(0, 999))
attempt = st.builds(
    Attempt,
    model=st.sampled_from(["gemini-2.5-flash", "m2"]),
    provider=st.sampled_from(["groq", "google"]),
    outcome=st.sampled_from(OUTCOMES),
    latency_ms=st.integers(0, 10_000),
    usage=st.none() | usages,
)
requests = st.lists(
    st.tuples(st.sampled_from(["CODING", "SIMPLE", ""]), st.lists(attempt, max_size=5)), max_size=12
)
# What happens between requests: nothing, a drain that is stored, a drain that cannot be stored.
steps = st.lists(st.sampled_from(["record", "drain", "drain and give back"]), max_size=30)


def table(shown: JsonObject, name: str) -> dict[str, dict[str, JsonValue]]:
    found = shown[name]
    assert isinstance(found, dict)
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def test_what_one_request_counts() -> None:
    clock = ManualClock()
    counters = Counters(clock)
    counters.record(
        "CODING",
        [Attempt("m1", "groq", "timeout", 4000), Attempt("m2", "google", "ok", 900)],
        primary="m1",
        usage=Usage(100, 20),
    )
    clock.advance(10)
    counters.record("CODING", [Attempt("m1", "groq", "ok", 500)], primary="m1")
    counters.record("CODING", [Attempt("m1", "groq", "content_filter", 5)], primary="m1")
    counters.record("CODING", [], primary="m1")
    shown = counters.snapshot()
    assert table(shown, "models")["m1"] == {
        "requests": 3,
        "successes": 1,
        "errors": 1,
        "outcomes": {"timeout": 1, "ok": 1, "content_filter": 1},
        "success_rate": 0.5,
        "mean_latency_ms": 500,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "last_used": START_WALL + 10,
    }
    assert table(shown, "models")["m2"]["prompt_tokens"] == 100
    assert table(shown, "models")["m2"]["last_used"] == START_WALL
    assert table(shown, "providers")["google"]["completion_tokens"] == 20
    assert table(shown, "categories")["CODING"] == {
        "requests": 4,
        "answered": 2,
        "fallbacks": 1,
        "depth": 1,
        "primary_successes": 1,
        "fallback_rate": 0.25,
        "mean_depth": 0.25,
        "primary_success_rate": 0.25,
    }


def test_smoothed_latency_follows_recent_successes() -> None:
    counters = Counters(ManualClock())
    assert counters.ewma_ms("m") is None
    counters.record("", [Attempt("m", "p", "ok", 1000)])
    assert counters.ewma_ms("m") == 1000
    counters.record("", [Attempt("m", "p", "timeout", 9000), Attempt("m", "p", "ok", 500)])
    assert counters.ewma_ms("m") == 900
    assert counters.snapshot()["latency_ewma_ms"] == {"m": 900.0}


def test_nothing_counted_shows_no_rates() -> None:
    counters = Counters(ManualClock())
    counters.record("", [Attempt("m", "p", "cancelled", 10)])
    shown = table(counters.snapshot(), "models")["m"]
    assert (shown["success_rate"], shown["mean_latency_ms"]) == (None, None)
    assert not Tallies()
    assert counters.drain()
    assert not counters.drain()
    assert CategoryTally().to_json()["fallback_rate"] == 0


@given(requests)
def test_totals_equal_the_sum_of_the_records(made: list[tuple[str, list[Attempt]]]) -> None:
    counters = Counters(ManualClock())
    for category, attempts in made:
        counters.record(category, attempts)
    shown = counters.snapshot()
    every = [one for _, attempts in made for one in attempts]
    for column, key in (("models", "model"), ("providers", "provider")):
        for name, tally in table(shown, column).items():
            mine = [one for one in every if getattr(one, key) == name]
            assert tally["requests"] == len(mine)
            assert tally["outcomes"] == {
                outcome: sum(one.outcome == outcome for one in mine)
                for outcome in OUTCOMES
                if any(one.outcome == outcome for one in mine)
            }
            spent = [one.usage for one in mine if one.usage is not None]
            assert tally["prompt_tokens"] == sum(usage.prompt_tokens for usage in spent)
            assert tally["completion_tokens"] == sum(usage.completion_tokens for usage in spent)
        assert set(table(shown, column)) == {getattr(one, key) for one in every}
    for name, category_tally in table(shown, "categories").items():
        depths = [max(0, len(attempts) - 1) for category, attempts in made if category == name]
        assert category_tally["requests"] == len(depths)
        assert category_tally["depth"] == sum(depths)
        assert category_tally["fallbacks"] == sum(depth > 0 for depth in depths)


@given(requests, st.integers(0, 2000), st.integers(0, 2000))
def test_tokens_of_a_request_are_counted_once(
    made: list[tuple[str, list[Attempt]]], prompt: int, completion: int
) -> None:
    for _, attempts in made:
        counters = Counters(ManualClock())
        counters.record("", attempts, usage=Usage(prompt, completion))
        carried = [one.usage for one in attempts if one.usage is not None]
        models = table(counters.snapshot(), "models").values()
        counted = sum(int(str(tally["prompt_tokens"])) for tally in models)
        own = sum(usage.prompt_tokens for usage in carried)
        assert counted == (max(prompt, own) if attempts else 0)


@given(requests, steps)
def test_draining_neither_loses_nor_doubles(
    made: list[tuple[str, list[Attempt]]], between: list[str]
) -> None:
    counters, plain, stored = Counters(ManualClock()), Counters(ManualClock()), Tallies()
    left = list(made)
    for step in between:
        if step == "record" and left:
            category, attempts = left.pop()
            counters.record(category, attempts)
            plain.record(category, attempts)
        elif step == "drain":
            stored.add(counters.drain())
        elif step == "drain and give back":
            counters.give_back(counters.drain(), START_WALL)
        assert counters.snapshot() == plain.snapshot()
    stored.add(counters.drain())
    whole = plain.drain()
    assert stored.to_json() == whole.to_json()


def test_adding_leaves_the_added_untouched() -> None:
    one, other = Tally({"ok": 1}, 10, 1, 2, 5.0), Tally({"ok": 2, "timeout": 1}, 30, 3, 4, 4.0)
    one.add(other)
    assert one == Tally({"ok": 3, "timeout": 1}, 40, 4, 6, 5.0)
    assert other == Tally({"ok": 2, "timeout": 1}, 30, 3, 4, 4.0)
