"""Reading Terraform files: blocks and the names inside expressions."""

from __future__ import annotations

import pytest

from infra.hcl import HclError, Value, attributes_of, literal, mentions, parse


def names(value: Value) -> set[str]:
    return {str(reference) for reference in mentions(value).references}


def test_blocks_with_labels_and_blocks_inside() -> None:
    text = """
    resource "a_thing" "one" {
      name = "x"
      inner {
        size = 3
      }
      inner {
        size = 4
      }
      empty {}
      dynamic "part" {
        for_each = var.parts
        content {
          key = part.value
        }
      }
    }
    locals {
      a = 1
    }
    """
    thing, local = parse(text, "x.tf")
    assert (thing.kind, thing.labels, thing.file) == ("resource", ("a_thing", "one"), "x.tf")
    assert thing.address == "x.tf: a_thing.one"
    assert literal(thing.attributes["name"]) == "x"
    assert [inner.attributes["size"] for inner in thing.inner("inner")] == [3, 4]
    assert thing.inner("empty")[0].attributes == {}
    (dynamic,) = thing.inner("dynamic")
    assert dynamic.labels == ("part",)
    assert names(dynamic.inner("content")[0].attributes["key"]) == {"part.value"}
    assert [block.kind for block in thing.walk()] == [
        *("resource", "inner", "inner", "empty", "dynamic", "content"),
    ]
    assert (local.kind, local.attributes) == ("locals", {"a": 1})


def test_list_of_objects_is_an_argument_and_no_block() -> None:
    (thing,) = parse('resource "a" "b" { rules = [{ k = 1 }] }', "x.tf")
    assert "rules" in thing.attributes
    assert thing.blocks == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"plain.text with.dots"', set()),
        ('"a-${var.b}-${local.c}"', {"var.b", "local.c"}),
        ('"x-${f("${local.dir}/y.zip")}.zip"', {"local.dir"}),
        ('r.n["var.quoted"].out', {"r.n.out"}),
        ("r.n[var.i].out[0].deep", {"r.n.out.deep", "var.i"}),
        ("r.n[*].out", {"r.n.out"}),
        ("r.n.*.out", {"r.n.out"}),
        ("merge(var.a, { K = var.b })", {"var.a", "var.b"}),
        (
            "[for k in var.m : k.name if !startswith(k.x, var.p)]",
            {"var.m", "k.name", "k.x", "var.p"},
        ),
        ("var.a ? 1.5 : -2", {"var.a"}),
        ('"escaped \\" ${var.z}"', {"var.z"}),
        ('[var.a, "${var.b}"]', {"var.a", "var.b"}),
        ('{ (var.k) = var.v, "${var.q}" = 1 }', {"var.k", "var.v", "var.q"}),
    ],
)
def test_names_in_an_expression(expression: str, expected: set[str]) -> None:
    (block,) = parse(f"locals {{\n  x = {expression}\n}}", "x.tf")
    assert names(block.attributes["x"]) == expected


def test_functions_and_loop_names_are_told_apart() -> None:
    (block,) = parse("locals {\n  x = [for k, v in keys(var.m) : upper(k)]\n}", "x.tf")
    found = mentions(block.attributes["x"])
    assert sorted(found.functions) == ["keys", "upper"]
    assert found.loop_names == {"k", "v"}


def test_assignments_of_a_tfvars_file() -> None:
    assert attributes_of('a = "x"\n# comment\nb = 2\n', "x.tfvars") == {"a": '"x"', "b": 2}


def test_broken_file_is_refused_by_name() -> None:
    with pytest.raises(HclError, match=r"^x\.tf: "):
        parse('resource "a" {', "x.tf")
    with pytest.raises(HclError, match=r"^x\.tfvars: "):
        attributes_of("a =", "x.tfvars")
