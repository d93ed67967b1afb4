"""P76 and P77 at the door: any Authorization header gives an identity or one of two sentences."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.edge.app_check import REFUSED, Attested
from shared.edge.certificates import CertificateSource
from shared.edge.firebase_tokens import FirebaseAuthenticator
from shared.edge.identity import MISSING, REJECTED, Identity
from shared.errors import CodeexError, Unauthenticated
from tests.support.app_check_world import app_check
from tests.support.tokens import (
    PROJECT,
    FakeCertificates,
    app_claims,
    base64url,
    encode,
    good_claims,
    sign,
)
from tests.support.virtual_time import ManualClock

BOUNDED = settings(deadline=2000, max_examples=200)
SIGNED = sign(good_claims())

any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
header_text = st.text(st.characters(max_codepoint=255), max_size=200)


def ask(header: str, *, emulator: bool) -> Identity | CodeexError:
    """What the door says; anything but an identity or a ``CodeexError`` fails the test."""
    clock = ManualClock()
    authenticator = FirebaseAuthenticator(
        PROJECT,
        CertificateSource(FakeCertificates("key-1"), clock),
        clock,
        emulator=emulator,
        allow_anonymous=True,
    )
    try:
        return asyncio.run(authenticator.authenticate(header))
    except CodeexError as error:
        return error


def assert_refused(answer: Identity | CodeexError) -> None:
    assert isinstance(answer, Unauthenticated)
    assert answer.message in (MISSING, REJECTED)
    assert answer.details == {}
    assert answer.param is None


@BOUNDED
@given(header_text, st.booleans())
def test_p76_any_authorization_header(text: str, emulator: bool) -> None:
    assert_refused(ask(text, emulator=emulator))
    assert_refused(ask("Bearer " + text, emulator=emulator))


@BOUNDED
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60), st.booleans())
def test_p76_any_bytes_in_the_parts_of_a_token(
    head: bytes, payload: bytes, signature: bytes, emulator: bool
) -> None:
    token = ".".join(map(base64url, (head, payload, signature)))
    assert_refused(ask(f"Bearer {token}", emulator=emulator))


@BOUNDED
@given(st.sampled_from(sorted(good_claims())), any_json)
def test_p76_any_value_in_any_claim(name: str, value: object) -> None:
    claims = {**good_claims(), name: value}
    token = f"{encode({'alg': 'none'})}.{base64url(json.dumps(claims).encode())}."
    answer = ask(f"Bearer {token}", emulator=True)
    if isinstance(answer, CodeexError):
        assert_refused(answer)
    else:
        assert answer.uid == claims["sub"]
    assert_refused(ask(f"Bearer {token}", emulator=False))


@BOUNDED
@given(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x5u"]), any_json)
def test_p76_any_value_in_the_header_of_a_token(name: str, value: object) -> None:
    _, payload, signature = SIGNED.split(".")
    head = {"alg": "RS256", "kid": "key-1", "typ": "JWT", name: value}
    answer = ask(f"Bearer {encode(head)}.{payload}.{signature}", emulator=False)
    if head != {"alg": "RS256", "kid": "key-1", "typ": "JWT"}:
        assert_refused(answer)


@BOUNDED
@given(st.integers(0, len(SIGNED) - 1), st.sampled_from("ABab01_-.+/= \x00"))
def test_p77_one_changed_character_is_refused_without_an_echo(at: int, put: str) -> None:
    changed = SIGNED[:at] + put + SIGNED[at + 1 :]
    answer = ask(f"Bearer {changed}", emulator=False)
    if isinstance(answer, CodeexError):
        assert_refused(answer)
        assert changed not in answer.message
    else:
        # The last character of base64 has bits that stand for nothing.
        assert changed == SIGNED or at == len(SIGNED) - 1


# ---------------------------------------------------------------------------------- App Check

APP_TOKEN = sign(app_claims(), "app-1")


def attest(token: str) -> Attested | CodeexError:
    """What App Check says of a token."""
    try:
        return asyncio.run(app_check(ManualClock()).verify(token))
    except CodeexError as error:
        return error


def assert_not_attested(answer: Attested | CodeexError) -> None:
    assert isinstance(answer, Unauthenticated)
    assert answer.message == REFUSED


@BOUNDED
@given(header_text)
def test_p76_any_app_check_header(text: str) -> None:
    assert_not_attested(attest(text))


@BOUNDED
@given(any_json, any_json)
def test_p76_any_json_signed_or_not_in_an_app_check_token(header: object, claims: object) -> None:
    assert_not_attested(attest(f"{encode(header)}.{encode(claims)}.AAAA"))
    assert_not_attested(attest(sign(claims, "app-1")))


@BOUNDED
@given(st.dictionaries(st.sampled_from(["iss", "aud", "sub", "iat", "exp"]), any_json, min_size=1))
def test_p76_any_change_of_an_app_check_tokens_claims(changes: dict[str, object]) -> None:
    answer = attest(sign({**app_claims(), **changes}, "app-1"))
    assert isinstance(answer, Attested | Unauthenticated)


@BOUNDED
@given(st.integers(0, len(APP_TOKEN) - 2), st.characters(min_codepoint=33, max_codepoint=126))
def test_p76_an_app_check_token_with_one_character_changed(at: int, other: str) -> None:
    """All but the last one, four bits of which stand for nothing."""
    token = APP_TOKEN[:at] + other + APP_TOKEN[at + 1 :]
    if token != APP_TOKEN:
        assert_not_attested(attest(token))
