"""Server-sent events out of network reads, however the network split them (R23.7, P71).

Works on bytes and cuts only at line ends, so a character split between two reads is never
looked at before it is whole. Follows the HTML standard's event stream parsing.
"""

from __future__ import annotations

from typing import NamedTuple

# An event holds a few tokens; one that grows beyond this is no answer but a flood.
MAX_EVENT_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event: its ``event:`` name (empty: a plain message) and its data without the prefix."""

    name: bytes
    data: bytes


class SseOverflow(Exception):
    """An event is longer than ``MAX_EVENT_BYTES``."""


class SseDecoder:
    """Feed it reads, get the events that are complete. One instance per stream."""

    __slots__ = ("_after_cr", "_pending", "_started")

    def __init__(self) -> None:
        self._pending = b""
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events completed by ``data``. Raises ``SseOverflow``."""
        if not self._started:
            data = self._pending + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._pending = data
                return []
            self._started = True
            self._pending = b""
            data = data.removeprefix(_BOM)
        if self._after_cr or b"\r" in data:
            data = self._unify_line_ends(data)
        pending = self._pending
        if (
            not pending
            and data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and data.find(b"\n") == len(data) - 2
        ):
            # One whole event of one line a read: what a stream mostly is.
            return [SseEvent(b"", data[6:-2])]
        if pending:
            # The blank line that ends an event may lie half in the part already searched.
            if b"\n\n" not in data and b"\n\n" not in pending[-1:] + data[:1]:
                if len(pending) + len(data) > MAX_EVENT_BYTES:
                    raise SseOverflow
                self._pending = pending + data
                return []
            data = pending + data
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if len(rest) > MAX_EVENT_BYTES:
            raise SseOverflow
        self._pending = rest
        return _events(blocks)

    def end(self) -> list[SseEvent]:
        """What stands behind the last blank line at the end of the body: an event whose blank line
        a server saved itself. The caller judges whether it is whole."""
        rest, self._pending = self._pending, b""
        return _events([rest])

    def _unify_line_ends(self, data: bytes) -> bytes:
        """CRLF and CR become LF. A CR ends its line at once; an LF that comes with the next read
        belongs to it."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            if not data:
                self._after_cr = False
                return data
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _events(blocks: list[bytes]) -> list[SseEvent]:
    events: list[SseEvent] = []
    for block in blocks:
        if block.startswith(b"data: ") and b"\n" not in block:
            events.append(SseEvent(b"", block[6:]))
        elif block:
            event = _parse_lines(block)
            if event is not None:
                events.append(event)
    return events


def _parse_lines(block: bytes) -> SseEvent | None:
    """An event of any form: several data lines, a name, comments, fields without a value."""
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    if not data:
        return None
    return SseEvent(name, data[0] if len(data) == 1 else b"\n".join(data))
