"""Rules -> plan: which models to ask for one request, in which order, and why (R4).

The static part (who could serve at all) comes out of the ``OptionBook``, the moment's part
(health, use, wishes) out of the ``Scorer``. A plan that nothing has moved is kept for a second,
so that the next request of its kind costs a look-up.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.clock import Clock
from shared.config import Rule
from shared.errors import CodeexError, InvalidRequest, ModelNotFound
from shared.messages import ChatRequest, Need
from shared.model import Category, Lifecycle
from shared.routing.chain import Chain, ChainBuilder
from shared.routing.health import HealthBook
from shared.routing.named import NameBook, Named
from shared.routing.options import EXPECTED_OUTPUT, Option, OptionBook
from shared.routing.plan import Candidate, Plan
from shared.routing.ports import CatalogView, RuleSource, Utilization
from shared.routing.refusals import all_avoided, no_plan, too_long
from shared.routing.scoring import BUSY, Scorer

AUTO = "auto"
# How long a kept order may lag behind the counters of use; health is compared exactly.
KEPT_S = 1.0
MAX_KEPT = 1024
# Steps between a named model, the same elsewhere, and the chain below them.
NAMED_STEP = 10.0

_MEDIA = (Category.IMAGE_GEN, Category.VIDEO_GEN)


class _Kept(Struct):
    """A plan's parts and what they hold for: below ``bound`` tokens, until ``expires``."""

    generation: int
    health_version: int
    expires: float
    rule: Rule
    bound: int
    plan: Plan


class Router:
    """Makes plans. ``enabled`` and ``pays`` are asked by provider id at every request, so a
    change of settings needs no new router; ``replace`` takes a new catalog or rules (R4.7)."""

    __slots__ = ("_book", "_chains", "_clock", "_health", "_kept", "_names", "_scorer", "_use")

    def __init__(
        self,
        catalog: CatalogView,
        rules: RuleSource,
        health: HealthBook,
        utilization: Utilization,
        enabled: Callable[[str], bool],
        pays: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._book = OptionBook(catalog, rules, enabled, pays, clock)
        self._scorer = Scorer(health, utilization, clock, enabled)
        self._chains = ChainBuilder(self._scorer)
        self._names = NameBook(self._book)
        self._health = health
        self._use = utilization
        self._clock = clock
        self._kept: dict[tuple[str, Category, tuple[Need, ...], str | None], _Kept] = {}

    def replace(self, catalog: CatalogView, rules: RuleSource) -> None:
        """Plan by these from now on."""
        self._book.catalog = catalog
        self._book.rules = rules

    def plan(self, request: ChatRequest, category: Category, *, tier: str = "free") -> Plan:
        """The plan for a request that was classified as ``category``.

        ``request.model`` is "auto", "auto:<category>" (any case), a catalog id or a provider's
        own id. ``tier`` is the user's, for rule conditions.

        Raises ``ModelNotFound``, ``InvalidRequest`` (a field or a length that no model takes; not
        a chat model), ``FeatureDisabled`` (named, but to be paid or switched off) and
        ``AllModelsFailed`` (nobody is left to ask).
        """
        self._book.refresh()
        key = (request.model, category, request.needs, request.reasoning_effort)
        plan = self._from_kept(key, request)
        if plan is not None:
            return plan
        model = request.model
        if model[:4].lower() == AUTO and model[4:5] in ("", ":"):
            return self._auto(request, _alias(model, category), tier, key)
        return self._named(request, category, tier, key)

    # --------------------------------------------------------------------------------- auto

    def _auto(
        self,
        request: ChatRequest,
        category: Category,
        tier: str,
        key: tuple[str, Category, tuple[Need, ...], str | None],
    ) -> Plan:
        book = self._book
        pool = book.pool(category, request.needs, request.reasoning_effort)
        chain = self._chains.build(pool, category, request, tier)
        if not chain.candidates:
            raise no_plan(book, category, request, [*pool.main, *pool.reserve])
        head = chain.candidates[0]
        plan = Plan(
            category=category,
            reason=chain.reason,
            chain=tuple(chain.candidates),
            estimated_latency_ms=self._scorer.expected_ms(head.card, request),
            max_attempts=pool.rule.max_attempts,
            warnings=_dying(head, [*pool.main, *pool.reserve]),
            fallback=request.options.fallback,
        )
        if not plan.fallback:
            plan.chain = plan.chain[:1]
        elif chain.untouched:
            self._keep(key, plan, pool.rule, pool.bound)
        return plan

    # -------------------------------------------------------------------------------- named

    def _named(
        self,
        request: ChatRequest,
        category: Category,
        tier: str,
        key: tuple[str, Category, tuple[Need, ...], str | None],
    ) -> Plan:
        named = self._names.look_up(request)
        warnings = list(named.warnings)
        heads, obstacle = self._heads(named, request, warnings)
        fallback = request.options.fallback
        if not heads and not fallback and obstacle is not None:
            raise obstacle
        # R12.8: the category's default stands behind a named model; of a picture's, a text one.
        behind = Category.MEDIUM if category in _MEDIA else category
        pool = self._book.pool(behind, request.needs, request.reasoning_effort)
        tail = Chain([], "", True)
        if fallback or not heads:
            tail = self._chains.build(pool, behind, request, tier)
        same = self._same_elsewhere(named, request) if fallback else []
        chain = _stack(heads, same, tail.candidates)
        if not chain:
            nobody = no_plan(self._book, behind, request, [*pool.main, *pool.reserve])
            # What no model takes has to change, whichever of them was named.
            wrong = fallback and isinstance(nobody, InvalidRequest)
            raise nobody if wrong or obstacle is None else obstacle
        head = chain[0]
        if not heads and not warnings:
            warnings.append(f"{request.model} cannot take this request, so another model is asked")
        plan = Plan(
            category=category,
            reason=_named_reason(request.model, head, bool(heads), bool(warnings)),
            chain=tuple(chain if fallback else chain[:1]),
            estimated_latency_ms=self._scorer.expected_ms(head.card, request),
            max_attempts=pool.rule.max_attempts,
            warnings=tuple(warnings),
            fallback=fallback,
            named=True,
            waits_for_head=bool(heads) and named.single,
        )
        if heads and not pool.conditional and _unwished(request):
            options = [*named.heads, *named.elsewhere, *pool.main]
            if not tail.untouched:
                options += pool.reserve
            bound = min(min(option.window, option.tpm) for option in options)
            if _tokens(request) <= bound:
                self._keep(key, plan, pool.rule, bound)
        return plan

    def _heads(
        self, named: Named, request: ChatRequest, warnings: list[str]
    ) -> tuple[list[Candidate], CodeexError | None]:
        """The named models that can take this request, best first; else why none can.

        Health does not move them: the executor sees for itself whether they may be asked.
        """
        output = request.max_tokens or EXPECTED_OUTPUT
        allowed = [
            option
            for option in named.heads
            if option.card.provider not in request.options.avoid_providers
        ]
        fitting = [
            option
            for option in allowed
            # A window nobody published: let the provider say.
            if option.card.context_window is None or option.fits(request.input_tokens, output)
        ]
        if not fitting:
            if allowed:
                warnings.append(f"{allowed[0].card.id} has too small a window for this request")
                return [], too_long(request, allowed)
            if named.heads:
                warnings.append(f"{named.heads[0].card.id} is at a provider to be avoided")
                return [], all_avoided(request)
            return [], named.refusal() if named.refusal is not None else None
        if len(fitting) == 1:
            return [fitting[0].candidate], None
        scored = [self._scorer.score(option, request).candidate for option in fitting]
        return sorted(scored, key=lambda one: -one.priority), None

    def _same_elsewhere(self, named: Named, request: ChatRequest) -> list[Candidate]:
        output = request.max_tokens or EXPECTED_OUTPUT
        options = request.options
        # Where the user would rather not be, the model has its place in the chain.
        avoided = options.avoid_providers | options.shunned_providers
        scored = [
            self._scorer.score(option, request).candidate
            for option in named.elsewhere
            if option.card.provider not in avoided and option.fits(request.input_tokens, output)
        ]
        return sorted(scored, key=lambda one: -one.priority)

    # --------------------------------------------------------------------------------- kept

    def _from_kept(
        self, key: tuple[str, Category, tuple[Need, ...], str | None], request: ChatRequest
    ) -> Plan | None:
        """The plan of the last request of this kind, where it surely is this one's too."""
        kept = self._kept.get(key)
        if (
            kept is None
            or kept.health_version != self._health.version
            or kept.generation != self._book.generation
            or kept.rule is not self._book.rules.rule(_behind(kept.plan))
            or _tokens(request) > kept.bound
            or kept.expires <= self._clock.monotonic()
            or not _unwished(request)
        ):
            return None
        plan = kept.plan
        head = plan.chain[0].card
        use = self._use
        if not plan.named and (use.utilization(head) >= BUSY or use.closed(head) is not None):
            return None
        return Plan(
            plan.category,
            plan.reason,
            plan.chain,
            self._scorer.expected_ms(head, request),
            plan.max_attempts,
            plan.warnings,
            True,
            plan.named,
            plan.waits_for_head,
            plan.shown,
        )

    def _keep(
        self,
        key: tuple[str, Category, tuple[Need, ...], str | None],
        plan: Plan,
        rule: Rule,
        bound: int,
    ) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = _Kept(
            self._book.generation,
            self._health.version,
            self._clock.monotonic() + KEPT_S,
            rule,
            bound,
            plan,
        )


def _tokens(request: ChatRequest) -> int:
    """Prompt and answer."""
    return request.input_tokens + (request.max_tokens or EXPECTED_OUTPUT)


def _unwished(request: ChatRequest) -> bool:
    """Whether the client leaves the order to the router."""
    options = request.options
    return (
        options.fallback
        and options.prioritize is None
        and not options.preferred_providers
        and not options.avoid_providers
        and not options.shunned_providers
    )


def _alias(model: str, classified: Category) -> Category:
    """The category of ``auto`` or ``auto:<category>``. Raises ``ModelNotFound``."""
    name = model[5:].upper()
    if not name:
        return classified
    try:
        return Category(name)
    except ValueError:
        known = ", ".join(f"auto:{category.value.lower()}" for category in Category)
        raise ModelNotFound(
            f"no category {model[5:105]!r}; the aliases are {known}", param="model"
        ) from None


def _behind(plan: Plan) -> Category:
    """Whose rule a plan follows."""
    return Category.MEDIUM if plan.named and plan.category in _MEDIA else plan.category


def _stack(heads: list[Candidate], same: list[Candidate], tail: list[Candidate]) -> list[Candidate]:
    """Heads over the same model elsewhere over the category's chain, each model once, with
    priorities that say so."""
    above = [*heads, *same]
    taken = {candidate.card.id for candidate in above}
    rest = [candidate for candidate in tail if candidate.card.id not in taken]
    top = max(0.0, rest[0].priority) if rest else 0.0
    lifted = [
        Candidate(one.card, top + NAMED_STEP * (len(above) - place), one.status)
        for place, one in enumerate(above)
    ]
    return [*lifted, *rest]


def _dying(head: Candidate, options: list[Option]) -> tuple[str, ...]:
    """R11.3: a head that is going away says so."""
    if head.status is not Lifecycle.DYING:
        return ()
    return next((one.warnings for one in options if one.card.id == head.card.id), ())


def _named_reason(model: str, head: Candidate, asked: bool, replaced: bool) -> str:
    where = f"{head.card.name} at {head.card.provider}"
    if model in (head.card.id, head.card.provider_model_id):
        return f"{where} was asked for"
    if asked or replaced:
        return f"{where} stands in for {model[:100]}"
    return f"{where} is asked in place of {model[:100]}"
