"""From which address a request comes, as client limits count it (contract, Identity).

Every proxy appends the address it was called from to ``X-Forwarded-For``, so only what is counted
from the right was written by somebody we trust; all further to the left the caller may have made
up. Cloud Run's front end appends one (``TRUSTED_PROXY_HOPS`` = 1).

Through Firebase Hosting the header arrives as ``<caller>, <Google front end>``, so the caller is
one further left. That Hosting was in between is shown by ``x-fh-requested-host`` or
``x-forwarded-host``, which anybody can send to the function's own URL; with such a header alone
they would choose their own address. So the address which would otherwise be the caller's must also
be one of Google's own, from which no customer's machine calls. What is left is Google's own
fetchers (Apps Script), which gain nothing beyond the address limit.

An address is never kept or written: what leaves here is a keyed hash of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from shared.edge.asgi import HttpRequest

# A caller with IPv6 has at least this network to itself (RFC 6177), so single addresses mean
# nothing there.
IPV6_PREFIX = 64
# Hashes remembered, so that the next request of the same caller costs a look-up.
REMEMBERED = 16_384
# Characters of the hash that are kept: 128 bits.
HASH_LENGTH = 32
_FORWARDED = b"x-forwarded-for"
_HOSTING = (b"x-fh-requested-host", b"x-forwarded-host")
# Google's services, without what Google Cloud rents out (the TXT records _netblocks.google.com,
# _netblocks2 and _netblocks3; https://support.google.com/a/answer/10026322), and the front ends of
# its load balancers (https://cloud.google.com/load-balancing/docs/https, firewall rules).
_GOOGLE = tuple(
    ip_network(text)
    for text in (
        "35.190.247.0/24",
        "35.191.0.0/16",
        "64.233.160.0/19",
        "66.102.0.0/20",
        "66.249.64.0/19",
        "72.14.192.0/18",
        "74.125.0.0/16",
        "108.177.0.0/17",
        "130.211.0.0/22",
        "142.250.0.0/15",
        "172.217.0.0/16",
        "172.253.0.0/16",
        "173.194.0.0/16",
        "192.178.0.0/15",
        "209.85.128.0/17",
        "216.58.192.0/19",
        "216.239.32.0/19",
        "2001:4860:4000::/36",
        "2404:6800:4000::/36",
        "2607:f8b0:4000::/36",
        "2800:3f0:4000::/36",
        "2a00:1450:4000::/36",
        "2c0f:fb50:4000::/36",
    )
)


class ClientAddresses:
    """Names callers by their address. ``hops``: trusted proxies in front (0: none, the socket's
    peer counts); ``salt``: the key of the hash, the project's id."""

    __slots__ = ("_hash", "_hops", "_salt")

    def __init__(self, hops: int, salt: bytes) -> None:
        self._hops = hops
        self._salt = salt
        self._hash: Callable[[str], str] = lru_cache(REMEMBERED)(self._hashed)

    def of(self, http: HttpRequest) -> str:
        """The hash of the caller's address; empty where there is none (a Unix socket)."""
        if self._hops:
            line = http.headers.get(_FORWARDED)
            if line is not None:
                found = self._hash(self._forwarded(http, line.decode("latin-1")))
                if found:
                    return found
        peer = http.scope.get("client")
        return self._hash(str(peer[0])) if peer else ""

    def _forwarded(self, http: HttpRequest, line: str) -> str:
        hops = self._hops
        through_hosting = any(name in http.headers for name in _HOSTING)
        if hops == 1 and not through_hosting:
            return line[line.rfind(",") + 1 :]
        addresses = line.split(",")
        if len(addresses) <= hops:
            lines = [v.decode("latin-1") for k, v in http.scope["headers"] if k == _FORWARDED]
            addresses = ",".join(lines).split(",")
        # Fewer addresses than proxies: the first was written by the first of those there were.
        at = max(0, len(addresses) - hops)
        if through_hosting and at and _is_google(addresses[at]):
            at -= 1
        return addresses[at]

    def _hashed(self, text: str) -> str:
        address = normalised(text)
        if address is None:
            return ""
        return hmac.digest(self._salt, b"client address " + address.encode(), "sha256").hex()[
            :HASH_LENGTH
        ]


def normalised(text: str) -> str | None:
    """One spelling for each caller: without port, brackets and zone, IPv6 as its /64 and IPv4 in
    IPv6 as IPv4. None for what is no address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1 : text.find("]")]
    elif text.count(":") == 1:
        text = text[: text.index(":")]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address.packed, IPV6_PREFIX), strict=False))
    return str(address)


def _is_google(text: str) -> bool:
    address = normalised(text)
    if address is None:
        return False
    network = ip_network(address)
    if isinstance(network, IPv4Network):
        return any(isinstance(one, IPv4Network) and network.subnet_of(one) for one in _GOOGLE)
    return any(isinstance(one, IPv6Network) and network.subnet_of(one) for one in _GOOGLE)
