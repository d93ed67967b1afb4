"""P77 for logs: no secret of the environment and no token of a request is in any line."""

import io
import json
import logging
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.messages import Attempt, JsonValue
from shared.telemetry import JsonLog, RequestRecord, bridge_logging
from shared.telemetry.redaction import MIN_SECRET_LENGTH
from tests.support.virtual_time import ManualClock

_KEY_SIGNS = string.ascii_letters + string.digits
_URL_SAFE = st.text(_KEY_SIGNS + "-_", min_size=24, max_size=60)
# What the log writes of its own accord; a "secret" that is part of it is a word, no secret.
_FRAME = (
    '{"severity":"WARNING","time":"2026-11-23T12:00:00Z","message":"event withheld: it held a '
    'secret"} {"severity":"ERROR" "cut":true} [redacted]'
)

# A provider's key as the settings take it, and any other text an operator might set as a secret.
known_secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=126), min_size=MIN_SECRET_LENGTH, max_size=60
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET_LENGTH, max_size=30)
plain_keys = st.text(_KEY_SIGNS, min_size=20, max_size=60)
tokens = st.one_of(
    st.builds("gsk_{}".format, plain_keys),
    st.builds("csk-{}".format, plain_keys),
    st.builds("hf_{}".format, plain_keys),
    st.builds("sk_{}".format, plain_keys),
    st.builds("ck_{}".format, plain_keys),
    st.builds("AIza{}".format, _URL_SAFE),
    st.builds("eyJ{}.eyJ{}.{}".format, _URL_SAFE, _URL_SAFE, _URL_SAFE),
)
texts = st.text(max_size=30)
shapes = st.recursive(
    st.just("{}"),
    lambda below: st.one_of(
        st.lists(below, min_size=1, max_size=3),
        st.dictionaries(texts, below, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


def fill(shape: object, leaf: str) -> JsonValue:
    """The shape with ``leaf`` at every end."""
    if isinstance(shape, list):
        return [fill(below, leaf) for below in shape]
    if isinstance(shape, dict):
        return {str(name): fill(below, leaf) for name, below in shape.items()}
    return leaf


def write_everywhere(log: JsonLog, secret: str, before: str, after: str, shape: object) -> None:
    """The secret in every place a caller could put it."""
    text = f"{before}{secret}{after}"
    log.warning(text, {"field": fill(shape, text), text: 1})
    try:
        try:
            raise ValueError(text)
        except ValueError as cause:
            raise RuntimeError(f"failed: {text}") from cause
    except RuntimeError as error:
        log.error("failed", {"a": [{"b": secret}]}, error)
    log.request(
        RequestRecord(
            text,
            "chat",
            f"/v1/models?key={text}",
            502,
            routing_reason=text,
            chain=[text],
            attempts=[Attempt(text, text, text, 1)],
            warnings=[text],
            timings_ms={text: text},
        )
    )
    manager = logging.Manager(logging.RootLogger(logging.WARNING))
    bridge_logging(log, "DEBUG", manager)
    manager.getLogger("aiohttp.client").warning("headers %r", {"x": text})


def written(stream: io.BytesIO) -> str:
    """The lines, each of which must still be JSON with a severity."""
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    for line in lines:
        assert json.loads(line)["severity"] in ("WARNING", "ERROR")
    return stream.getvalue().decode()


@given(known_secrets, texts, texts, shapes)
def test_p77_a_known_secret_is_in_no_log_line(
    secret: str, before: str, after: str, shape: object
) -> None:
    assume(secret not in _FRAME)
    stream = io.BytesIO()
    write_everywhere(
        JsonLog(stream, ManualClock(), "DEBUG", [secret]), secret, before, after, shape
    )
    assert secret not in written(stream)


@given(tokens, texts, texts, shapes)
def test_p77_a_token_of_any_shape_is_in_no_log_line(
    token: str, before: str, after: str, shape: object
) -> None:
    stream = io.BytesIO()
    write_everywhere(JsonLog(stream, ManualClock(), "DEBUG"), token, before, after, shape)
    assert token not in written(stream)


@given(st.text(string.printable.strip().replace("\\", ""), min_size=6, max_size=40), shapes)
def test_p77_an_opaque_bearer_token_is_in_no_log_line(token: str, shape: object) -> None:
    token = "".join(sign for sign in token if sign.isalnum() or sign in "-._~+/") or "opaque"
    assume(len(token) >= 6 and token not in ("bearer", "tokens", "headers"))
    assume(f"Bearer {token}" not in _FRAME)
    stream = io.BytesIO()
    write_everywhere(JsonLog(stream, ManualClock(), "DEBUG"), f"Bearer {token}", "", "", shape)
    assert f"Bearer {token}" not in written(stream)
