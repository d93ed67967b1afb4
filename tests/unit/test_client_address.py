"""Whose address a request counts for."""

from __future__ import annotations

import pytest
from starlette.types import Message

from shared.edge.asgi import HttpRequest
from shared.edge.client_address import ClientAddresses, normalised

SALT = b"demo-project"
GOOGLE = "64.233.172.5"
HOSTING = {"x-fh-requested-host": "demo.web.app", "x-forwarded-host": "demo.web.app"}


async def _nothing() -> Message:
    raise AssertionError("nobody reads the body")


def request(
    forwarded: str | list[str] | None, peer: str | None = "10.0.0.1", **headers: str
) -> HttpRequest:
    """A call with these header lines."""
    lines = [forwarded] if isinstance(forwarded, str) else forwarded or []
    sent = [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]
    sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HttpRequest(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": sent,
            "client": None if peer is None else (peer, 1),
        },
        _nothing,
    )


def name(address: str) -> str:
    """What a caller with that address is called."""
    return ClientAddresses(0, SALT).of(request(None, address))


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        (1, "1.1.1.1,203.0.113.7 ", "203.0.113.7"),
        (1, ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (2, "1.1.1.1, 203.0.113.7, 198.51.100.1", "203.0.113.7"),
        (2, ["1.1.1.1, 203.0.113.7", "198.51.100.1"], "203.0.113.7"),
        (2, "203.0.113.7", "203.0.113.7"),
        (0, "1.1.1.1", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "1.1.1.1, unknown", "10.0.0.1"),
        (1, "1.1.1.1, ", "10.0.0.1"),
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "[2001:db8::1]:4711", "2001:db8::2"),
        (1, "2001:db8::1", "2001:db8:0:0:ffff::9"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_address_counted_from_the_right(
    hops: int, forwarded: str | list[str] | None, address: str
) -> None:
    assert ClientAddresses(hops, SALT).of(request(forwarded)) == name(address)


def test_through_hosting_it_is_one_further_left() -> None:
    addresses = ClientAddresses(1, SALT)
    through = f"203.0.113.7,{GOOGLE}"
    for header, value in HOSTING.items():
        found = addresses.of(request(through, **{header: value}))
        assert found == name("203.0.113.7")
    assert addresses.of(request(f"9.9.9.9, {through}", **HOSTING)) == name("203.0.113.7")
    two = ClientAddresses(2, SALT)
    assert two.of(request(f"{through}, 10.1.1.1", **HOSTING)) == name("203.0.113.7")


def test_nobody_chooses_an_address_at_the_functions_own_url() -> None:
    """The headers of Hosting are worth nothing unless Google's own machine was the caller."""
    addresses = ClientAddresses(1, SALT)
    for made_up in ("1.1.1.1", GOOGLE, f"1.1.1.1, {GOOGLE}"):
        found = addresses.of(request(f"{made_up}, 203.0.113.7", **HOSTING))
        assert found == name("203.0.113.7")
    # A machine rented in Google's cloud is none of these.
    found = addresses.of(request("1.1.1.1, 34.68.1.1", **HOSTING))
    assert found == name("34.68.1.1")
    # Hosting alone in the header: there is nothing further left.
    assert addresses.of(request(GOOGLE, **HOSTING)) == name(GOOGLE)


def test_an_address_is_never_written_in_clear() -> None:
    found = name("203.0.113.7")
    assert "203" not in found or "113" not in found
    assert len(found) == 32
    assert found != ClientAddresses(0, b"other").of(request(None, "203.0.113.7"))
    assert name("203.0.113.8") != found


def test_without_any_address_there_is_none() -> None:
    assert ClientAddresses(1, SALT).of(request(None, None)) == ""
    assert ClientAddresses(1, SALT).of(request("garbage", None)) == ""
    assert ClientAddresses(0, SALT).of(request(None, "testclient")) == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (' "203.0.113.7" ', "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[2001:DB8::1]", "2001:db8::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("203.0.113", None),
        ("[", None),
        ("[]:80", None),
        (":", None),
        ("\xff" * 50, None),
        ("1" * 100_000, None),
        ("203.0.113.07", None),
    ],
)
def test_one_spelling_for_each_caller(text: str, address: str | None) -> None:
    assert normalised(text) == address
