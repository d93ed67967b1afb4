"""Keys, tokens and passwords in a text: by their issuer's shape, or by the name before them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from shared.safety.personal_common import HAS_DIGIT, Finding
from shared.safety.personal_rules import CONTEXT, rules

PASSWORD = ("assw", "ASSW", "pwd", "PWD", "assphrase", "contrase", "de passe", "senha", "Senha")
_DIGIT_RUN = re.compile(r"[0-9]+")
_BEARER = re.compile(r"(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{16,}={0,2}")
_VALUE = re.compile(r"""(?<![A-Za-z0-9_])[A-Za-z0-9_~+/=.\-!@#$%^&*]{8,200}""")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_~+/.\-]+={0,2}")
_SET = re.compile(r"""["'`]?\s{0,2}(?:(?:is|to)\b|[:=]>?)\s{0,2}["'`]?$""")
_LOGIN = re.compile(r"://(?P<user>[^\s:/@]{1,64}):(?!(?P=user)@)(?P<word>[^\s@/:]{3,128})@")
_STAND_IN = re.compile(
    r"your|example|placeholder|xxxx|\*\*\*|\.\.\.|changeme|<|\$\{|process\.|environ|getenv|secret$"
    r"|^pass(?:word|wd)?$|^user|here$|^my[-_]|dummy|sample|config\.|self\.|null|true|false",
    re.IGNORECASE,
)
_BLANKED = re.compile(r"your|xxxx|\.\.\.|placeholder", re.IGNORECASE)


def secrets(text: str, start: int, end: int) -> Iterator[Finding]:
    """Keys by shape, what follows Bearer, the password in a URL, values under a telling name."""
    for match in rules().secret.finditer(text, start, end):
        if HAS_DIGIT.search(match[0]) and not _BLANKED.search(match[0]):
            yield Finding("SECRET", *match.span())
    for match in _BEARER.finditer(text, start, end):
        if _mixed(match[0]):
            yield Finding("SECRET", *match.span())
    for match in _LOGIN.finditer(text, start, end):
        if not _STAND_IN.search(match["word"]):
            yield Finding("SECRET", *match.span("word"))
    for match in _VALUE.finditer(text, start, end):
        before = text[max(0, match.start() - CONTEXT) : match.start()]
        said = _SET.search(before)
        # key=value is one word to the pattern: the value is what follows the sign.
        whole, at = match[0], match.start()
        sign = whole.find("=")
        if said is None and 0 < sign < len(whole) - 8:
            before, at = whole[:sign], at + sign + 1
            whole = whole[sign + 1 :]
        elif said is None:
            continue
        else:
            before = before[: said.start()]
        if _valued(before, whole):
            yield Finding("SECRET", at, match.end())


def _valued(before: str, value: str) -> bool:
    """Whether a value is a secret, by the name before it and by what it looks like."""
    if _STAND_IN.search(value):
        return False
    tail = before[-28:]
    if any(word in tail for word in PASSWORD):
        kinds = (str.isupper, str.islower, str.isdigit)
        marks = sum(any(map(kind, value)) for kind in kinds) + (not value.isalnum())
        return marks >= 3 or (marks >= 2 and any(map(str.isdigit, value)))
    plain = len(value) >= 16 and _PLAIN_VALUE.fullmatch(value) is not None
    return plain and bool(rules().secret_words.search(tail)) and _mixed(value)


def _mixed(value: str) -> bool:
    """Whether a string looks made by chance: letters and digits, 3 bits a character or more."""
    return _STAND_IN.search(value) is None and _by_chance(value)


def _by_chance(value: str) -> bool:
    """Letters with digits strewn among them, as names and paths seldom have."""
    runs = len(_DIGIT_RUN.findall(value))
    if runs == 0 or (runs < 3 and (len(value) < 20 or "." in value or "/" in value)):
        return False
    counts = Counter(value).values()
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return bits >= 3.0
