"""What the house knows of a model: one card, read by catalog, routing and wires alike."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Capability(StrEnum):
    """What a model can take or make (R1.5)."""

    TEXT = "TEXT"
    VISION = "VISION"
    AUDIO_IN = "AUDIO_IN"
    AUDIO_OUT = "AUDIO_OUT"
    IMAGE_GEN = "IMAGE_GEN"
    VIDEO_GEN = "VIDEO_GEN"
    COMPUTER_USE = "COMPUTER_USE"
    EMBEDDING = "EMBEDDING"


class Feature(StrEnum):
    """Request fields that not every chat model honours. Not listed on a card means no."""

    STREAMING = "streaming"
    TOOLS = "tools"
    PARALLEL_TOOL_CALLS = "parallel_tool_calls"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    SCHEMA_STREAMING = "schema_streaming"  # an answer under a JSON schema can be streamed
    SCHEMA_WITH_TOOLS = "schema_with_tools"  # response_format beside tools in one request
    LOGPROBS = "logprobs"
    N = "n"
    PENALTIES = "penalties"
    SEED = "seed"
    STOP = "stop"
    IMAGE_URL = "image_url"  # https image addresses; without it only data: URIs
    REASONING_EFFORT = "reasoning_effort"  # the card's ``reasoning_efforts`` say which values


class Lifecycle(StrEnum):
    """R1.2, derived from dates and the clock, never stored."""

    ACTIVE = "ACTIVE"
    DYING = "DYING"
    DEAD = "DEAD"


class Category(StrEnum):
    """The eleven categories of R3.2."""

    SIMPLE = "SIMPLE"
    MEDIUM = "MEDIUM"
    COMPLEX = "COMPLEX"
    CODING = "CODING"
    REASONING = "REASONING"
    VISION_IN = "VISION_IN"
    IMAGE_GEN = "IMAGE_GEN"
    VIDEO_GEN = "VIDEO_GEN"
    MULTILINGUAL = "MULTILINGUAL"
    AGENTIC = "AGENTIC"
    LONG_CONTEXT = "LONG_CONTEXT"


class Health(StrEnum):
    """R20.2-20.4."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Free-tier limits; None: not limited in that dimension, or not known."""

    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    characters_per_month: int | None = None


class ModelCard(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of ``models.json``.

    Dates are ISO days (``YYYY-MM-DD``), UTC, or None where none is known. ``free_tier`` is what a
    key without billing gets: ``quota`` (requests a day), ``credit`` (a monthly or trial credit),
    ``none`` (paid only), ``unknown``. Windows are in tokens. ``latency_ms`` (to first token) and
    ``tokens_per_s`` are typical values for estimates until live figures exist; ``quality`` 0-100
    ranks within the catalog for ``prioritize`` and aliases, it is our own judgement.
    """

    id: str
    name: str
    provider: str
    provider_model_id: str
    capabilities: frozenset[Capability]
    source: str
    free_tier: str
    features: frozenset[Feature] = frozenset()
    reasoning_efforts: tuple[str, ...] = ()
    context_window: int | None = None
    context_window_free: int | None = None
    max_output_tokens: int | None = None
    limits: Limits = Limits()
    released: str | None = None
    shutdown_date: str | None = None  # gone from this day on
    last_seen: str | None = None  # gone without a date: DEAD since this sighting
    never_existed: bool = False
    serves: str | None = None  # the provider reroutes this id to that catalog id ...
    serves_from: str | None = None  # ... from this day on
    replacement: str | None = None
    accepts_prefix: bool = False  # continues a trailing assistant message; unknown means no
    chat: bool = True  # with TEXT: answers ordinary chat; False: a guard, which only judges
    day_reset: str = "rolling"  # when the provider's day turns: an IANA zone, or "rolling" (R14)
    latency_ms: int = 600
    tokens_per_s: int = 120
    quality: int = 50
    notes: str = ""
