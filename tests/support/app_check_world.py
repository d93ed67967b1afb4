"""App Check with keys of our own, and Google's memory of used-up tokens."""

from __future__ import annotations

from shared.clock import Clock
from shared.edge.app_check import AppCheck
from shared.edge.app_check_keys import JWKS_URL, read_jwks
from shared.edge.certificates import CertificateSource
from shared.errors import StoreUnavailable
from tests.support.tokens import PROJECT, FakeKeys


class FakeConsumer:
    """Takes each token once; ``down``: does not answer."""

    def __init__(self) -> None:
        self.used: list[str] = []
        self.down = False

    async def __call__(self, token: str) -> bool:
        if self.down:
            raise StoreUnavailable("no answer")
        first = token not in self.used
        self.used.append(token)
        return first


def app_check(
    clock: Clock,
    keys: FakeKeys | None = None,
    consumer: FakeConsumer | None = None,
    *,
    project: str | None = PROJECT,
) -> AppCheck:
    """A verifier over them."""
    source = CertificateSource(
        keys or FakeKeys(), clock, JWKS_URL, read=read_jwks, judged="App Check tokens"
    )
    return AppCheck(project, source, clock, consumer or FakeConsumer())
