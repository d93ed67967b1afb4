"""Rings of resources that need each other."""

from __future__ import annotations

from infra.cycles import cycle_problems
from infra.hcl import load_folder, parse
from infra.provider_facts import TERRAFORM

CHAIN = """
locals {
  a = x_thing.one.id
  b = 1
}
data "x_thing" "zero" {}
resource "x_thing" "one" {
  name = data.x_thing.zero.name
}
resource "x_thing" "two" {
  inner {
    text = "x-${local.a}"
  }
}
resource "x_thing" "three" {
  depends_on = [x_thing.two, x_thing.one]
}
"""


def test_what_needs_one_another_in_one_direction_is_fine() -> None:
    assert cycle_problems(parse(CHAIN, "x.tf")) == []


def test_every_ring_is_told_whole() -> None:
    text = CHAIN.replace("name = data.x_thing.zero.name", "depends_on = [x_thing.three]")
    assert cycle_problems(parse(text, "x.tf")) == [
        "wait for each other: local.a -> x_thing.one -> x_thing.three -> x_thing.two -> local.a",
        "wait for each other: x_thing.one -> x_thing.three -> x_thing.one",
    ]


def test_a_local_of_itself_is_a_ring() -> None:
    blocks = parse("locals {\n  a = local.b\n  b = [for x in local.a : x]\n}", "x.tf")
    assert cycle_problems(blocks) == ["wait for each other: local.a -> local.b -> local.a"]


def test_the_deployment_waits_for_nothing_in_a_ring() -> None:
    assert cycle_problems(load_folder(TERRAFORM)) == []
