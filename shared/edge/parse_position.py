"""Which field a broken JSON text breaks in: only used once a body has failed to parse."""

from __future__ import annotations

import re

# Beyond this many characters the search would cost more than the answer is worth.
_LONGEST_PREFIX = 1_000_000
# Structure and strings; a string cut off by the end of the text still counts as one mark.
_MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],]', re.DOTALL)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DEEPEST_PATH = 8


def path_at(text: str, position: int) -> str | None:
    """The path (``messages[0].content``) of the value in which character ``position`` lies.

    ``text`` up to ``position`` must be the start of valid JSON. None where that is no field of an
    object: outside of one, too far into the text, or inside a key.
    """
    if position > _LONGEST_PREFIX:
        return None
    # One frame for each open container: an array counts its commas, an object holds its last key.
    frames: list[int | str | None] = []
    for mark in _MARK.findall(text[:position]):
        if mark == "{":
            frames.append(None)
        elif mark == "[":
            frames.append(0)
        elif mark in ("}", "]"):
            if frames:
                frames.pop()
        elif frames:
            frames[-1] = _after(frames[-1], mark)
    return _written(frames)


def _after(frame: int | str | None, mark: str) -> int | str | None:
    """The innermost frame after a comma or a string."""
    if mark == ",":
        return frame + 1 if isinstance(frame, int) else None
    return mark[1:-1] if frame is None else frame


def _written(frames: list[int | str | None]) -> str | None:
    path = ""
    for frame in frames[:_DEEPEST_PATH]:
        if isinstance(frame, int):
            path += f"[{frame}]"
        elif frame is not None and _PLAIN_KEY.fullmatch(frame):
            path += f".{frame}" if path else frame
        else:
            break
    return path if path and not path.startswith("[") else None
