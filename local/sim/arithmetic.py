"""Small sums inside a sentence, worked out exactly and in bounded time."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable

_SIGNS = str.maketrans({"×": "*", "x": "*", "·": "*", "÷": "/", ":": "/", "−": "-"})
_WORDS = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "multiplied by": "*",
    "divided by": "/",
    "over": "/",
}
_BETWEEN = re.compile(rf"(?<=\d) ({'|'.join(_WORDS)}) (?=\d)", re.IGNORECASE)
_NUMBER = r"\(*-?\d+(?:\.\d+)?\)*"
_EXPRESSION = re.compile(rf"(?<![\w.]){_NUMBER}(?:\s*(?:\*\*|[-+*/×x·÷−%])\s*{_NUMBER})+(?![\w])")
_MAX_DIGITS = 15
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


def solve(text: str) -> tuple[str, str] | None:
    """The first sum in ``text`` and its result, both as text; None where there is none."""
    text = _BETWEEN.sub(lambda match: f" {_WORDS[match.group(1).lower()]} ", text)
    match = _EXPRESSION.search(text)
    if match is None or len(match.group()) > 200:
        return None
    expression = match.group().strip()
    try:
        tree = ast.parse(expression.translate(_SIGNS), mode="eval")
        value = _value(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError):
        return None
    whole = isinstance(value, int) or float(value).is_integer()
    return expression, str(int(value)) if whole else f"{value:.10g}"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        if len(str(node.value)) > _MAX_DIGITS:
            raise ValueError("too long")
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow):
            if abs(left) > 1_000 or not 0 <= right <= 20:
                raise ValueError("too large")
            return float(left**right) if isinstance(left, float) else left ** int(right)
        work = _BINARY.get(type(node.op))
        if work is not None:
            return work(left, right)
    raise ValueError("not a sum")
