"""Tool calls of a streamed answer: joined from their pieces, and as text for a guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from shared.messages import JsonObject, JsonValue


def joined_calls(deltas: Iterable[JsonObject]) -> list[JsonObject]:
    """One delta for each call, with its whole arguments, in the order of their places."""
    calls: dict[int, JsonObject] = {}
    for delta in deltas:
        index = delta.get("index")
        place = index if isinstance(index, int) else 0
        call = calls.setdefault(place, {"index": place})
        for key, value in delta.items():
            if key == "function":
                call["function"] = _function(call.get("function"), value)
            elif key != "index" and value:
                call[key] = value
    return [calls[place] for place in sorted(calls)]


def calls_text(calls: Iterable[JsonObject]) -> str:
    """What the calls say: names and arguments as written and, where JSON hides characters behind
    escapes, also as read. "" where they say nothing."""
    texts: list[str] = []
    for call in calls:
        function = call.get("function")
        if not isinstance(function, dict):
            continue
        name, arguments = function.get("name"), function.get("arguments")
        written = arguments if isinstance(arguments, str) else ""
        texts.append(f"{name or ''}({written})")
        if "\\" in written:
            texts.append("\n".join(_strings(written)))
    return "\n\n".join(texts)


def rewritten(arguments: str, change: Callable[[str], str]) -> str:
    """A call's arguments with every string in them changed: text may not break the JSON around
    it. Arguments that are no JSON are changed as one text; unchanged ones stay as written."""
    try:
        value: JsonValue = orjson.loads(arguments)
        new = _changed(value, change)
    except (orjson.JSONDecodeError, RecursionError):
        return change(arguments)
    return arguments if new == value else orjson.dumps(new).decode()


def _strings(arguments: str) -> list[str]:
    """Every string in them, as whoever runs the call will read it."""
    found: list[str] = []

    def see(text: str) -> str:
        found.append(text)
        return text

    rewritten(arguments, see)
    return found


def _function(so_far: JsonValue, more: JsonValue) -> JsonObject:
    whole: JsonObject = dict(so_far) if isinstance(so_far, dict) else {"name": "", "arguments": ""}
    for key, value in more.items() if isinstance(more, dict) else ():
        if key == "arguments":
            whole[key] = f"{whole[key]}{value or ''}"
        elif value:
            whole[key] = value
    return whole


def _changed(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): _changed(item, change) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        # A number may be somebody's: a card, a telephone.
        written = str(value)
        new = change(written)
        return value if new == written else new
    return value
