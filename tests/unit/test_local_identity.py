"""Dev tokens, and that nothing but them is taken here."""

from __future__ import annotations

import pytest

from local.dev_identity import DevAuthenticator
from shared.edge.identity import Identity
from shared.errors import Unauthenticated


class Real:
    """Refuses everything and remembers it."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def authenticate(self, authorization: str | None) -> Identity:
        self.asked.append(authorization)
        raise Unauthenticated("no")


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        ("Bearer dev-alice", Identity("alice")),
        ("bearer dev-a.b_c@d-1", Identity("a.b_c@d-1")),
        ("Bearer dev-admin", Identity("admin", admin=True)),
        ("Bearer dev-administrator", Identity("administrator")),
    ],
)
async def test_a_dev_token_is_its_user(header: str, identity: Identity) -> None:
    real = Real()
    assert await DevAuthenticator(real).authenticate(header) == identity
    assert real.asked == []


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer ",
        "Bearer dev-",
        "Bearer dev-a b",
        "Bearer dev-ä",
        f"Bearer dev-{'a' * 129}",
        "Basic dev-alice",
        "dev-alice",
        "Bearer xdev-alice",
    ],
)
async def test_everything_else_is_for_the_real_one(header: str | None) -> None:
    real = Real()
    with pytest.raises(Unauthenticated):
        await DevAuthenticator(real).authenticate(header)
    assert real.asked == [header]
