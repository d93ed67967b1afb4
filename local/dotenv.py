"""The ``.env`` file: a line each ``NAME=value``, with quotes, comments and ``export`` allowed."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class DotenvError(Exception):
    """The file is wrong; ``problems`` has a line for each, with its line number."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of the file at ``path``; empty where there is none.

    Raises ``DotenvError`` with every problem. Values are never part of a problem's text: most of
    them are keys.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DotenvError([f"{path.name} line {line}: not UTF-8 text"]) from None
    except OSError as error:
        raise DotenvError([f"{path.name}: cannot be read: {error.strerror}"]) from None
    return parse_dotenv(text, path.name)


def parse_dotenv(text: str, name: str = ".env") -> dict[str, str]:
    """The variables of ``text``; a later line wins. Raises ``DotenvError`` with every problem.

    Unquoted values end at `` #``. Single quotes take everything as it stands, double quotes know
    ``\\n``, ``\\t``, ``\\"`` and ``\\\\``. Nothing is expanded.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            key, value = _assignment(line)
        except ValueError as error:
            problems.append(f"{name} line {number}: {error}")
            continue
        found[key] = value
    if problems:
        raise DotenvError(problems)
    return found


def _assignment(line: str) -> tuple[str, str]:
    if line.startswith(("export ", "export\t")):
        line = line[len("export") :].lstrip()
    key, equals, rest = line.partition("=")
    key = key.rstrip()
    if not equals:
        raise ValueError("expected NAME=value, found no '='")
    if not _NAME.match(key):
        raise ValueError("the name before '=' may have letters, digits and _ only, no digit first")
    rest = rest.strip()
    if rest[:1] in ("'", '"'):
        return key, _quoted(rest)
    if "\0" in rest:
        raise ValueError("the value has a NUL character")
    return key, re.split(r"(?:^|\s)#", rest, maxsplit=1)[0].rstrip()


def _quoted(rest: str) -> str:
    quote, value, at = rest[0], [], 1
    while at < len(rest) and rest[at] != quote:
        if quote == '"' and rest[at] == "\\":
            at += 1
            if at == len(rest):
                break
            value.append(_ESCAPES.get(rest[at], "\\" + rest[at]))
        else:
            value.append(rest[at])
        at += 1
    if at >= len(rest):
        raise ValueError(f"the value has an opening {quote} and no closing one")
    after = rest[at + 1 :].strip()
    if after and not after.startswith("#"):
        raise ValueError(f"there is text behind the closing {quote}")
    return "".join(value)
