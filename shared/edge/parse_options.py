"""The ``codeex`` extension object (contract, Chat): types, ranges, and who may ask for what."""

from __future__ import annotations

import re
from collections.abc import Callable

from shared.edge.json_body import (
    array,
    boolean,
    integer_in,
    json_object,
    number_in,
    one_of,
    string,
    wrong,
)
from shared.errors import Forbidden
from shared.messages import JsonValue, RequestOptions
from shared.settings import PROVIDERS

# Contract, Chat: deadline_seconds 1-540, priority 0-10 of which above 5 is for administrators.
MAX_DEADLINE_S = 540
MAX_PRIORITY = 10
MAX_OWN_PRIORITY = 5
# ``local`` is the user's own OpenAI-compatible server (contract, Environment).
_PROVIDERS = (*PROVIDERS, "local")
_CONVERSATION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def parse_options(value: JsonValue, *, is_admin: bool) -> RequestOptions:
    """The options of a ``codeex`` object; null and unknown keys count as absent.

    Raises ``InvalidRequest`` naming the field by path, and ``Forbidden`` for a priority above 5
    from anybody but an administrator.
    """
    options = RequestOptions(present=True)
    said = []
    for key, item in json_object(value, "codeex").items():
        check = _KEYS.get(key)
        if check is not None and item is not None:
            check(options, item)
            said.append(key)
    options.said = frozenset(said)
    if options.priority > MAX_OWN_PRIORITY and not is_admin:
        raise Forbidden(
            f"codeex.priority: above {MAX_OWN_PRIORITY} is for administrators: send "
            f"0 to {MAX_OWN_PRIORITY}",
            param="codeex.priority",
        )
    return options


def _conversation_id(options: RequestOptions, value: JsonValue) -> None:
    name = string(value, "codeex.conversation_id")
    if _CONVERSATION_ID.fullmatch(name) is None:
        wrong(
            "codeex.conversation_id",
            "must be 1 to 128 characters out of letters, digits, _ and -",
        )
    options.conversation_id = name


def _reset(options: RequestOptions, value: JsonValue) -> None:
    options.reset = boolean(value, "codeex.reset")


def _memory(options: RequestOptions, value: JsonValue) -> None:
    options.memory = boolean(value, "codeex.memory")


def _preferred(options: RequestOptions, value: JsonValue) -> None:
    options.preferred_providers = _providers(value, "codeex.preferred_providers")


def _avoid(options: RequestOptions, value: JsonValue) -> None:
    options.avoid_providers = frozenset(_providers(value, "codeex.avoid_providers"))


def _prioritize(options: RequestOptions, value: JsonValue) -> None:
    options.prioritize = one_of(value, "codeex.prioritize", ("speed", "quality"))


def _patience(options: RequestOptions, value: JsonValue) -> None:
    # No wait can be longer than the longest request.
    options.patience_s = number_in(value, "codeex.patience_seconds", 0, MAX_DEADLINE_S)


def _priority(options: RequestOptions, value: JsonValue) -> None:
    options.priority = integer_in(value, "codeex.priority", 0, MAX_PRIORITY)


def _deadline(options: RequestOptions, value: JsonValue) -> None:
    options.deadline_s = number_in(value, "codeex.deadline_seconds", 1, MAX_DEADLINE_S)


def _fallback(options: RequestOptions, value: JsonValue) -> None:
    options.fallback = boolean(value, "codeex.fallback")


def _classifier(options: RequestOptions, value: JsonValue) -> None:
    options.classifier = one_of(value, "codeex.classifier", ("auto", "local"))


def _providers(value: JsonValue, param: str) -> tuple[str, ...]:
    """Known provider names, each once, in the order given."""
    names = array(value, param)
    found = {
        one_of(name, f"{param}[{index}]", _PROVIDERS): None for index, name in enumerate(names)
    }
    return tuple(found)


_KEYS: dict[str, Callable[[RequestOptions, JsonValue], None]] = {
    "conversation_id": _conversation_id,
    "reset": _reset,
    "memory": _memory,
    "preferred_providers": _preferred,
    "avoid_providers": _avoid,
    "prioritize": _prioritize,
    "patience_seconds": _patience,
    "priority": _priority,
    "deadline_seconds": _deadline,
    "fallback": _fallback,
    "classifier": _classifier,
}
