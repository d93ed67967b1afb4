"""A category's chain for one request: the rule's models first, others where these do not do."""

from __future__ import annotations

from msgspec import Struct

from shared.messages import ChatRequest
from shared.model import Category
from shared.routing.options import EXPECTED_OUTPUT, Option, Pool
from shared.routing.plan import Candidate
from shared.routing.scoring import Scored, Scorer, is_local

# Below this many models (or providers) that can be asked now, others join (needs move routing).
ENOUGH_MODELS = 2
ENOUGH_PROVIDERS = 2
# How many of one provider join, by quality: there, and where the user prefers that provider.
JOIN_LIMIT = 2
PREFERRED_LIMIT = 6


class Chain(Struct):
    """Candidates by adjusted priority, and why the first is the first.

    ``untouched``: nothing was moved, left out or added, so the order holds for the next request.
    """

    candidates: list[Candidate]
    reason: str
    untouched: bool


class ChainBuilder:
    """Builds chains out of pools; the moment's adjustments come from the scorer."""

    __slots__ = ("_scorer",)

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def build(self, pool: Pool, category: Category, request: ChatRequest, tier: str) -> Chain:
        """The chain of ``category``; empty where nobody of the pool can take the request."""
        output = request.max_tokens or EXPECTED_OUTPUT
        avoided = request.options.avoid_providers
        chosen: list[Scored] = []
        seen: set[str] = set()
        first: Option | None = None
        why = ""
        untouched = True
        for option in pool.main:
            card = option.candidate.card
            if option.conditions and not self._applies(option, request, tier):
                continue
            if card.id in seen:
                continue
            seen.add(card.id)
            note = ""
            if card.provider in avoided:
                note = "is at a provider to be avoided"
            elif not option.fits(request.input_tokens, output):
                note = "has too small a window"
            else:
                scored = self._scorer.score(option, request)
                note = scored.why
                chosen.append(scored)
                untouched = untouched and scored.candidate is option.candidate
            if first is None:
                first, why = option, note
            untouched = untouched and not note
        if self._join(chosen, seen, pool, request, output):
            untouched = False
        candidates = [scored.candidate for scored in chosen]
        if not untouched:
            candidates.sort(key=_descending)
        reason = _reason(category, candidates[0], first, why, request) if candidates else ""
        return Chain(candidates, reason, untouched and not pool.conditional)

    def _applies(self, option: Option, request: ChatRequest, tier: str) -> bool:
        holds = self._scorer.holds
        return all(holds(condition, option, request, tier) for condition in option.conditions)

    def _join(
        self,
        chosen: list[Scored],
        seen: set[str],
        pool: Pool,
        request: ChatRequest,
        output: int,
    ) -> bool:
        """Let models outside the rule join: those of preferred providers, and the best of each
        provider where the rule leaves too few that can be asked now."""
        preferred = request.options.preferred_providers
        ready = [one.candidate.card for one in chosen if one.ready]
        ready = [card for card in ready if not is_local(card)]
        short = (
            len(ready) < ENOUGH_MODELS or len({card.provider for card in ready}) < ENOUGH_PROVIDERS
        )
        if not short and not preferred:
            return False
        joined: dict[str, int] = {}
        for option in pool.reserve:
            card = option.candidate.card
            limit = PREFERRED_LIMIT if card.provider in preferred else JOIN_LIMIT if short else 0
            if (
                card.id in seen
                or joined.get(card.provider, 0) >= limit
                or card.provider in request.options.avoid_providers
                or not option.fits(request.input_tokens, output)
            ):
                continue
            joined[card.provider] = joined.get(card.provider, 0) + 1
            chosen.append(self._scorer.score(option, request))
        return bool(joined)


def _descending(candidate: Candidate) -> float:
    return -candidate.priority


def _reason(
    category: Category, head: Candidate, first: Option | None, why: str, request: ChatRequest
) -> str:
    """One sentence for people: what the head is there for."""
    start = f"{category.value}: {head.card.name} at {head.card.provider}"
    if head.card.provider in request.options.shunned_providers:
        return f"{start}, a provider you avoid, as nobody else can be asked now"
    if first is not None and first.card.id == head.card.id:
        return f"{start} is the first choice"
    if head.card.provider in request.options.preferred_providers:
        return f"{start}, as {head.card.provider} is preferred"
    if first is None:
        return f"{start} is the best that can take this request"
    if why:
        return f"{start}, as {first.card.id} {why}"
    if request.options.prioritize is not None:
        return f"{start}, as {request.options.prioritize} comes first"
    return f"{start} comes first now"
