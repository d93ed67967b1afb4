"""What a write makes of a document: Firestore's rules, for a store that has to do it itself."""

from __future__ import annotations

import math
import sys
from datetime import datetime

from shared.storage.ordering import key
from shared.storage.paths import FieldPath
from shared.storage.queries import value_at
from shared.storage.values import INT_MAX, INT_MIN, Data, Increment, Value
from shared.storage.writes import Append, Plan, Remove, Step


def apply(plan: Plan, current: Data | None, now: datetime) -> Data:
    """The document after a ``plan`` that writes at ``now``; ``current`` is used up.

    Preconditions are the caller's business.
    """
    assert plan.data is not None
    if plan.mask is None:
        data = plan.data
    else:
        data = {} if current is None else current
        for path in plan.mask:
            there, value = value_at(plan.data, path)
            if there:
                _put(data, path, value)
            else:
                _take_out(data, path)
    for path, step in plan.transforms:
        _, old = value_at(data, path)
        _put(data, path, _stepped(step, old, now))
    return data


def _put(data: Data, path: FieldPath, value: Value) -> None:
    """Set a field; what is no map on the way becomes one."""
    for name in path[:-1]:
        inner = data.get(name)
        if not isinstance(inner, dict):
            inner = data[name] = {}
        data = inner
    data[path[-1]] = value


def _take_out(data: Data, path: FieldPath) -> None:
    for name in path[:-1]:
        inner = data.get(name)
        if not isinstance(inner, dict):
            return
        data = inner
    data.pop(path[-1], None)


def _stepped(step: Step, old: Value, now: datetime) -> Value:
    if isinstance(step, Increment):
        return _added(old, step.by)
    if isinstance(step, Append):
        return _united(old if isinstance(old, list) else [], step.values)
    if isinstance(step, Remove):
        gone = {key(value) for value in step.values}
        return [item for item in (old if isinstance(old, list) else []) if key(item) not in gone]
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)


def _united(old: list[Value], values: list[Value]) -> list[Value]:
    found = list(old)
    there = {key(item) for item in old}
    for value in values:
        if key(value) not in there:
            there.add(key(value))
            found.append(value)
    return found


def _added(old: Value, by: int | float) -> int | float:
    """Whole numbers stop at the ends of 64 bits, others at the largest double."""
    if isinstance(old, bool) or not isinstance(old, (int, float)):
        return by
    total = old + by
    if isinstance(total, int):
        return max(INT_MIN, min(INT_MAX, total))
    if math.isinf(total):
        return math.copysign(sys.float_info.max, total)
    return total
