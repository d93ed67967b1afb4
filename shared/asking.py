"""Questions of our own to a model: a guard's verdict, a classification; not a client's request.

Rooms that ask (``safety``, ``classify``) see these shapes alone; how a model is reached, paid from
its quota and given up on is the business of whoever answers the port.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct, field

from shared.clock import Deadline
from shared.messages import JsonObject, JsonValue, Usage
from shared.model import ModelCard


class Question(Struct, frozen=True):
    """One call. ``messages`` are OpenAI message objects; ``fields`` what else the body holds
    (``temperature``, ``response_format``, ``reasoning_effort``, ``logprobs``). ``input_tokens`` is
    an estimate of the prompt, ``max_tokens`` the longest answer, both in tokens."""

    card: ModelCard
    messages: list[JsonObject]
    input_tokens: int
    max_tokens: int
    fields: JsonObject = field(default_factory=dict)


class Reply(Struct):
    """A model's answer to a question. ``logprobs`` is OpenAI's object of the choice, where the
    provider gives any; ``latency_ms`` from asking to the whole answer."""

    card: ModelCard
    text: str
    finish_reason: str
    usage: Usage
    latency_ms: float
    logprobs: JsonValue = None


class NotAnswered(Exception):
    """No answer to a question. ``outcome`` is a word for logs and receipts: an attempt's outcome
    ("timeout", "rate_limited", ...), "capacity", "deadline" or "store". ``full``: it was use of a
    limit that stood in the way, so that it may pass."""

    def __init__(self, outcome: str, *, full: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.full = full


class Asker(Protocol):
    """Puts questions to models, each out of the same quotas as everybody's requests."""

    def living(self, model_id: str, /) -> ModelCard | None:
        """The living model behind a catalog id (itself or its replacement) that may be asked at
        all: switched on, with a key, and payable. None: there is none."""
        ...

    def own(self) -> ModelCard | None:
        """A model of the operator's own server (``LOCAL_BASE_URL``); None: there is none."""
        ...

    async def ask(self, question: Question, deadline: Deadline, /) -> Reply:
        """Its answer, asked once, without waiting for capacity. Raises ``NotAnswered`` by the
        deadline; cancelling the task aborts the call."""
        ...
