"""Structured logs: one JSON object a line, in Cloud Logging's field names (R25.9, R25.11, R25.12).

https://cloud.google.com/logging/docs/structured-logging: ``severity``, ``time``, ``message`` and,
for errors, ``stack_trace``; everything else is payload. Callers log typed figures and identifiers,
never the text of a user's message.
"""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import orjson

from shared.clock import Clock
from shared.messages import JsonObject, JsonValue
from shared.telemetry.record import RequestRecord
from shared.telemetry.redaction import MASK, Redactor, sensitive_name

# Cloud Logging's severities that we use, with Python's numbers for their order.
LEVELS: Final[dict[str, int]] = {
    "DEBUG": 10,
    "INFO": 20,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
}
# Cloud Logging takes 256 KiB an entry; a summary that needs more than this is a mistake.
MAX_LINE_BYTES = 16 * 1024
MAX_TEXT = 2000  # characters of one string in a line that had to be cleaned
MAX_STACK = 6000  # characters of a stack trace, its end
_MAX_ITEMS = 40  # of one list or object in a line that had to be cleaned
_MAX_DEPTH = 6
_STACK_FRAMES = 20
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS
_EMPTY: Final[JsonObject] = {}

Line = dict[str, JsonValue | datetime]


class LogStream(Protocol):
    """Where lines go: an unbuffered binary file, a buffer in tests."""

    def write(self, data: bytes, /) -> int | None:
        """Take the bytes; how many were taken, None for none (a full non-blocking pipe)."""
        ...


def open_stdout() -> LogStream:
    """The process's standard output, unbuffered: a line is one system call and never waits."""
    return open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)


class JsonLog:
    """Writes events to ``stream``, one ``write`` a line, without secrets. Never raises.

    ``level`` is the lowest severity written. ``secrets`` are the values that must never appear
    (every provider key). ``dropped`` counts lines the stream did not take.
    """

    __slots__ = ("_clock", "_level", "_redactor", "_stream", "dropped")

    def __init__(
        self, stream: LogStream, clock: Clock, level: str = "INFO", secrets: Iterable[str] = ()
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._level = LEVELS.get(level.upper(), LEVELS["INFO"])
        self._redactor = Redactor(secrets)
        self.dropped = 0

    def enabled(self, severity: str) -> bool:
        """Whether events of this severity are written."""
        return LEVELS.get(severity, LEVELS["INFO"]) >= self._level

    def debug(self, message: str, fields: Mapping[str, JsonValue] = _EMPTY) -> None:
        """Detail for whoever looks for a fault."""
        self.log("DEBUG", message, fields)

    def info(self, message: str, fields: Mapping[str, JsonValue] = _EMPTY) -> None:
        """An event of normal running."""
        self.log("INFO", message, fields)

    def warning(self, message: str, fields: Mapping[str, JsonValue] = _EMPTY) -> None:
        """Something an operator should know of; users were served."""
        self.log("WARNING", message, fields)

    def error(
        self,
        message: str,
        fields: Mapping[str, JsonValue] = _EMPTY,
        error: BaseException | None = None,
    ) -> None:
        """A fault; ``error`` adds its type and stack trace."""
        self.log("ERROR", message, fields, error)

    def request(self, record: RequestRecord) -> None:
        """The one summary line of a request (R25.1-25.4, R25.8)."""
        severity = record.severity()
        if self.enabled(severity):
            self._emit(severity, record.headline(), record.to_json())

    def log(
        self,
        severity: str,
        message: str,
        fields: Mapping[str, JsonValue] = _EMPTY,
        error: BaseException | None = None,
    ) -> None:
        """One event. ``severity`` is one of ``LEVELS``."""
        if not self.enabled(severity):
            return
        if error is None:
            self._emit(severity, message, fields)
        else:
            self._emit(severity, message, {**fields, **self._describe(error)})

    def _describe(self, error: BaseException) -> JsonObject:
        """Type and trace. ``format_exception`` survives exceptions whose ``str`` raises."""
        trace = "".join(traceback.format_exception(error, limit=-_STACK_FRAMES))
        return {
            "error_type": type(error).__name__,
            "stack_trace": self._redactor.clean_bounded(trace, MAX_STACK, keep_end=True),
        }

    def _emit(self, severity: str, message: str, fields: Mapping[str, JsonValue]) -> None:
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        # Ours come last: a field cannot pass itself off as another severity.
        line: Line = {**fields, "severity": severity, "time": now, "message": message}
        data = _dumps(line)
        if data is None or len(data) > MAX_LINE_BYTES or self._redactor.suspicious(data):
            data = self._cleaned(severity, now, message, fields)
        self._write(data)

    def _cleaned(
        self, severity: str, now: datetime, message: str, fields: Mapping[str, JsonValue]
    ) -> bytes:
        """The line rebuilt string by string; the bare event where even that is not safe."""
        head: Line = {"severity": severity, "time": now}
        text = self._redactor.clean_bounded(message, MAX_TEXT)
        safe = self._safe(dict(fields), 0)
        below: JsonObject = safe if isinstance(safe, dict) else {}
        data = _dumps({**below, **head, "message": _encodable(text)})
        if data is None or len(data) > MAX_LINE_BYTES:
            data = _dumps({**head, "message": _encodable(text), "cut": True})
        if data is None or self._redactor.holds_known(data):
            # A secret made of JSON's own signs or of digits. Nothing of the line can be shown.
            data = _dumps({**head, "message": "event withheld: it held a secret"})
        return data or b""

    def _safe(self, value: object, depth: int) -> JsonValue:
        """A bounded copy without secrets that orjson can write, whatever ``value`` is."""
        if isinstance(value, str):
            limit = MAX_STACK if depth == 1 else MAX_TEXT
            return _encodable(self._redactor.clean_bounded(value, limit))
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -(2**53) < value < 2**53 else "[large number]"
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if depth >= _MAX_DEPTH:
            return f"[{type(value).__name__}]"
        if isinstance(value, dict):
            return {
                self._safe_name(name): MASK
                if isinstance(name, str) and sensitive_name(name)
                else self._safe(below, depth + 1)
                for name, below in list(value.items())[:_MAX_ITEMS]
            }
        if isinstance(value, (list, tuple)):
            return [self._safe(below, depth + 1) for below in value[:_MAX_ITEMS]]
        return f"[{type(value).__name__}]"

    def _safe_name(self, name: object) -> str:
        if isinstance(name, str):
            return _encodable(self._redactor.clean_bounded(name, 100))
        return f"[{type(name).__name__}]"

    def _write(self, data: bytes) -> None:
        try:
            taken = self._stream.write(data)
            if taken is not None and taken < len(data):
                # A signal may cut a write to a pipe short; the rest follows.
                taken = self._stream.write(data[taken:])
        except (OSError, ValueError):
            # A closed or broken stream must not take requests down with it.
            taken = None
        if taken is None:
            self.dropped += 1


def _dumps(line: Line) -> bytes | None:
    """One line of JSON, or None where orjson cannot write it (surrogates, huge integers)."""
    try:
        return orjson.dumps(line, default=_type_name, option=_OPTIONS)
    except TypeError:
        return None


def _type_name(value: object) -> str:
    return f"[{type(value).__name__}]"


def _encodable(text: str) -> str:
    """``text`` with lone surrogates replaced, which JSON cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
