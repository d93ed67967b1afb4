"""Functions made from a table: what each row comes to."""

from __future__ import annotations

import pytest

from infra.functions import deployed, table, worked_out
from infra.hcl import Value, parse

TEXT = """
locals {
  rows = {
    chat = {
      timeout = 5
      public  = true
      most    = var.most
    }
    a-cron = {
      timeout = 6
      public  = false
      most    = 1
    }
  }
  mixed = {
    a = { x = 1 }
    b = 2
  }
}
resource "google_cloudfunctions2_function" "function" {
  for_each = local.rows
  name     = each.key
  location = var.region
  build_config {
    entry_point = replace(each.key, "-", "_")
  }
  service_config {
    timeout_seconds    = each.value.timeout
    max_instance_count = each.value.most
    ingress_settings   = each.value.public ? "ALL" : "INTERNAL"
  }
}
resource "google_cloudfunctions2_function" "single" {
  name = "single"
}
"""
BLOCKS = parse(TEXT, "x.tf")


def test_a_table_makes_a_function_of_each_row() -> None:
    chat, cron, single = deployed(BLOCKS)
    assert (chat.name, cron.name, single.name) == ("chat", "a-cron", "single")
    assert cron.folder == "a_cron"
    assert cron.address == 'x.tf: google_cloudfunctions2_function.function["a-cron"]'
    assert cron.build == {"entry_point": '"a_cron"'}
    assert cron.service == {
        "timeout_seconds": 6,
        "max_instance_count": 1,
        "ingress_settings": '"INTERNAL"',
    }
    assert chat.service == {
        "timeout_seconds": 5,
        "max_instance_count": "${var.most}",
        "ingress_settings": '"ALL"',
    }
    assert (single.address, single.service) == (
        "x.tf: google_cloudfunctions2_function.single",
        {},
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${each.key}", '"a-b"'),
        ("${each.value.size}", 3),
        ("${each.value.none}", "${each.value.none}"),
        ("${f(each.value.size, each.key)}", '${f(3, "a-b")}'),
        ("${each.value.on && true}", "${true && true}"),
        ("${g(each.value.other)}", "${g(var.other)}"),
        ('"x-${each.key}.zip"', '"x-a-b.zip"'),
        ('"${replace(each.key, "-", "_")}-y"', '"a_b-y"'),
        ("${var.each}", "${var.each}"),
        (7, 7),
    ],
)
def test_values_of_a_row(value: Value, expected: Value) -> None:
    row: dict[str, Value] = {"size": 3, "on": True, "other": "${var.other}"}
    assert worked_out(value, "a-b", row) == expected


@pytest.mark.parametrize(
    "for_each", ["${local.mixed}", "${local.none}", "${toset(local.rows)}", None]
)
def test_what_is_no_table_is_none(for_each: Value) -> None:
    assert table(BLOCKS, for_each) is None
