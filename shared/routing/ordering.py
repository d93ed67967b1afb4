"""Who is asked next, and when: the state of one request on its way down the chain.

The order: what was not asked yet, along the chain; of providers that said 429 in this request
(R5.3) or failed in it twice only after all others, so that a provider that is down cannot use up
the attempts with its many models; then once more what failed in a way that may pass, now with more
time (R5.4). What is cooling down is left out until it may be asked again.

The budget of attempts bounds work: a model that only says it is at its limit has done none, so its
first such word is free. Otherwise a few 429 would end the request with models unasked and capacity
about to return. Asking them again is not free, and is spread over the patience.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from shared.errors import (
    ContextTooLong,
    FirstByteTimeout,
    ProviderFailure,
    QuotaExceeded,
    Retry,
)
from shared.model import ModelCard
from shared.permits import NONE_ALLOWED, Refusal
from shared.routing.backoff import ELSEWHERE_CAP_S, Backoff
from shared.routing.health import HealthBook
from shared.routing.plan import Candidate, Plan

# Times the same model may be asked for one request, and where it is alone.
ROUNDS = 2
ROUNDS_ALONE = 3
# A provider with this many failures in one request is in trouble itself, not its models.
TROUBLED_AFTER = 2
NEVER = 6
# Failures at one provider in one request after which its other models come last: a provider that
# is down as a whole must not use up the attempts (LONG_CONTEXT begins with seven Google models).
IN_TROUBLE = 2
# A place without capacity is not looked at again sooner (seconds): nobody polls faster.
AGAIN_S = 0.05
# Behind somebody in line one is called when he leaves; this is for the case that he does not.
CALLED_S = 0.25
# Capacity of a minute's limit may be back before it is expected: requests under way take less than
# was reserved, other instances give back what they hold. What is further off (a day's limit, a
# closure) will not. A minute and a lease's lifetime with what is added to be safe, in seconds.
MINUTES_S = 80.0
# Refusals that say a limit is in the way: of the ledger, or of a provider's 429 (any instance).
LIMITS = frozenset({"full", "busy", "limit"})


class Order:
    """Places are positions in the plan's chain. ``patience_s``: how long the request waits for
    capacity altogether."""

    __slots__ = (
        "_backoff",
        "_banned",
        "_budget",
        "_chain",
        "_charged",
        "_failed_at",
        "_full",
        "_health",
        "_just_shunned",
        "_last_provider",
        "_loyal",
        "_poll_at",
        "_poll_every_s",
        "_rounds",
        "_shunned",
        "_window_floor",
        "asked",
        "failures",
        "first_bytes",
        "limited",
        "shut",
        "too_large",
        "tries",
        "waited_s",
    )

    def __init__(self, plan: Plan, health: HealthBook, backoff: Backoff, patience_s: float) -> None:
        chain = plan.chain
        self._chain = chain
        self._health = health
        self._backoff = backoff
        self._budget = plan.max_attempts
        self._charged = 0
        self._poll_every_s = patience_s / plan.max_attempts
        self._poll_at = 0.0
        self._loyal = plan.waits_for_head
        self._rounds = ROUNDS if len(chain) > 1 else ROUNDS_ALONE
        self._banned: set[int] = set()
        self._shunned: set[str] = set()
        self._failed_at: dict[str, tuple[int, float]] = {}
        self._just_shunned = ""
        self._last_provider = ""
        self._window_floor = 0
        # What has no capacity: place -> (what is full, monotonic second of its return, whether
        # that may come earlier).
        self._full: dict[int, tuple[str, float, bool]] = {}
        self.asked = 0
        self.tries = [0] * len(chain)
        self.failures: dict[int, ProviderFailure] = {}
        # Seconds of the longest first-byte timeout a place has run into.
        self.first_bytes: dict[int, float] = {}
        self.waited_s = 0.0
        # A limit of ours has kept a place from being asked, here or for another request.
        self.limited = False
        # Places whose limits are smaller than the request.
        self.too_large: set[int] = set()
        # Those whose limit is 0: only a change of the configuration opens them.
        self.shut: set[int] = set()

    def next(self, now: float, fitting: Callable[[ModelCard], bool] | None = None) -> int | None:
        """The place to ask now, of those that are ``fitting``; None: nobody may be asked now (or
        the budget is spent)."""
        if self._charged >= self._budget:
            return None
        best: int | None = None
        best_rank = NEVER
        for place, candidate in enumerate(self._chain):
            if fitting is not None and not fitting(candidate.card):
                continue
            rank = self._rank(place, candidate.card)
            if rank < best_rank and self._askable_at(place, candidate.card) <= now:
                best, best_rank = place, rank
                if rank == 0:
                    break
        return best

    def returns_at(self) -> float | None:
        """The monotonic second at which the first that may still be asked returns; None: none."""
        if self._charged >= self._budget:
            return None
        times = [
            self._askable_at(place, candidate.card)
            for place, candidate in enumerate(self._chain)
            if self._rank(place, candidate.card) < NEVER
        ]
        return min(times, default=None)

    def head_returns_at(self) -> float | None:
        """When a head that is at its limit returns; None: it is not, or is past asking."""
        head = self._chain[0].card
        if (
            self._charged >= self._budget
            or self._rank(0, head) != 0
            or not (0 in self._full or self._health.limited(head))
        ):
            return None
        return self._askable_at(0, head)

    def refuse(self, place: int, refusal: Refusal, now: float) -> None:
        """No permit for it until then; no attempt and no failure."""
        card = self._chain[place].card
        if refusal.until == math.inf:
            self._banned.add(place)
            if refusal is NONE_ALLOWED:
                self.limited = True
                self.shut.add(place)
            else:
                self.too_large.add(place)
            return
        self.limited = self.limited or refusal.reason in LIMITS
        key = card.provider if refusal.whole else card.id
        self._full[place] = key, max(refusal.until, now + AGAIN_S), refusal.of_capacity

    def stand_back(self, place: int, key: str, until: float, now: float) -> None:
        """Somebody who comes first waits for ``key``, so it is not to be had before ``until``."""
        self.limited = True
        self._full[place] = key, max(until + AGAIN_S, now + CALLED_S), True

    def look_again(self) -> None:
        """Capacity may have come back: what was full is looked at anew."""
        self._full.clear()

    def may_return_early(self, now: float) -> bool:
        """Whether what is full now may have room before its time."""
        return any(
            early
            and until - now <= MINUTES_S
            and self._rank(place, self._chain[place].card) < NEVER
            for place, (_, until, early) in self._full.items()
        )

    def awaited(self, head: bool) -> dict[str, float]:
        """What the request waits for, with the monotonic second of its return. ``head``: for the
        named model alone."""
        found: dict[str, float] = {}
        for place, candidate in enumerate(self._chain[:1] if head else self._chain):
            card = candidate.card
            if self._rank(place, card) < NEVER:
                full = self._full.get(place)
                key = card.id if full is None else full[0]
                at = self._askable_at(place, card)
                found[key] = min(at, found.get(key, at))
        return found

    def first_return(self) -> float | None:
        """The monotonic second at which the first of all that could serve returns, whatever this
        request has seen of it; None: none could."""
        return min(
            (
                self._askable_at(place, candidate.card)
                for place, candidate in enumerate(self._chain)
                if place not in self.too_large and place not in self.shut
            ),
            default=None,
        )

    def pause(self, place: int, now: float) -> float:
        """Seconds to wait before asking there, so that a provider in trouble gets air (R5.2)."""
        provider = self._chain[place].card.provider
        failed = self._failed_at.get(provider)
        if failed is None:
            return 0.0
        failures, at = failed
        wait = max(0.0, at + self._backoff.delay(failures) - now)
        return wait if provider == self._last_provider else min(wait, ELSEWHERE_CAP_S)

    def start(self, place: int) -> Candidate:
        """Count an attempt there."""
        self.asked += 1
        self._charged += 1
        self.tries[place] += 1
        candidate = self._chain[place]
        self._last_provider = candidate.card.provider
        return candidate

    def ban(self, place: int) -> None:
        """Never ask there in this request."""
        self._banned.add(place)

    def failed(self, place: int, failure: ProviderFailure, first_byte: float, now: float) -> None:
        """Draw the conclusions for this request."""
        card = self._chain[place].card
        self.failures[place] = failure
        if isinstance(failure, QuotaExceeded):
            if self.tries[place] == 1:
                self._charged -= 1
            else:
                self._poll_at = now + self._poll_every_s
        failures, _ = self._failed_at.get(card.provider, (0, 0.0))
        self._failed_at[card.provider] = (failures + 1, now)
        if not failure.retryable_same:
            self._banned.add(place)
        self._just_shunned = ""
        troubled = failure.counts and failures + 1 >= TROUBLED_AFTER
        if troubled or failure.retry is Retry.OTHER_PROVIDER:
            self._just_shunned = card.provider
            self._shunned.add(card.provider)
        if isinstance(failure, ContextTooLong):
            self._window_floor = max(self._window_floor, card.context_window or 0, 1)
        if isinstance(failure, FirstByteTimeout):
            self.first_bytes[place] = max(first_byte, self.first_bytes.get(place, 0.0))

    def _askable_at(self, place: int, card: ModelCard) -> float:
        """The monotonic second from which it may be asked; at most now: at once."""
        at = self._health.available_at(card)
        full = self._full.get(place)
        if full is not None and full[1] > at:
            at = full[1]
        if self.tries[place] and isinstance(self.failures.get(place), QuotaExceeded):
            return max(at, self._poll_at)
        return at

    def _rank(self, place: int, card: ModelCard) -> int:
        """Lower is asked sooner. 0: not asked yet; 1: the same, at a shunned provider; 2: at the
        one shunned just now. From 3 on the same for those asked before. NEVER: not again."""
        if place in self._banned or (
            self._window_floor and (card.context_window or 0) <= self._window_floor
        ):
            return NEVER
        tries = self.tries[place]
        if place == 0 and self._loyal and self._awaited(tries):
            return 0
        rank = 0
        if card.provider in self._shunned:
            rank = 2 if card.provider == self._just_shunned else 1
        if tries == 0:
            return rank
        # A limit says itself when it ends, so only budget and patience bound its repetitions.
        if tries < self._rounds or isinstance(self.failures.get(place), QuotaExceeded):
            return rank + 3
        return NEVER

    def _awaited(self, tries: int) -> bool:
        """Whether the head, named by the client, is still waited for rather than replaced
        (contract, Chat: at its limit, it waits its patience first)."""
        if tries == 0:
            return True
        alone = len(self._chain) == 1
        return isinstance(self.failures.get(0), QuotaExceeded) and (alone or tries < ROUNDS_ALONE)
