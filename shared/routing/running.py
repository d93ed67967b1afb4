"""An attempt under way."""

from __future__ import annotations

from msgspec import Struct

from shared.messages import Attempt, Usage
from shared.model import ModelCard
from shared.permits import Permit
from shared.providers.base import ChatProvider, ProviderCall, Timeouts


class Running(Struct):
    """One call to one model. ``started`` is monotonic seconds; ``open`` until the health record
    knows of it, ``delivering`` from a stream's first token to its end; ``permit`` until it is
    settled, once, however the attempt ends."""

    place: int
    card: ModelCard
    provider: ChatProvider
    call: ProviderCall
    timeouts: Timeouts
    streams: bool
    started: float
    permit: Permit | None
    open: bool = True
    delivering: bool = False
    line: Attempt | None = None
    usage: Usage | None = None
