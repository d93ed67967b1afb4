"""Security rules as files: every collection is decided on, lists are the code's, media is closed.

What they allow is asked of the emulator (tests/rules, tests/e2e/test_rules.py). Storage's rules
have no emulator that runs without a download, so theirs are read.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from msgspec import structs

from infra.package import ROOT
from shared.accounts.preferences import (
    LANGUAGE,
    MAX_LANGUAGE_CHARS,
    MAX_PROVIDERS,
    NAMES,
    WISHES,
    Preferences,
)
from shared.edge.parse_options import parse_options
from shared.messages import JsonObject
from shared.settings import PROVIDERS
from shared.storage.sqlite_backend import expiring_collections
from tests.support.collections import collections_in_code, decided_collections

RULES = (ROOT / "firestore.rules").read_text(encoding="utf-8")


def without_comments(text: str) -> str:
    return re.sub(r"//.*", "", text)


def listed(text: str) -> list[str]:
    """The texts of a list of the rules' language."""
    return re.findall(r"'([^']+)'", text)


def test_every_collection_of_the_code_is_decided_on() -> None:
    """A new one needs a line in tests/rules/decisions.json, and a rule where a client reads it."""
    found = collections_in_code()
    assert {"users/{}/jobs", "quotas", "config/{}/history", "*/steps"} <= found
    assert found <= decided_collections()


def test_every_expiring_collection_is_decided_on() -> None:
    assert {f"*/{name}" for name in expiring_collections()} <= decided_collections()


def test_a_new_collection_is_found(tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "new.py").write_text(
        'COLLECTION = "things"\nPATH = f"{COLLECTION}/newest"\n'
        'def path(uid, name):\n    return f"users/{uid}/secrets/{name}"\n'
        'def part(thing):\n    return f"{thing.path}/parts/{thing.part}{thing.half}"\n',
        encoding="utf-8",
    )
    found = collections_in_code(tmp_path)
    assert found == {"things", "users/{}/secrets", "*/parts"}
    assert not found & decided_collections()


def test_rules_open_what_is_decided_and_nothing_else() -> None:
    decisions: dict[str, str] = json.loads(
        (ROOT / "tests/rules/decisions.json").read_text(encoding="utf-8")
    )
    opened = {path for path, decision in decisions.items() if decision != "closed"}
    matched: list[str] = []
    depth: list[str] = []
    for line in without_comments(RULES).splitlines():
        if match := re.match(r"\s*match (/\S+) \{$", line):
            depth.append(match[1])
            matched.append("".join(depth))
        elif line.strip().endswith("{"):
            depth.append("")
        elif line.strip() == "}":
            depth.pop()
    root = "/databases/{database}/documents"
    paths = {re.sub(r"\{\w+\}", "{}", path.removeprefix(f"{root}/")) for path in matched[1:]}
    assert matched[0] == root
    assert paths == {re.sub(r"\{\w+\}", "{}", path) for path in opened}
    # One wildcard for all would open what nobody has decided on yet.
    assert "=**" not in without_comments(RULES)


def test_rules_let_through_the_preferences_the_function_takes() -> None:
    """What a client writes past the function is what /v1/me/preferences would have stored."""
    (fields,) = re.findall(r"data\.keys\(\)\.hasOnly\(\s*(\[[^\]]*\])\)", RULES)
    assert listed(fields) == [field.name for field in structs.fields(Preferences)]
    (names,) = re.findall(r"names\.hasOnly\((\[[^\]]*\])\)", RULES)
    assert listed(names) == list(NAMES) == [*PROVIDERS, "local"]
    (most,) = re.findall(r"names\.size\(\) <= (\d+)", RULES)
    assert int(most) == MAX_PROVIDERS
    (wishes,) = re.findall(r"'prioritize', null\) in (\[[^\]]*\])", RULES)
    assert listed(wishes) == list(WISHES)
    (longest,) = re.findall(r"tag\.size\(\) <= (\d+)", RULES)
    assert int(longest) == MAX_LANGUAGE_CHARS
    # The rules' language knows no groups that do not capture.
    (form,) = re.findall(r"tag\.matches\('\^(.*)\$'\)", RULES)
    assert form == LANGUAGE.pattern.replace("(?:", "(")


def test_what_a_request_may_say_can_be_preferred() -> None:
    wanted: JsonObject = {"preferred_providers": [*NAMES], "avoid_providers": [*NAMES]}
    assert parse_options(wanted, is_admin=False).preferred_providers == NAMES
    for wish in WISHES:
        assert parse_options({"prioritize": wish}, is_admin=False).prioritize == wish


def test_storage_is_closed_to_everybody() -> None:
    """One rule for every path, never; anything more is for people to think about first."""
    text = " ".join(without_comments((ROOT / "storage.rules").read_text(encoding="utf-8")).split())
    assert text == (
        "rules_version = '2'; service firebase.storage { match /b/{bucket}/o { "
        "match /{allPaths=**} { allow read, write: if false; } } }"
    )


def test_page_says_what_the_rules_open() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = page.split("| documents |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([\w/{}]+)`", table.replace("their `turns/{id}`", "")))
    named -= {"uid"}
    decisions: dict[str, str] = json.loads(
        (ROOT / "tests/rules/decisions.json").read_text(encoding="utf-8")
    )
    opened = {path for path, decision in decisions.items() if decision != "closed"}
    assert named == {path for path in opened if "/turns/" not in path}
    for name in [*PROVIDERS, "local"]:
        assert f"`{name}`" in page
