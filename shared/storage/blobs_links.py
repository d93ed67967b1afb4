"""Signed links to blobs in a folder: who holds one may do the one thing it names, until it expires.

Cloud Storage signs its own; these stand in for them on the local address, ``/blobs/{name}``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from shared.clock import Clock
from shared.storage.blobs import Method

PATH = "/blobs/"
SECRET_BYTES = 32


class LinkSigner:
    """Makes links and knows its own. ``secret``: 32 random bytes; never in a repr."""

    __slots__ = ("_base_url", "_clock", "_secret")

    def __init__(self, secret: bytes, clock: Clock, base_url: str = "") -> None:
        self._secret = secret
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    def link(self, name: str, expires_s: int, method: Method, content_type: str | None) -> str:
        """A link that ``allows`` will take for ``expires_s`` seconds."""
        expires = str(int(self._clock.wall()) + expires_s)
        query = {"expires": expires, "signature": self._sign(method, name, expires, content_type)}
        if content_type is not None:
            query["content_type"] = content_type
        return f"{self._base_url}{PATH}{quote(name, safe='/~')}?{urlencode(query)}"

    def allows(
        self, method: str, name: str, query: Mapping[str, str], content_type: str | None
    ) -> bool:
        """Whether a request holds a link: ``name`` and ``query`` are decoded.

        ``content_type`` is the request's own; it counts where the link names one.
        """
        expires = query.get("expires", "")
        signature = query.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return False
        signed_type = query.get("content_type")
        # A look at the head of what one may fetch is no further right.
        signed_method = "GET" if method == "HEAD" else method
        expected = self._sign(signed_method, name, expires, signed_type)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return False
        if signed_type is not None and signed_type != content_type:
            return False
        return self._clock.wall() < int(expires)

    def _sign(self, method: str, name: str, expires: str, content_type: str | None) -> str:
        # None of the four can hold a line break: names and types are printable.
        text = "\n".join((method, name, expires, content_type or ""))
        return hmac.new(self._secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
