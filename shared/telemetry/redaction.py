"""Secrets never reach a log line (R18.2, R25.12, P77): known values, and all of a key's shape.

Two passes, because nearly every line is clean. ``suspicious`` looks at the finished line with plain
substring searches (about 2 us for 800 bytes); only a line that it marks is taken apart and cleaned
string by string, which cannot break the JSON around it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

import orjson

MASK = "[redacted]"
# A shorter "secret" is a word of the language; hiding it would blank out half of every line.
MIN_SECRET_LENGTH = 6
# Longer than any opaque key of the five providers; what a cut could leave of one is dropped.
_CUT_MARGIN = 512

# Header and field names whose whole value is a secret, in lower case with "_" for "-".
SENSITIVE_NAMES = frozenset(
    {
        "authorization",
        "proxy_authorization",
        "x_serverless_authorization",
        "cookie",
        "set_cookie",
        "api_key",
        "apikey",
        "x_api_key",
        "x_goog_api_key",
        "xi_api_key",
        "x_firebase_appcheck",
        "password",
        "secret",
        "access_token",
        "id_token",
        "refresh_token",
    }
)

# A line without any of these (compared in lower case) holds no key-shaped text.
# Few, because each is a search through every line: "k_" stands for gsk_, sk_ and ck_, "key" for
# all names with it, and id_token and its like are found by what follows "token".
_MARKERS = (
    *(b"k_", b"sk-", b"hf_", b"aiza", b"ya29.", b"eyj", b"earer", b"basic "),
    *(b"key", b"token=", b'token":"', b"signature=", b"password", b"secret"),
    *(b"authorization", b"cookie", b"appcheck"),
)

_SHAPES = r"""
      gsk_[A-Za-z0-9_-]{6,}                                    # Groq
    | csk-[A-Za-z0-9_-]{6,}                                    # Cerebras
    | AIza[A-Za-z0-9_-]{10,}                                   # Google
    | ya29\.[A-Za-z0-9_-]{6,}                                  # Google OAuth access token
    | (?:hf|sk|ck)_[A-Za-z0-9]{20,}[A-Za-z0-9_-]*              # Hugging Face, ElevenLabs, our own
    | (?<![A-Za-z0-9])(?:hf_|sk_|ck_|sk-)[A-Za-z0-9_-]{8,}     # the same, shorter, as a word
    | eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}            # JWT, JWE, whole or cut
    | (?i:\bbearer\s+)(?!tokens?(?:\s|$))[A-Za-z0-9._~+/=-]{4,}
    | (?i:\bbasic\s+)[A-Za-z0-9+/]{8,}={0,2}
    """
# name=value as in URLs and forms; name: value as in headers, in their quoted forms too.
_NAMED = r"""
    (?<![A-Za-z0-9])
    ( (?:key|token|signature|x-goog-signature|password|secret)=
    | (?:api[_-]?key|x-goog-api-key|xi-api-key|x-api-key|access_token|id_token|refresh_token
        |(?:proxy-|x-serverless-)?authorization|(?:set-)?cookie|x-firebase-appcheck|password|secret)
      ["']?\s*[:=]\s*b?["']?(?:bearer\s+|basic\s+)? )
    [^\s&"'<>\\,;)\]}]+
    """


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The two patterns, compiled for the first suspicious line: it costs 15-20 ms, which a cold
    start has no use for."""
    return re.compile(_SHAPES, re.VERBOSE), re.compile(_NAMED, re.VERBOSE | re.IGNORECASE)


class Redactor:
    """Replaces secrets in text by ``[redacted]``.

    ``secrets`` are known values (provider keys); those under 6 characters are left out. Beside a
    value itself its JSON-escaped, URL-quoted and ``repr`` forms are known.
    """

    __slots__ = ("_known", "_needles")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}
        forms = {form for secret in values for form in _forms(secret)}
        # Longest first, so that a key which contains another one disappears whole.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._needles = tuple(form.encode("utf-8", "surrogatepass") for form in ordered)

    def suspicious(self, line: bytes) -> bool:
        """Whether a serialised line may hold a secret. False is sure, True is not."""
        lowered = line.lower()
        # A plain loop: a generator costs as much again, and this runs for every line.
        for marker in _MARKERS:
            if marker in lowered:
                return True
        return self.holds_known(line)

    def holds_known(self, line: bytes) -> bool:
        """Whether a known secret stands in the line, in any of its forms."""
        return any(needle in line for needle in self._needles)

    def clean(self, text: str) -> str:
        """``text`` without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        shapes, named = _patterns()
        return named.sub(_mask_value, shapes.sub(MASK, text))

    def clean_bounded(self, text: str, limit: int, *, keep_end: bool = False) -> str:
        """``text`` without secrets, at most ``limit`` characters plus a mark of the cut.

        A long text is cut before it is searched, so cost is bounded too; the margin at the cut is
        dropped because half a secret there would not be recognised. ``keep_end`` keeps the end
        instead of the beginning (stack traces).
        """
        rough = 4 * limit + _CUT_MARGIN
        if len(text) > rough:
            text = self.clean(text[-rough:] if keep_end else text[:rough])
            text = text[_CUT_MARGIN:] if keep_end else text[:-_CUT_MARGIN]
        else:
            text = self.clean(text)
            if len(text) <= limit:
                return text
        return f"[cut] {text[-limit:]}" if keep_end else f"{text[:limit]} [cut]"


def sensitive_name(name: str) -> bool:
    """Whether a field or header of this name is secret as a whole."""
    return name.lower().replace("-", "_") in SENSITIVE_NAMES


def _mask_value(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}"


def _forms(secret: str) -> set[str]:
    """A secret as it is, and as it looks inside JSON (once and twice), a URL or a ``repr``."""
    forms = {secret, repr(secret)[1:-1], quote(secret, safe="", errors="replace")}
    forms.add(json.dumps(secret)[1:-1])  # with \\u escapes, as other writers of JSON have it
    try:
        escaped = orjson.dumps(secret).decode()[1:-1]
        forms |= {escaped, orjson.dumps(escaped).decode()[1:-1]}
    except TypeError:
        # Lone surrogates: such a text cannot stand in a line of JSON as it is.
        pass
    return forms
