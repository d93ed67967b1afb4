"""Fetches Google's certificates over the instance's one HTTP session."""

from __future__ import annotations

from shared.edge.certificates import CertificatesUnavailable, Fetch, max_age_seconds
from shared.errors import ProviderFailure
from shared.providers.base import Timeouts
from shared.providers.http import HttpPool, endpoint

# Signing in waits for this at most once per instance; Google answers in tens of milliseconds.
FETCH_TIMEOUT_S = 5.0
MAX_CERTIFICATE_BYTES = 256 * 1024


def certificate_fetch(pool: HttpPool) -> Fetch:
    """The ``Fetch`` of the certificate source over ``pool``."""

    async def fetch(url: str) -> tuple[bytes, float]:
        limits = Timeouts(FETCH_TIMEOUT_S, FETCH_TIMEOUT_S, FETCH_TIMEOUT_S)
        target = endpoint("googleapis", "GET", url, "", {})
        try:
            answer = await pool.fetch(target, None, limits, MAX_CERTIFICATE_BYTES)
        except ProviderFailure as failure:
            raise CertificatesUnavailable(failure.message) from None
        if answer.status != 200:
            raise CertificatesUnavailable(f"status {answer.status}")
        return answer.body, max_age_seconds(answer.headers.get("cache-control"))

    return fetch
