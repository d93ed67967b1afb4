"""The forms of an injection beside its words: forged turns, beacons, hidden text and ciphers."""

from __future__ import annotations

import base64
import binascii
import codecs
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from shared.safety.injection_words import STOP, lexicon, mixes_scripts

# A form: its name, what a text without it has none of (a single sign, asked first because that is
# the fastest search of all; and one of a few words), whether case matters not, the pattern.
_FORMS: tuple[tuple[str, str, tuple[str, ...], bool, str], ...] = (
    (
        "marker",
        "<[",
        ("<|", "INST]", "<<", "_of_turn>", "[SYSTEM"),
        False,
        r"<\|[a-z_]{3,20}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\[/?SYSTEM[^\]\n]{0,30}\]",
    ),
    (
        "marked_turn",
        "<[",
        ("<|", "INST]", "<<", "_of_turn>", "[system]"),
        False,
        r"<\|[a-z_]{3,20}\|>\s{0,3}(?:system|user|assistant|developer)\b"
        r"|\[INST\][^\[]{10,400}\[/INST\]|\[/INST\][^\[]{1,400}\[INST\]|<</?SYS>>[^<]{5,400}"
        r"|<\|(?:system|im_start|im_end)\|>\s{0,3}\w|\[system\]\s{0,2}\(|<start_of_turn>\s{0,2}\w",
    ),
    (
        "closed_tag",
        "<",
        ("</",),
        True,
        r"</(?:system|user|data|document|context|instructions?|input|query|untrusted|email|text"
        r"|prompt|article|message)[^>\n]{0,20}>\s{0,5}"
        r"(?:<|\w+\s{0,3}:|ignore|now\b|new\b|the\b|you\b)",
    ),
    (
        "system_tag",
        "<",
        ("<",),
        True,
        r"<(?:system|admin|instructions?|important|information|override)[^>\n]{0,30}>",
    ),
    (
        "system_turn",
        ":]",
        ("ystem", "YSTEM", "eveloper", "dmin"),
        True,
        r"(?:^|\n|[.!?>)\]\"'](?:\s|\\n))\s{0,5}#{0,6}\s{0,2}[*_\[]{0,2}"
        r"(?:system|developer|admin(?:istrator)?)"
        r"(?:[ _-](?:message|prompt|update|note|notice|override|level|instructions?|command))?"
        r"[*_]{0,2}\s{0,2}[:\]]",
    ),
    (
        "assistant_turn",
        ":",
        ("ssistant:", "SSISTANT:", "AI:", "Bot:", "GPT:"),
        True,
        r"(?:^|\n|[.!?]\s)\s{0,5}#{0,6}\s{0,2}(?:assistant|ai|bot|chatgpt):\s",
    ),
    (
        "user_turn",
        ":",
        ("ser:", "uman:", "SER:", "UMAN:"),
        True,
        r"(?:^|\n|[.!?]\s)\s{0,5}#{0,6}\s{0,2}(?:user|human):\s",
    ),
    (
        "json_role",
        ":",
        ("role",),
        False,
        r"[\"']role[\"']\s{0,3}:\s{0,3}[\"'](?:system|developer)[\"']",
    ),
    (
        "fence",
        '-=#*~"dD',
        ("---", "===", "###", "***", "~~~", '"""', "nd of", "END OF", "ND of"),
        True,
        r"(?:={3,}|-{3,}|#{3,}|\*{3,}|~{3,}|\"{3,})\s{0,3}(?:end|begin|start|new|stop|finish)\b"
        r"|\bend of (?:the )?(?:text|prompt|context|document|input|instructions|user|data|file"
        r"|message)",
    ),
    (
        "concealed",
        "<:",
        ("<!--", "display", "font-size", "color", "visibility", "opacity"),
        True,
        r"<!--|display\s?:\s?none|font-size\s?:\s?0|color\s?:\s?(?:white|#fff)"
        r"|visibility\s?:\s?hidden|opacity\s?:\s?0",
    ),
    (
        "beacon",
        "!<",
        ("![", "<img"),
        False,
        r"!\[[^\]\n]{0,80}\]\(\s{0,3}https?://[^)\s]{0,300}[?&/=](?:[^)\s]{0,80}"
        r"(?:[{<\[$]|SECRET|TOKEN|DATA|HISTORY|KEY|PASSWORD|CONTENT)|\s{0,2}\)|$)"
        r"|<img[^>\n]{0,200}[?&][a-z]{1,12}=[^>\n]{0,60}[{<\[$]",
    ),
    (
        "reads_prompt",
        "$/(",
        ("rompt", "ROMPT"),
        False,
        r"(?:echo|cat|print|printenv|log)\W{1,3}(?:/etc/)?[$\w/.]{0,20}(?:[sS]ystem|SYSTEM)_?"
        r"(?:[pP]rompt|PROMPT)",
    ),
    (
        "code",  # speaks for an ordinary request
        "(={;",
        ("def ", "class ", "function", "const ", "let ", "var ", "import ", "public ", "SELECT "),
        False,
        r"(?:^|\n|[`:]\s?)\s{0,20}(?:def|class|function|const|let|var|import|public|SELECT)\b"
        r"[^\n]{0,200}[(){};=]",
    ),
    (
        "tool_call",
        "|/",
        ("rm -rf", "curl ", "wget "),
        False,
        r"\brm -rf [/~]|\b(?:curl|wget) [^\n|]{0,20}https?://[^\s|]{1,200}\s{0,3}\|\s{0,3}(?:ba)?sh",
    ),
)

_TAGS = re.compile(r"[\U000e0020-\U000e007e]{4,}")
_FLAG = re.compile(r"\U0001f3f4[\U000e0020-\U000e007f]{1,8}")
_BROKEN_WORD = re.compile(r"[A-Za-z][\u200b-\u200d\u2060-\u2064\ufeff\u180e]+[A-Za-z]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u180e\ufe00-\ufe0f]")
_INVISIBLE_RUN = re.compile(_INVISIBLE.pattern + "{2,}")
_BLANKS = re.compile(r"[^\S\n]{3,}")
_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_SAME = re.compile(r"([^A-Za-z0-9\s])\1{8,}")
_SIGN = "[^\\w\U000e0000-\U000e007f]"
_SIGNS = re.compile(f"(?<!{_SIGN})(?<!_)(?:{_SIGN}|_){{60,}}")
# The same for ASCII, four times quicker: letters, which most of a text is, are passed over at once.
_ASCII_BLANKS = re.compile(r"[ \t\r\f\v\x1c-\x1f]{3,}")
_ASCII_SIGNS = re.compile(r"[^A-Za-z0-9](?<![^A-Za-z0-9][^A-Za-z0-9])[^A-Za-z0-9]{59,}")
_TURNED = re.compile(r"[\u202d\u202e]")

_LONG_WORD = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/_-]{20,4000}={0,2}")
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ :,]){8,2000}[0-9A-Fa-f]{2}(?![0-9A-Za-z])"
)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}){5}|&#x?\d{2,3};(?:&#x?\d{2,3};){3}")
_SPACED = re.compile(r"(?<!\w)(?:[A-Za-z0-9][ .\-_*|,]{1,3}){6,400}[A-Za-z0-9](?!\w)")
_LEET_WORD = re.compile(
    r"(?<!\w)(?=[A-Za-z0-9@$!]{0,20}[A-Za-z])(?=[A-Za-z@$!]{0,20}[0-9@$])[A-Za-z0-9@$!]{3,20}(?!\w)"
)
_LEET = str.maketrans("013457@$!8", "oieastasib")
_LEET_L = str.maketrans("013457@$!8", "oleastasib")
_LEAST_SPACED, _LEAST_LEET = 7, 2  # words of one or two letters; words with digits in them
_CUT = 300  # letters: a shorter word stands whole in one of two slices
_LONG = 14  # letters in a row: base64 has more between its signs, a word seldom
_DIGITS = frozenset("0123456789")
_DIGIT_IN_WORD = re.compile(r"[0-9](?:[A-Za-z]|(?<=[A-Za-z][0-9]))")
_READABLE = re.compile(r"[\w\s.,:;!?'\"()/-]*")


def forms(text: str) -> list[str]:
    """The names of the forms that ``text`` has."""
    found: list[str] = []
    for place, (name, signs, leads, _, _) in enumerate(_FORMS):
        for sign in signs:
            if sign in text:
                break
        else:
            continue
        for lead in leads:
            if lead in text:
                if _pattern(place).search(text):
                    found.append(name)
                break
    if not text.isascii():
        if mixes_scripts(text):
            found.append("mixed_scripts")
        if len(_BROKEN_WORD.findall(text)) >= 2:
            found.append("broken_words")
        if _TURNED.search(text):
            found.append("turned")
    return found


@functools.cache
def _pattern(place: int) -> re.Pattern[str]:
    """The pattern of one form, compiled for the first text that may have it."""
    _, _, _, caseless, source = _FORMS[place]
    return re.compile(source, re.IGNORECASE if caseless else re.NOFLAG)


def visible(text: str) -> str:
    """``text`` without invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def squeezed(text: str) -> str:
    """``text`` without what only fills it: of invisible characters in a row one is left, of blanks
    and empty lines two, of one sign eight, of mixed signs forty. Tag characters stay."""
    plain = text.isascii()
    if not plain:
        text = _INVISIBLE_RUN.sub(lambda run: run[0][0], text)
    text = (_ASCII_BLANKS if plain else _BLANKS).sub("  ", text)
    text = _LINES.sub("\n\n", text)
    text = _SAME.sub(lambda run: run[0][:8], text)
    signs = _ASCII_SIGNS if plain else _SIGNS
    return signs.sub(lambda run: run[0][:20] + run[0][-20:], text)


def hidden_texts(text: str, words: list[str]) -> Iterator[tuple[str, str]]:
    """(how it was hidden, the text) of what stands in a slice, ``text``, in another form."""
    if not text.isascii():
        for match in _TAGS.finditer(_FLAG.sub("", text)):
            yield "tags", "".join(chr(ord(sign) - 0xE0000) for sign in match[0])
    lengths = list(map(len, words))
    if max(lengths, default=0) >= _LONG:
        yield from _decoded(_LONG_WORD.finditer(text), _from_blob)
    if ("%" in text or "&#" in text) and _PERCENT.search(text):
        from html import unescape

        yield "cipher", unescape(unquote(text))
    known = lexicon()
    if not known.disguised.isdisjoint(words):
        if len(known.rotated.intersection(words)) >= 2:
            yield "cipher", codecs.encode(text, "rot13")
        if len(known.backwards.intersection(words)) >= 2:
            yield "cipher", text[::-1]
    odd = _mixed_words(words) if _DIGIT_IN_WORD.search(text) else []
    if len(odd) >= _LEAST_SPACED:
        yield from _decoded(_HEX.finditer(text), _from_hex)
    if _single_letters(words, lengths) >= _LEAST_SPACED or (
        words.count(STOP) >= _LEAST_SPACED and words.count(STOP) * 2 + 1 >= len(words)
    ):
        yield from _respaced(text)
    if len(odd) >= _LEAST_LEET:
        leet = _LEET_WORD.findall(text)
        if len(leet) >= _LEAST_LEET:
            yield "leet", _LEET_WORD.sub(lambda match: _unleet(match[0]), text)


def _decoded(
    blobs: Iterable[re.Match[str]], read: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """What blobs say, as one text: many that say nothing must not hide one that does."""
    said = [text for text in [read(blob[0]) for blob in blobs] if text]
    if said:
        yield "cipher", "\n".join(said)


def _single_letters(words: list[str], lengths: list[int]) -> int:
    """How many words are one letter, "a" aside; digits count only where there are few of them."""
    singles = lengths.count(1) - words.count(STOP) - words.count("a")
    if singles < _LEAST_SPACED:
        return singles
    digits = sum(map(_DIGITS.__contains__, words))
    return singles - digits if digits * 2 > singles else singles


def _mixed_words(words: list[str]) -> list[str]:
    """The words of letters and digits."""
    return [word for word in words if not word.isalpha() and not word.isdigit() and word != STOP]


def _respaced(text: str) -> Iterator[tuple[str, str]]:
    """Spaced letters as they are read."""
    if _SPACED.search(text):
        yield "spaced", _SPACED.sub(lambda match: f" {_joined(match[0])} ", text)


def _joined(text: str) -> str:
    """Spaced letters put together, cut into known words where nothing shows their borders."""
    parts = re.split(r"[ .\-_*|,]{2,}", text)
    words = [re.sub(r"[ .\-_*|,]", "", part) for part in parts]
    return " ".join(_cut(word.lower()) if len(word) > 12 else word for word in words)


def _cut(letters: str) -> str:
    known = lexicon()
    out: list[str] = []
    here = 0
    while here < len(letters):
        for size in range(14, 1, -1):
            word = letters[here : here + size]
            if len(word) == size and (
                word in known.words or (size > 6 and word[:6] in known.stems)
            ):
                break
        else:
            size = 1
        out.append(letters[here : here + size])
        here += size
    return " ".join(out)


def _unleet(word: str) -> str:
    known = lexicon()
    lower = word.lower()
    with_l = lower.translate(_LEET_L)
    if with_l in known.words or with_l[:6] in known.stems:
        return with_l
    return lower.translate(_LEET)


def _from_blob(blob: str) -> str:
    """A long word read as base64 or hex; where a slice cut it, its four signs begin anywhere."""
    for skip in range(4 if len(blob) > _CUT else 1):
        decoded = _from_base64(blob[skip:])
        if decoded:
            return decoded
    return _from_hex(blob)


def _from_base64(blob: str) -> str:
    plain = blob.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        return _readable(raw.decode("utf-8"))
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _from_hex(blob: str) -> str:
    digits = re.sub(r"0x|\\x|[ :,]", "", blob)
    try:
        return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8"))
    except (ValueError, UnicodeDecodeError):
        return ""


def _readable(text: str) -> str:
    return text if len(text) >= 6 and _READABLE.fullmatch(text) and " " in text else ""
