"""Guards, screens and second opinions: made when the first request needs one of them.

A cold start without them pays for none of their modules; data files are read with the first text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.clock import Clock
from shared.pipeline.routing_state import RoutingState
from shared.routing.executor import Executor
from shared.telemetry.counters import Counters

if TYPE_CHECKING:
    from shared.pipeline.safety import Safety


def safety_of(
    state: RoutingState,
    executor: Executor,
    has_key: Callable[[str], bool],
    pays: Callable[[str], bool],
    clock: Clock,
    counters: Counters,
    fail_open: Callable[[], bool],
    in_pairs: set[str],
) -> Callable[[], Safety]:
    """Gives the instance's one ``Safety``. ``in_pairs``: see ``QuotaLedger``."""
    made: list[Safety] = []

    def get() -> Safety:
        if not made:
            made.append(_make(state, executor, has_key, pays, clock, counters, fail_open, in_pairs))
        return made[0]

    return get


def _make(
    state: RoutingState,
    executor: Executor,
    has_key: Callable[[str], bool],
    pays: Callable[[str], bool],
    clock: Clock,
    counters: Counters,
    fail_open: Callable[[], bool],
    in_pairs: set[str],
) -> Safety:
    from shared.classify.llm import LlmClassifier
    from shared.pipeline.admission import Admission
    from shared.pipeline.answers import Answers
    from shared.pipeline.asking import ModelAsker
    from shared.pipeline.safety import Safety
    from shared.safety.guard import GuardChain
    from shared.safety.guard_data import guards
    from shared.safety.injection_messages import screen_messages

    asker = ModelAsker(state, executor, has_key, pays, clock, counters)
    in_pairs.update(
        card.id for terms in guards() if (card := asker.living(terms.model)) is not None
    )
    guard = GuardChain(asker, clock, fail_open)
    return Safety(
        Admission(
            guard,
            lambda request: screen_messages(request.messages),
            LlmClassifier(asker, clock),
            clock,
        ),
        Answers(guard),
    )
