"""Guards, screens and second opinions: made when the first request needs one of them.

A cold start without them pays for none of their modules; data files are read with the first text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.asking import Asker
from shared.clock import Clock

if TYPE_CHECKING:
    from shared.pipeline.safety import Safety


def safety_of(
    asker: Asker, clock: Clock, fail_open: Callable[[], bool], in_pairs: set[str]
) -> Callable[[], Safety]:
    """Gives the instance's one ``Safety``. ``in_pairs``: see ``QuotaLedger``."""
    made: list[Safety] = []

    def get() -> Safety:
        if not made:
            made.append(_make(asker, clock, fail_open, in_pairs))
        return made[0]

    return get


def _make(asker: Asker, clock: Clock, fail_open: Callable[[], bool], in_pairs: set[str]) -> Safety:
    from shared.classify.llm import LlmClassifier
    from shared.pipeline.admission import Admission
    from shared.pipeline.answers import Answers
    from shared.pipeline.safety import Safety
    from shared.safety.guard import GuardChain
    from shared.safety.guard_data import guards
    from shared.safety.injection_messages import screen_messages

    cards = [asker.living(terms.model) for terms in guards()]
    in_pairs.update(card.id for card in cards if card is not None)
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
