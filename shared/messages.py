"""The domain's own words: what is asked, what comes back, and in what pieces.

A chat request keeps the client's parsed body as it came: wires copy from it what their format
takes, so a field nobody has to change is never rebuilt. Answers are normalised to OpenAI's
shapes once, at the wire, so nothing above the wires knows which provider spoke.
"""

from __future__ import annotations

from msgspec import Struct, field

from shared.model import Capability, Feature

JsonScalar = None | bool | int | float | str
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]


class Need(Struct, frozen=True):
    """A field of the request that a model must be able to honour. ``param`` names the field."""

    feature: Feature | Capability
    param: str


class RequestOptions(Struct):
    """The ``codeex`` extension object of the request, validated (contract, Chat)."""

    conversation_id: str | None = None
    reset: bool = False
    memory: bool | None = None
    preferred_providers: tuple[str, ...] = ()
    avoid_providers: frozenset[str] = frozenset()
    shunned_providers: frozenset[str] = frozenset()  # avoided where others can serve
    prioritize: str | None = None  # "speed" | "quality"
    patience_s: float = 10.0
    priority: int = 5
    deadline_s: float | None = None  # None: 50 plain, 300 streamed
    fallback: bool = True
    classifier: str = "auto"  # "auto" | "local"
    present: bool = False  # the body had a codeex object (clients that can take a job)
    # The fields that the request itself gave; stored preferences stand in for others.
    said: frozenset[str] = frozenset()


class ChatRequest(Struct):
    """A chat request that passed validation.

    ``messages`` are the body's message objects, shape-checked, not copied. ``input_tokens`` is an
    estimate, at least 1. ``max_tokens`` is ``max_completion_tokens`` or ``max_tokens``.
    """

    body: JsonObject
    model: str
    messages: list[JsonObject]
    input_tokens: int
    stream: bool = False
    include_usage: bool = False
    needs: tuple[Need, ...] = ()
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    n: int = 1
    image_count: int = 0
    options: RequestOptions = field(default_factory=RequestOptions)


class Usage(Struct):
    """Tokens a provider says it counted. ``estimated``: it did not say, we did."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    def add(self, other: Usage) -> None:
        """Add what another attempt spent."""
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.reasoning_tokens += other.reasoning_tokens
        self.cached_tokens += other.cached_tokens
        self.estimated = self.estimated or other.estimated

    def to_json(self) -> JsonObject:
        """OpenAI's ``usage`` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }


class ChatResult(Struct):
    """A whole answer. ``choices`` are OpenAI choice objects (``index``, ``message``,
    ``finish_reason``, ``logprobs``); reasoning stands in ``message.reasoning_content``."""

    choices: list[JsonObject]
    usage: Usage
    upstream_model: str = ""


class Chunk(Struct):
    """One piece of a streamed answer. Only what is new is set.

    ``tool_calls`` are OpenAI tool-call deltas (``index``, ``id``, ``type``, ``function``).
    ``finish_reason`` ends its choice. ``usage`` may come in a chunk of its own at the end.
    """

    index: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[JsonObject] | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: JsonValue = None

    @property
    def meaningful(self) -> bool:
        """Whether it shows that the model is answering (text, reasoning, a tool call, an end)."""
        return bool(
            self.text or self.reasoning or self.tool_calls or self.refusal or self.finish_reason
        )


class Attempt(Struct):
    """One line of the receipt's history (R5.6). ``latency_ms`` to success or failure."""

    model: str
    provider: str
    outcome: str  # "ok" or a ProviderFailure outcome
    latency_ms: int
    detail: str = ""
    usage: Usage | None = None

    def to_json(self) -> JsonObject:
        """The receipt's form."""
        return {
            "model": self.model,
            "provider": self.provider,
            "outcome": self.outcome,
            "latency_ms": self.latency_ms,
        }
