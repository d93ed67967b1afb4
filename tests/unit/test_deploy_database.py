"""Terraform and firestore.indexes.json make the same database, for the queries that are asked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from infra.functions import table
from infra.hcl import Block, literal, load_folder
from infra.package import ROOT
from infra.provider_facts import TERRAFORM
from shared.storage.document import EXPIRES_AT
from shared.storage.sqlite_backend import expiring_collections

BLOCKS = load_folder(TERRAFORM)
FILE: dict[str, list[dict[str, object]]] = json.loads(
    (ROOT / "firestore.indexes.json").read_text(encoding="utf-8")
)
Fields = tuple[tuple[str, str], ...]


def resources(kind: str) -> list[Block]:
    return [b for b in BLOCKS if b.kind == "resource" and b.labels[0] == kind]


def text(values: Mapping[str, object], name: str) -> str:
    value = values[name]
    assert isinstance(value, str)
    return value.strip('"')


def indexes_of_terraform() -> set[tuple[str, str, Fields]]:
    """Collection, scope and fields with their order."""
    found = set()
    for block in resources("google_firestore_index"):
        fields = tuple(
            (text(one.attributes, "field_path"), text(one.attributes, "order"))
            for one in block.inner("fields")
        )
        scope = literal(block.attributes.get("query_scope", '"COLLECTION"'))
        found.add((text(block.attributes, "collection"), str(scope), fields))
    return found


def indexes_of_file() -> set[tuple[str, str, Fields]]:
    found = set()
    for index in FILE["indexes"]:
        fields = index["fields"]
        assert isinstance(fields, list)
        read = tuple((str(one["fieldPath"]), str(one["order"])) for one in fields)
        found.add((text(index, "collectionGroup"), text(index, "queryScope"), read))
    return found


Override = tuple[str, str, bool, frozenset[tuple[str, str]]]
NO_INDEX: frozenset[tuple[str, str]] = frozenset()


def overrides_of_terraform() -> set[Override]:
    """Collection, field, whether documents go by it, and the scopes and ways it is indexed in."""
    found: set[Override] = {(name, EXPIRES_AT, True, NO_INDEX) for name in expiring_collections()}
    rows = table(BLOCKS, "${local.not_indexed}")
    assert rows is not None
    for row in rows.values():
        found.add((text(row, "collection"), text(row, "field"), False, NO_INDEX))
    for block in resources("google_firestore_field"):
        if "for_each" not in block.attributes:
            (config,) = block.inner("index_config")
            ways = [
                (text(one.attributes, "query_scope"), text(one.attributes, "order"))
                for one in config.inner("indexes")
            ]
            name = text(block.attributes, "collection")
            found.add((name, text(block.attributes, "field"), False, frozenset(ways)))
    return found


def test_indexes_are_the_same() -> None:
    assert indexes_of_terraform() == indexes_of_file()
    assert len(FILE["indexes"]) == len(resources("google_firestore_index"))


def test_overrides_are_the_same() -> None:
    found: set[Override] = set()
    for one in FILE["fieldOverrides"]:
        indexes = one["indexes"]
        assert isinstance(indexes, list)
        ways = frozenset((str(each["queryScope"]), str(each["order"])) for each in indexes)
        found.add((text(one, "collectionGroup"), text(one, "fieldPath"), one["ttl"] is True, ways))
    assert found == overrides_of_terraform()
    assert len(found) == len(FILE["fieldOverrides"])


def test_documents_expire_in_the_collections_the_embedded_store_expires() -> None:
    """Terraform reads the very list; TTL goes by the field that the stores write."""
    (block,) = [b for b in resources("google_firestore_field") if b.labels[1] == "expires_at"]
    assert block.attributes["for_each"] == "${local.expiring}"
    (expiring,) = [
        b.attributes["expiring"]
        for b in BLOCKS
        if b.kind == "locals" and "expiring" in b.attributes
    ]
    assert "/shared/storage/expiring.json" in str(expiring)
    assert block.attributes["collection"] == "${each.key}"
    assert literal(block.attributes["field"]) == EXPIRES_AT
    assert len(block.inner("ttl_config")) == 1
    # Deleting by a field that only grows needs no index of it, and one would be a hot spot.
    assert [inner.blocks for inner in block.inner("index_config")] == [[]]


def test_database_is_the_default_one_in_native_mode_and_protected() -> None:
    """The free tier holds for one database of a project, and clients find it by its name."""
    (database,) = resources("google_firestore_database")
    assert literal(database.attributes["name"]) == "(default)"
    assert literal(database.attributes["type"]) == "FIRESTORE_NATIVE"
    assert literal(database.attributes["delete_protection_state"]) == "DELETE_PROTECTION_ENABLED"
    assert literal(database.attributes["deletion_policy"]) == "ABANDON"
    for kind in ("google_firestore_field", "google_firestore_index"):
        for block in resources(kind):
            assert block.attributes["database"] == "${google_firestore_database.default.name}"


def test_firebase_file_names_indexes_and_rules() -> None:
    file = json.loads((ROOT / "firebase.json").read_text(encoding="utf-8"))
    assert file["firestore"] == {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}
    assert file["storage"] == {"rules": "storage.rules"}
