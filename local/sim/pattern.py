"""A text that matches a regular expression, for the simple ones found in JSON schemas.

Literals, classes, groups, alternatives, quantifiers, anchors. For what is beyond it (look-around,
back references) the text may not match: no provider promises more for ``pattern``.
"""

from __future__ import annotations

_CLASSES = {"d": "7", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
_TYPICAL = "a7A-_ .@!"
_MOST_REPEATS = 200


def sample_pattern(pattern: str) -> str:
    """The shortest plausible match: every choice takes its first way, repeats their least."""
    return _Reader(pattern).alternatives()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _take(self) -> str:
        taken = self._peek()
        self._at += 1
        return taken

    def alternatives(self) -> str:
        """Up to the closing bracket or the end; only the first alternative is kept."""
        first = self._sequence()
        while self._peek() == "|":
            self._take()
            self._sequence()
        return first

    def _sequence(self) -> str:
        made: list[str] = []
        while self._peek() not in ("", "|", ")"):
            made.append(self._quantified(self._atom()))
        return "".join(made)

    def _atom(self) -> str:
        char = self._take()
        if char == "(":
            if self._peek() == "?":
                while self._peek() not in ("", ":", "=", "!", ">", ")"):
                    self._take()
                self._take()
            inside = self.alternatives()
            self._take()
            return inside
        if char == "[":
            return self._one_of()
        if char == "\\":
            escaped = self._take()
            return "" if escaped in ("b", "B", "A", "Z", "z") else _CLASSES.get(escaped, escaped)
        if char in ("^", "$"):
            return ""
        return "a" if char == "." else char

    def _one_of(self) -> str:
        refused = self._peek() == "^"
        if refused:
            self._take()
        members: list[str] = []
        while self._peek() not in ("", "]") or not members:
            member = self._take()
            if member == "\\":
                member = _CLASSES.get(self._peek(), self._peek())
                self._take()
            members.append(member)
        self._take()
        if not refused:
            return members[0]
        return next((char for char in _TYPICAL if char not in members), "a")

    def _quantified(self, atom: str) -> str:
        char = self._peek()
        if char in ("*", "?"):
            self._take()
            atom = ""
        elif char == "+":
            self._take()
        elif char == "{":
            end = self._pattern.find("}", self._at)
            least = self._pattern[self._at + 1 : end].split(",")[0].strip()
            if end > 0 and (least.isdigit() or least == ""):
                self._at = end + 1
                atom *= min(int(least or 0), _MOST_REPEATS)
        else:
            return atom
        if self._peek() in ("?", "+"):  # lazy or possessive
            self._take()
        return atom
