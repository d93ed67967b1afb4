"""Request ids (R25.1): ours, or the client's own where it sent a usable one."""

from __future__ import annotations

import re
from typing import Protocol

# 96 bits: no two alike among all requests the house will ever see.
_BITS = 96
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class BitSource(Protocol):
    """``random.Random`` or ``random.SystemRandom``."""

    def getrandbits(self, k: int, /) -> int:
        """``k`` random bits."""
        ...


class RequestIds:
    """Makes ids ``req_`` + 24 hex digits out of an injected random source."""

    __slots__ = ("_random",)

    def __init__(self, random: BitSource) -> None:
        self._random = random

    def new(self) -> str:
        """A fresh id."""
        return f"req_{self._random.getrandbits(_BITS):024x}"

    def accept(self, offered: str | None) -> str:
        """The client's ``x-request-id`` where it is 8-64 letters, digits, ``_`` or ``-``; else a
        fresh id (anything else could forge log lines or headers)."""
        if offered is not None and _CLIENT_ID.fullmatch(offered):
            return offered
        return self.new()
