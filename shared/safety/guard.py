"""The guard chain: one text, asked of guard after guard until one gives a verdict (R2, P6-P9).

A guard that cannot answer is not a pass. The chain is data (``guards.json``); what is asked is what
lives behind each entry today, at several providers, so that one provider's limit or failure does
not end safety. Where nobody answers in time the text is not let by, unless the operator chose so.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from shared.asking import Asker, NotAnswered, Question, Reply
from shared.clock import Clock, Deadline
from shared.errors import CapacityExhausted, SafetyUnavailable
from shared.messages import JsonObject
from shared.model import ModelCard
from shared.safety.guard_data import GuardTerms, guards, policy_tokens
from shared.safety.guard_speech import (
    Finding,
    Piece,
    fields_for,
    messages_for,
    probability,
    read,
)
from shared.safety.signals import alarming
from shared.safety.verdict import Hazard, Severity, Stage, Verdict
from shared.tokens import TOKENS_PER_IMAGE, estimate_tokens

# Seconds for a judgement in all; the request's deadline may end it sooner, with RESERVE_S left to
# say so.
BUDGET_S = 8.0
RESERVE_S = 0.5
# A guard that has not answered after so long is not waited for alone (seconds).
HEDGE_S = 1.5
# Where guards are at their limits they are asked again after so long (seconds).
AGAIN_S = 1.0
# And when they still are in the end, a client is told to come again after so long.
FULL_S = 15.0
# And stands behind the others for so long: it is cut off when another answers, so nobody's health
# record hears of it, and every text would wait for it anew.
SLOW_S = 30.0
# The longest answer of a guard that the data does not know, thinking included.
OWN_TOKENS = 768
# Tokens beside policy and text: the frame around them.
FRAME_TOKENS = 60
# A text that fits into no guard at once is judged in pieces that overlap by so many characters.
OVERLAP = 400
# Pieces are judged so many at a time, and a text of more pieces than this is too long to judge.
AT_ONCE = 4
MAX_PIECES = 64
CHARACTERS_PER_TOKEN = 3
# Verdicts remembered by a hash of what was judged: retries and jobs do not pay twice.
REMEMBERED = 2048
REMEMBERED_S = 600.0


class Judged(Struct, frozen=True):
    """What is to be judged: the newest ``text`` whole, ``context`` (what it follows; shortened by
    the caller, not judged) and OpenAI image parts."""

    stage: Stage
    text: str
    context: str = ""
    images: tuple[JsonObject, ...] = ()


class _Guard(Struct, frozen=True):
    """A living guard, in the convention of what lives. ``room``: tokens of text it takes."""

    card: ModelCard
    terms: GuardTerms
    room: int


class _Silence(Struct):
    """Why a round brought no verdict. ``full``: a guard was only at its limit; ``broken``: one
    failed otherwise."""

    full: bool = False
    broken: bool = False


class GuardChain:
    """Judges texts. ``fail_open``: the operator's choice to let by what nobody could judge."""

    __slots__ = ("_asker", "_clock", "_fail_open", "_known", "_slow")

    def __init__(self, asker: Asker, clock: Clock, fail_open: Callable[[], bool]) -> None:
        self._asker = asker
        self._clock = clock
        self._fail_open = fail_open
        self._known: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()
        # Until which monotonic second a guard, by its card's id, counts as slow.
        self._slow: dict[str, float] = {}

    async def judge(self, judged: Judged, deadline: Deadline) -> Verdict:
        """The verdict. ``safe`` is False for whatever a guard calls unsafe.

        Raises ``SafetyUnavailable`` where no guard gave one, and ``CapacityExhausted`` where all of
        them were only at their limits; with ``fail_open`` a verdict that is not ``scanned``.
        """
        key = _key(judged)
        known = self._known.get(key)
        now = self._clock.monotonic()
        if known is not None and now < known[0] + REMEMBERED_S:
            return known[1]
        limit = Deadline(self._clock, min(deadline.at - RESERVE_S, now + BUDGET_S))
        silence = _Silence()
        verdict = await self._judged(judged, limit, silence)
        while verdict is None and silence.full and limit.left() > AGAIN_S:
            # Every guard is at work for others: capacity of a minute's limit comes back in time.
            await self._clock.sleep(AGAIN_S)
            silence = _Silence()
            verdict = await self._judged(judged, limit, silence)
        if verdict is None:
            if self._fail_open():
                return Verdict(safe=True, confidence=0.0, scanned=False)
            if silence.full and not silence.broken:
                raise CapacityExhausted(
                    "every safety guard is at its limit, so this could not be judged yet; try "
                    "again in a moment",
                    retry_after=FULL_S,
                )
            raise SafetyUnavailable(
                "no safety guard could judge this, so it was not answered; try again in a moment",
                retry_after=5.0,
            )
        # Whoever is told again has spent nothing.
        self._known[key] = (now, replace(verdict, spent=0, calls=0, latency_ms=0.0))
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return verdict

    async def _judged(
        self, judged: Judged, deadline: Deadline, silence: _Silence
    ) -> Verdict | None:
        chain = self._living(bool(judged.images))
        tokens = estimate_tokens(judged.text)
        fitting = [guard for guard in chain if tokens + _beside(judged) <= guard.room]
        if fitting:
            verdict = await self._first(fitting, judged, deadline, silence)
            if verdict is not None or len(fitting) == len(chain):
                return verdict
        room = max((guard.room for guard in chain), default=0) - _beside(judged)
        pieces = _pieces(judged, room * CHARACTERS_PER_TOKEN)
        if room <= 0 or not 1 < len(pieces) <= MAX_PIECES:
            return None
        return await self._in_pieces(pieces, chain, deadline, silence)

    async def _in_pieces(
        self, pieces: list[Judged], chain: list[_Guard], deadline: Deadline, silence: _Silence
    ) -> Verdict | None:
        """Every piece must be judged; the first unsafe one decides."""
        verdicts: list[Verdict] = []
        for start in range(0, len(pieces), AT_ONCE):
            batch = pieces[start : start + AT_ONCE]
            found = await asyncio.gather(
                *(self._first(_fit(chain, piece), piece, deadline, silence) for piece in batch)
            )
            for verdict in found:
                if verdict is not None and not verdict.safe:
                    return verdict
            judged = [verdict for verdict in found if verdict is not None]
            if len(judged) < len(batch):
                return None
            verdicts += judged
        return _together(verdicts)

    async def _first(
        self, chain: Sequence[_Guard], judged: Judged, deadline: Deadline, silence: _Silence
    ) -> Verdict | None:
        """The first verdict of a chain. The next guard is asked when one fails or is slow."""
        waiting = list(chain)
        running: dict[asyncio.Task[Verdict | None], _Guard] = {}
        try:
            while waiting or running:
                left = deadline.left()
                if left <= 0:
                    return None
                if waiting:
                    guard = waiting.pop(0)
                    asking = self._ask(guard, judged, deadline, silence)
                    running[asyncio.create_task(asking)] = guard
                done, _ = await asyncio.wait(
                    running,
                    timeout=min(left, HEDGE_S) if waiting else left,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    until = self._clock.monotonic() + SLOW_S
                    self._slow.update((guard.card.id, until) for guard in running.values())
                for task in done:
                    del running[task]
                    verdict = task.result()
                    if verdict is not None:
                        return verdict
            return None
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.gather(*running, return_exceptions=True)

    async def _ask(
        self, guard: _Guard, judged: Judged, deadline: Deadline, silence: _Silence
    ) -> Verdict | None:
        """One guard's verdict; None where it gave none."""
        seen = judged.images if guard.terms.sees_images else ()
        piece = Piece(judged.stage, judged.text, judged.context, seen)
        card, terms = guard.card, guard.terms
        question = Question(
            card,
            messages_for(terms, piece, effort=_in_words(guard)),
            estimate_tokens(judged.text) + _beside(judged),
            terms.max_tokens,
            fields_for(terms, card),
        )
        try:
            reply = await self._asker.ask(question, deadline)
        except NotAnswered as none:
            silence.full = silence.full or none.full
            silence.broken = silence.broken or not none.full
            return None
        finding = read(reply.text)
        if finding is None:
            silence.broken = True
            return None
        return _verdict(finding, reply, judged, bool(seen))

    def _living(self, images: bool) -> list[_Guard]:
        """The chain as it lives today, each model once: with images those that see them first,
        and those that were slow a moment ago behind the others."""
        found: dict[str, _Guard] = {}
        own = {terms.model: terms for terms in guards()}
        for terms in guards():
            card = self._asker.living(terms.model)
            if card is None or card.id in found:
                continue
            # What replaces a guard is spoken to in its own convention.
            terms = own.get(card.id, terms if card.id == terms.model else _as_policy(terms))
            found[card.id] = _Guard(card, terms, _room(card, terms))
        local = self._asker.own()
        if local is not None:
            # Who brings only a model of his own has that judge, last as everywhere.
            terms = GuardTerms(local.id, "policy", OWN_TOKENS)
            found[local.id] = _Guard(local, terms, _room(local, terms))
        now = self._clock.monotonic()
        return sorted(
            found.values(),
            key=lambda guard: (
                images and not guard.terms.sees_images,
                now < self._slow.get(guard.card.id, 0.0),
            ),
        )


def _in_words(guard: _Guard) -> str:
    """The effort that has to be asked for in words; "" where there is a field, or none is set."""
    effort = guard.terms.effort
    return "" if effort in guard.card.reasoning_efforts else effort


def _as_policy(terms: GuardTerms) -> GuardTerms:
    """A replacement that the data does not know is an instruct model: it takes our policy."""
    return GuardTerms(terms.model, "policy", OWN_TOKENS)


def _room(card: ModelCard, terms: GuardTerms) -> int:
    """Tokens of text that one call takes: by its window, and by what its minute allows at all."""
    windows = [card.context_window_free or card.context_window, card.limits.tpm]
    known = [window for window in windows if window is not None]
    return min(known, default=32_000) - terms.max_tokens


def _beside(judged: Judged) -> int:
    """Tokens of a question beside its text."""
    images = TOKENS_PER_IMAGE * len(judged.images)
    context = estimate_tokens(judged.context) if judged.context else 0
    return policy_tokens() + FRAME_TOKENS + context + images


def _fit(chain: list[_Guard], piece: Judged) -> list[_Guard]:
    tokens = estimate_tokens(piece.text) + _beside(piece)
    return [guard for guard in chain if tokens <= guard.room]


def _pieces(judged: Judged, size: int) -> list[Judged]:
    """The text in overlapping pieces of ``size`` characters; images go with the last."""
    if size <= OVERLAP:
        return []
    step = size - OVERLAP
    text = judged.text
    starts = range(0, max(1, len(text) - OVERLAP), step)
    last = len(starts) - 1
    return [
        Judged(
            judged.stage,
            text[start : start + size],
            judged.context if at == 0 else "",
            judged.images if at == last else (),
        )
        for at, start in enumerate(starts)
    ]


def _together(verdicts: list[Verdict]) -> Verdict:
    """Of pieces that are all safe: as sure as the least sure of them."""
    least = min(verdicts, key=lambda verdict: verdict.confidence)
    return Verdict(
        safe=True,
        confidence=least.confidence,
        hazard=least.hazard,
        severity=least.severity,
        judge=least.judge,
        tokens=sum(verdict.tokens for verdict in verdicts),
        spent=sum(verdict.spent for verdict in verdicts),
        images=any(verdict.images for verdict in verdicts),
        calls=sum(verdict.calls for verdict in verdicts),
        latency_ms=max(verdict.latency_ms for verdict in verdicts),
    )


def _verdict(finding: Finding, reply: Reply, judged: Judged, images: bool) -> Verdict:
    hazard, severity = finding.hazard, finding.severity
    if finding.unsafe:
        hazard = hazard or Hazard.DANGEROUS_CONTENT
        severity = severity or Severity.HIGH
    return Verdict(
        safe=not finding.unsafe,
        confidence=_confidence(finding, reply, judged.text),
        hazard=hazard,
        severity=severity,
        judge=reply.card.id,
        tokens=estimate_tokens(judged.text),
        spent=reply.usage.prompt_tokens + reply.usage.completion_tokens,
        images=images,
        calls=1,
        latency_ms=reply.latency_ms,
    )


def _confidence(finding: Finding, reply: Reply, text: str) -> float:
    """How sure the verdict is, in [0, 1] (R2.7).

    The probability of the deciding token where the provider tells it. Else what the guard says of
    itself, halved towards even odds where our own signals see it otherwise; and where it says
    nothing, even odds moved by whether they agree.
    """
    told = probability(reply.logprobs, unsafe=finding.unsafe)
    if told is not None:
        return round(told, 3)
    agree = alarming(text) == finding.unsafe
    if finding.said is None:
        return 0.75 if agree else 0.5
    return round(finding.said if agree else (finding.said + 0.5) / 2, 3)


def _key(judged: Judged) -> bytes:
    mark = blake2b(digest_size=16)
    for part in (judged.stage.value, judged.text, judged.context, *map(repr, judged.images)):
        mark.update(part.encode("utf-8", "surrogatepass"))
        mark.update(b"\0")
    return mark.digest()
