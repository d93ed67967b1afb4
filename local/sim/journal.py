"""What each provider received, and when: the last calls, without keys."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from shared.messages import JsonObject, JsonValue

_KEPT_CALLS = 1_000
# Bodies up to this many bytes are kept whole; of larger ones (images) only the size.
_KEPT_BODY_BYTES = 16_384


@dataclass(slots=True)
class Received:
    """One call. Times are Unix seconds; ``status`` 0: the connection broke without one."""

    number: int
    provider: str
    method: str
    path: str
    received_at: float
    model: str | None = None
    stream: bool = False
    body_bytes: int = 0
    body: JsonValue = None
    fault: str | None = None
    status: int = 0
    finished_at: float | None = None
    client_left: bool = False

    def keep_body(self, body: JsonValue, size: int) -> None:
        """Keep what was sent, where it is small."""
        self.body_bytes = size
        self.body = body if size <= _KEPT_BODY_BYTES else None

    def to_json(self) -> JsonObject:
        """Everything, as it is listed."""
        return {
            "number": self.number,
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "model": self.model,
            "stream": self.stream,
            "received_at": self.received_at,
            "finished_at": self.finished_at,
            "status": self.status,
            "fault": self.fault,
            "client_left": self.client_left,
            "body_bytes": self.body_bytes,
            "body": self.body,
        }


class Journal:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Received] = deque(maxlen=_KEPT_CALLS)
        self._count = 0

    def begin(self, provider: str, method: str, path: str, now: float) -> Received:
        """Note a call that has just come in; ``now`` in Unix seconds."""
        self._count += 1
        call = Received(self._count, provider, method, path, now)
        self._calls.append(call)
        return call

    def listed(self, provider: str | None = None) -> list[JsonValue]:
        """Every kept call, or one provider's."""
        return [c.to_json() for c in self._calls if provider is None or c.provider == provider]

    def clear(self) -> int:
        """Forget all; how many these were. Numbers go on."""
        count = len(self._calls)
        self._calls.clear()
        return count
