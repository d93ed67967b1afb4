"""What a simulated provider is to the server: a call in, a whole answer out, nothing of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from local.sim.latency import Work
from shared.messages import JsonObject, JsonValue
from shared.model import ModelCard


@dataclass(slots=True)
class SimRequest:
    """One HTTP call. Header names are lower case; ``json`` is None where the body is no JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: JsonValue = None

    def object(self) -> JsonObject | None:
        """The JSON body where it is an object."""
        return self.json if isinstance(self.json, dict) else None


@dataclass(slots=True)
class Target:
    """What a call is about, known before it is answered: faults are chosen by it."""

    model_id: str | None = None  # the provider's id, as the call names it
    card: ModelCard | None = None  # the living model behind it
    stream: bool = False


@dataclass(slots=True)
class SimAnswer:
    """An answer in the frames it is sent by; ``work`` None: no model worked, no latency."""

    frames: list[bytes]
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: bool = False
    work: Work | None = None


class SimWire(Protocol):
    """One provider's wire."""

    base_path: str
    """What follows host and port in the provider's base address."""

    def key_of(self, request: SimRequest) -> str | None:
        """The API key sent with the call."""
        ...

    def target(self, request: SimRequest) -> Target:
        """Which model the call names. Never raises: bad calls name none."""
        ...

    def answer(self, request: SimRequest, target: Target) -> SimAnswer:
        """The answer. Raises ``WireError`` for what the provider would refuse."""
        ...
