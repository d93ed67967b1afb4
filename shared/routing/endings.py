"""What a client is told when there is no answer: one attempt's or the whole chain's end."""

from __future__ import annotations

import re

from shared.errors import (
    AllModelsFailed,
    CapacityExhausted,
    CodeexError,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    FieldUnsupported,
    InvalidRequest,
    ProviderError,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestTooLarge,
)
from shared.routing.health import HealthBook
from shared.routing.ordering import Order
from shared.routing.plan import Plan

# A retry hint in seconds where nothing tells the moment of return.
RETRY_HINT_S = 10.0
# Limits of 0 stay until somebody changes them.
SHUT_HINT_S = 10.0
DETAIL_LENGTH = 160
MESSAGE_LENGTH = 500

# What looks like a credential, should a provider's own message ever repeat one (R18.2).
_SECRET = re.compile(r"\b(?:sk|gsk|csk|hf|ck|xi|AIza|ya29|eyJ)[-_.A-Za-z0-9]{8,}|(?i:bearer)\s+\S+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def safe_text(message: str, length: int) -> str:
    """One line of a provider's words, cut and without anything like a credential."""
    line = _CONTROL.sub(" ", message[: 4 * length]).strip()
    line = _SECRET.sub("[redacted]", line)
    return line if len(line) <= length else line[: length - 1] + "…"


def final_answer(failure: ProviderFailure) -> CodeexError:
    """A failure that nobody else can mend: the request is wrong, or was refused."""
    message = safe_text(failure.message, MESSAGE_LENGTH)
    if isinstance(failure, Refused):
        return ContentFiltered(message or "the provider refused to answer this; rephrase it")
    return InvalidRequest(message or "the provider rejected the request", param=failure.param)


def deadline_passed(asked: int) -> DeadlineExceeded:
    """The request's time is over."""
    tried = "no model" if not asked else f"{asked} attempt{'s' if asked > 1 else ''}"
    return DeadlineExceeded(
        f"no answer by the deadline ({tried} so far); ask again, with a longer "
        "codeex.deadline_seconds or a smaller max_tokens"
    )


def chain_ended(plan: Plan, order: Order, health: HealthBook, now: float) -> CodeexError:
    """Nobody is left to ask, or nobody returns in time."""
    failures = list(order.failures.values())
    mended = _request_at_fault(failures, len(order.too_large))
    if mended is not None:
        return mended
    back = order.first_return()
    wait = max(1.0, (now if back is None else back) - now)
    retry_after = wait if wait > 1.0 else RETRY_HINT_S
    if _at_its_limit(plan, failures, order, health):
        if back is None:
            return CapacityExhausted(
                "the limits in force allow no model that can serve this a single request; the "
                "operator can raise them",
                retry_after=SHUT_HINT_S,
            )
        return CapacityExhausted(
            "every model that can serve this is at its limit; "
            f"the first returns in about {wait:.0f} s",
            retry_after=wait,
        )
    if not plan.fallback:
        return _alone(plan, failures, retry_after)
    tried = len(order.failures)
    what = (
        f"{tried} model{'s' if tried > 1 else ''} tried ({order.asked} attempts), none answered"
        if tried
        else "all models that can serve this have just failed and are given a rest"
    )
    return AllModelsFailed(
        f"{what}; this is the providers' trouble, try again in {retry_after:.0f} s",
        retry_after=retry_after,
    )


def _request_at_fault(failures: list[ProviderFailure], too_large: int) -> CodeexError | None:
    """Every failure said the same of the request: then it is the request that has to change.
    ``too_large``: so many models have limits smaller than the request."""
    if too_large and all(isinstance(failure, RequestTooLarge) for failure in failures):
        return InvalidRequest(
            "prompt and answer together are larger than what the limits of any available model "
            "allow in one request; shorten the prompt or ask for fewer max_tokens",
            param="messages",
        )
    if not failures:
        return None
    if all(isinstance(failure, ContextTooLong) for failure in failures):
        return InvalidRequest(
            "the prompt is longer than the window of every model that can take it; shorten it",
            param="messages",
        )
    if all(isinstance(failure, RequestTooLarge) for failure in failures):
        return InvalidRequest(
            "the prompt is larger than what any available key may send in one request; shorten it",
            param="messages",
        )
    if all(isinstance(failure, FieldUnsupported) for failure in failures):
        params = {failure.param for failure in failures}
        param = params.pop() if len(params) == 1 else None
        return InvalidRequest(
            f"no available model honours {param or 'one of the fields'}; leave it out",
            param=param,
        )
    return None


def _at_its_limit(
    plan: Plan, failures: list[ProviderFailure], order: Order, health: HealthBook
) -> bool:
    """Whether limits alone stand in the way: of all that were asked, or, where none was, of one
    that will return."""
    if failures:
        return all(isinstance(failure, QuotaExceeded) for failure in failures)
    return order.limited or any(health.limited(candidate.card) for candidate in plan.chain)


def _alone(plan: Plan, failures: list[ProviderFailure], retry_after: float) -> ProviderError:
    """The one model the client wanted failed (contract: 502 with the provider)."""
    card = plan.chain[0].card
    if not failures:
        text = f"{card.id} cannot be asked right now; try again in {retry_after:.0f} s"
    else:
        last = failures[-1]
        text = (
            f"{card.id} failed ({last.outcome}): {safe_text(last.message, DETAIL_LENGTH)}; "
            "try again, or allow others with codeex.fallback"
        )
    return ProviderError(text, retry_after=retry_after, details={"provider": card.provider})
