"""Merge patches (RFC 7396) on what administrators have stored.

What is stored is itself a patch, on top of environment and ``CODEEX_CONFIG``; a PATCH changes what
is stored, not what lies below it. So null takes back what was stored, and what the environment says
holds again; it cannot take away what the environment says (say the wanted value instead).

In one point this is stricter than the RFC: an object that a null leaves empty goes too. An empty
entry of ``limits`` would otherwise be left where a limit was taken back, and an empty entry means
that the provider has no limit at all. One that is stored empty on purpose stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.messages import JsonObject, JsonValue


def patched(stored: JsonObject, patch: JsonObject) -> JsonObject:
    """What is stored after ``patch``; neither argument is changed."""
    result = dict(stored)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = result.get(name)
            merged = patched(below if isinstance(below, dict) else {}, value)
            if merged or not _takes_back(value):
                result[name] = merged
            else:
                result.pop(name, None)
        else:
            result[name] = value
    return result


def _takes_back(patch: JsonObject) -> bool:
    """Whether there is a null in it, however deep."""
    return any(
        value is None or (isinstance(value, dict) and _takes_back(value))
        for value in patch.values()
    )


def difference(before: JsonObject, after: JsonObject) -> JsonObject:
    """What changed from ``before`` to ``after``, as the patch that says so to a reader.

    It makes the one of the other but for objects that have become empty.
    """
    patch: JsonObject = {name: None for name in before if name not in after}
    for name, value in after.items():
        was = before.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            inner = difference(was, value)
            if inner:
                patch[name] = inner
        elif name not in before or not same(was, value):
            patch[name] = value
    return patch


def leaves(patch: JsonObject, above: str = "") -> Iterator[str]:
    """Paths of what a patch sets or takes back: ``limits.groq.rpm``."""
    for name, value in patch.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, dict) and value:
            yield from leaves(value, path)
        else:
            yield path


def same(one: JsonValue, other: JsonValue) -> bool:
    """Equal as JSON: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
