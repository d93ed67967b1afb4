"""Fetching Google's certificates over the instance's one HTTP session."""

from __future__ import annotations

from urllib.parse import urlsplit

from shared.edge.certificates import CertificatesUnavailable, Fetch, max_age_seconds
from shared.errors import ProviderFailure
from shared.providers.base import Timeouts
from shared.providers.http import HttpPool, endpoint

# Seconds. A sign-in that needs certificates waits for this at most.
_TIMEOUTS = Timeouts(first_byte=3.0, stall=3.0, total=5.0)
# Google's answer has about 5 KB.
_MAX_BYTES = 256 * 1024


def fetch_over(pool: HttpPool) -> Fetch:
    """The fetch that ``CertificateSource`` asks for, over ``pool``."""

    async def fetch(url: str) -> tuple[bytes, float]:
        parts = urlsplit(url)
        target = endpoint(
            "the certificate server", "GET", f"{parts.scheme}://{parts.netloc}", parts.path, {}
        )
        try:
            answer = await pool.fetch(target, None, _TIMEOUTS, _MAX_BYTES)
        except ProviderFailure as failure:
            raise CertificatesUnavailable(failure.message) from failure
        if answer.status != 200:
            raise CertificatesUnavailable(f"status {answer.status}")
        return answer.body, max_age_seconds(answer.headers.get("Cache-Control"))

    return fetch
