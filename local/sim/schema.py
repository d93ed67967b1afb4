"""A value that satisfies a JSON schema, filled with what the prompt offers.

Covers what providers accept for tools and structured output: types, enum, const, $ref (recursive
ones too), allOf, anyOf, oneOf, lengths, ranges, multiples, formats and simple patterns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from local.sim.pattern import sample_pattern
from shared.messages import JsonObject, JsonValue

# Optional properties and array items are left out below this depth, so recursion ends.
_DEEP = 6
_MAX_DEPTH = 40
_FORMATS = {
    "date-time": "2026-11-23T12:00:00Z",
    "date": "2026-11-23",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-ZÄÖÜ][\wäöüß'-]+(?: [A-ZÄÖÜ][\wäöüß'-]+)*")


@dataclass(slots=True)
class Hints:
    """What the prompt offers as values: names (capitalised words), numbers, the text itself."""

    text: str = ""
    names: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Hints:
        """The hints in ``text``."""
        names = list(dict.fromkeys(_NAME.findall(text)))
        return cls(text, names, [float(number) for number in _NUMBER.findall(text)])

    def about(self, name: str) -> Hints:
        """The same with one name only."""
        return Hints(self.text, [name], list(self.numbers))


def sample(schema: JsonObject, hints: Hints) -> JsonValue:
    """A value valid against ``schema``; the same for the same schema and hints."""
    return _Sampler(schema, hints).value(schema, "", 0)


class _Sampler:
    def __init__(self, root: JsonObject, hints: Hints) -> None:
        self._root = root
        self._hints = hints
        self._numbers: Iterator[float] = iter(hints.numbers)

    def value(self, schema: JsonValue, name: str, depth: int) -> JsonValue:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return None  # `true`, or a schema that demands endless nesting
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        options = schema.get("enum")
        if isinstance(options, list) and options:
            return self._choice(options)
        for key in ("anyOf", "oneOf"):
            branches = schema.get(key)
            if isinstance(branches, list) and branches:
                rest = {k: v for k, v in schema.items() if k != key}
                return self.value(_merge(rest, self._branch(branches, depth)), name, depth + 1)
        return self._typed(schema, name, depth)

    def _resolved(self, schema: JsonObject) -> JsonObject:
        """Follow ``$ref`` and fold ``allOf`` in."""
        for _ in range(_MAX_DEPTH):
            ref = schema.get("$ref")
            if not isinstance(ref, str):
                break
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _merge(rest, self._lookup(ref))
        parts = schema.get("allOf")
        if isinstance(parts, list):
            schema = {key: value for key, value in schema.items() if key != "allOf"}
            for part in parts:
                if isinstance(part, dict):
                    schema = _merge(schema, self._resolved(part))
        return schema

    def _lookup(self, ref: str) -> JsonObject:
        at: JsonValue = self._root
        for part in ref.removeprefix("#").split("/"):
            if part:
                key = part.replace("~1", "/").replace("~0", "~")
                at = at.get(key) if isinstance(at, dict) else None
        return at if isinstance(at, dict) else {}

    def _choice(self, options: list[JsonValue]) -> JsonValue:
        """An option the prompt names, else the first."""
        lowered = self._hints.text.lower()
        for option in options:
            if isinstance(option, str) and re.search(rf"\b{re.escape(option.lower())}\b", lowered):
                return option
        return options[0]

    def _branch(self, branches: list[JsonValue], depth: int) -> JsonObject:
        resolved = [self._resolved(branch) for branch in branches if isinstance(branch, dict)]
        nulls = [branch for branch in resolved if branch.get("type") == "null"]
        if nulls and depth > _DEEP:
            return nulls[0]
        if depth > _DEEP:  # the branch without properties of its own ends a recursion soonest
            resolved.sort(key=lambda branch: "properties" in branch or "items" in branch)
        return next((b for b in resolved if b.get("type") != "null"), nulls[0] if nulls else {})

    def _typed(self, schema: JsonObject, name: str, depth: int) -> JsonValue:
        kind = _kind(schema, null_first=depth > _DEEP)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind == "integer")
        if kind == "boolean":
            return False
        return None if kind == "null" else self._string(schema, name)

    def _object(self, schema: JsonObject, depth: int) -> JsonObject:
        properties = schema.get("properties")
        required = schema.get("required")
        wanted = required if isinstance(required, list) else []
        made: JsonObject = {}
        if isinstance(properties, dict):
            for key, below in properties.items():
                if key in wanted or depth < _DEEP:
                    made[key] = self.value(below, key, depth + 1)
        for missing in wanted:
            if isinstance(missing, str) and missing not in made:
                made[missing] = self.value(schema.get("additionalProperties"), missing, depth + 1)
        return made

    def _array(self, schema: JsonObject, name: str, depth: int) -> list[JsonValue]:
        made: list[JsonValue] = []
        prefix = schema.get("prefixItems")
        if isinstance(prefix, list):
            made = [self.value(item, name, depth + 1) for item in prefix]
        least, most = _whole(schema, "minItems", 0), _whole(schema, "maxItems", 1_000_000)
        items = schema.get("items")
        wanted = max(least, 1 if depth < _DEEP and not prefix and items is not False else 0)
        while len(made) < min(wanted, most, 1_000):
            item = self.value(items, name, depth + 1)
            if schema.get("uniqueItems") is True and item in made:
                item = _other(item, items, len(made))
            made.append(item)
        return made

    def _number(self, schema: JsonObject, whole: bool) -> int | float:
        low, high = _limits(schema, 1 if whole else 1e-6)
        offered = next(self._numbers, None)
        value = 1.0 if offered is None else offered
        if not low <= value <= high:
            value = low if low > -math.inf else high
        if whole:
            value = math.ceil(value) if math.ceil(value) <= high else math.floor(value)
        step = schema.get("multipleOf")
        if isinstance(step, (int, float)) and step > 0:
            value = math.ceil(round(value / step, 9)) * step
            if value > high:
                value = math.floor(round(high / step, 9)) * step
        return int(value) if float(value).is_integer() else float(value)

    def _string(self, schema: JsonObject, name: str) -> str:
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            return sample_pattern(pattern)
        kind = schema.get("format")
        if isinstance(kind, str) and kind in _FORMATS:
            return _FORMATS[kind]
        text = self._hints.names[0] if self._hints.names else (name.replace("_", " ") or "text")
        least, most = _whole(schema, "minLength", 0), _whole(schema, "maxLength", 100_000)
        if len(text) < least:
            text = (text + " ") * (least // (len(text) + 1) + 1)
        return text[: max(least, min(len(text), most))][:most]


def _kind(schema: JsonObject, *, null_first: bool) -> str:
    """The type to make; of several the first, null only where nesting has to end."""
    declared = schema.get("type")
    kinds = [str(kind).lower() for kind in declared] if isinstance(declared, list) else []
    if kinds:
        others = [kind for kind in kinds if kind != "null"]
        return "null" if not others or (null_first and "null" in kinds) else others[0]
    if isinstance(declared, str):
        return declared.lower()  # Gemini writes OBJECT, STRING
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _merge(one: Mapping[str, JsonValue], two: Mapping[str, JsonValue]) -> JsonObject:
    """Both schemas at once, as far as sampling needs it."""
    merged: JsonObject = {**one, **two}
    for key in ("properties", "required"):
        first, second = one.get(key), two.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            merged[key] = {**first, **second}
        elif isinstance(first, list) and isinstance(second, list):
            merged[key] = [*first, *(item for item in second if item not in first)]
    return merged


def _other(item: JsonValue, schema: JsonValue, count: int) -> JsonValue:
    """Another value of the same kind, for arrays whose items must differ."""
    options = schema.get("enum") if isinstance(schema, dict) else None
    if isinstance(options, list) and count < len(options):
        return options[count]
    if isinstance(item, str):
        return f"{item} {count + 1}"
    if isinstance(item, int) and not isinstance(item, bool):
        return item + count
    return item


def _whole(schema: JsonObject, key: str, default: int) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _limits(schema: JsonObject, step: float) -> tuple[float, float]:
    def bound(key: str, default: float) -> float:
        value = schema.get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number else default  # type: ignore[arg-type]

    low = max(bound("minimum", -math.inf), bound("exclusiveMinimum", -math.inf) + step)
    high = min(bound("maximum", math.inf), bound("exclusiveMaximum", math.inf) - step)
    return low, high
