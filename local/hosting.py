"""``firebase.json`` read as Firebase Hosting reads it: which path goes to which function.

The same table serves the deployed site and ``make run``, so an address cannot work in one and
fail in the other.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


class HostingError(Exception):
    """``firebase.json`` cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Paths that match ``source`` go to ``function`` (the Cloud Run service)."""

    source: re.Pattern[str]
    function: str
    region: str


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """Headers of pages whose path matches."""

    source: re.Pattern[str]
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Hosting:
    """The hosting section. ``public`` is the folder of the built pages."""

    public: Path
    rewrites: tuple[Rewrite, ...]
    headers: tuple[HeaderRule, ...]

    def function_for(self, path: str) -> str | None:
        """The function of the first rewrite that matches."""
        for rewrite in self.rewrites:
            if rewrite.source.fullmatch(path):
                return rewrite.function
        return None

    def headers_for(self, path: str) -> list[tuple[bytes, bytes]]:
        """Headers of a page; a later rule wins over an earlier one."""
        found: dict[bytes, bytes] = {}
        for rule in self.headers:
            if rule.source.fullmatch(path):
                found.update(rule.headers)
        return list(found.items())

    @property
    def functions(self) -> tuple[str, ...]:
        """Every function named, once."""
        return tuple(dict.fromkeys(rewrite.function for rewrite in self.rewrites))


def read_hosting(root: Path) -> Hosting:
    """The hosting section of ``root/firebase.json``. Raises ``HostingError``."""
    try:
        section = json.loads((root / "firebase.json").read_text(encoding="utf-8"))["hosting"]
        rewrites = tuple(
            Rewrite(glob(item["source"]), item["run"]["serviceId"], item["run"]["region"])
            for item in section.get("rewrites", [])
        )
        headers = tuple(
            HeaderRule(
                glob(item["source"]),
                tuple((h["key"].lower().encode(), h["value"].encode()) for h in item["headers"]),
            )
            for item in section.get("headers", [])
        )
        return Hosting(root / section["public"], rewrites, headers)
    except OSError as error:
        raise HostingError(f"firebase.json cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise HostingError(f"firebase.json is not JSON: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise HostingError(f"firebase.json: hosting lacks or misuses {error}") from None


def glob(source: str) -> re.Pattern[str]:
    """Hosting's globs: ``**`` is anything, ``*`` anything within one segment."""
    parts = re.split(r"(\*\*|\*)", source)
    meanings = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts), re.DOTALL)
