"""docs/deploy.md names what exists: files, variables, commands, figures of the Terraform files."""

from __future__ import annotations

import re

import pytest

from infra.hcl import Block, load_folder
from infra.package import ROOT
from infra.provider_facts import TERRAFORM, load_facts

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = load_folder(TERRAFORM)


def one(kind: str, *labels: str) -> Block:
    (found,) = [b for b in BLOCKS if b.kind == kind and b.labels[: len(labels)] == labels]
    return found


def test_every_variable_is_explained_and_no_other() -> None:
    section = PAGE.split("## Settings")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert named == {block.labels[0] for block in BLOCKS if block.kind == "variable"}


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\((\.{0,2}[\w./-]+?)(?:#[\w-]+)?\)", PAGE)))
)
def test_linked_files_exist(path: str) -> None:
    assert (ROOT / "docs" / path).exists()


def test_linked_sections_exist() -> None:
    for path, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", PAGE):
        text = (ROOT / "docs" / path).read_text(encoding="utf-8") if path else PAGE
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in slugs, anchor


def test_commands_name_what_exists() -> None:
    for path in ("infra/terraform/terraform.tfvars.example", ".firebaserc.example"):
        assert path in PAGE
        assert (ROOT / path).is_file()
    assert "make package" in PAGE
    assert "\npackage:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "output -raw chat_url" in PAGE
    one("output", "chat_url")


def test_figures_are_those_of_the_terraform_files() -> None:
    function = one("resource", "google_cloudfunctions2_function", "chat")
    (service,) = function.inner("service_config")
    assert f"| longest request | {service.attributes['timeout_seconds']} s |" in PAGE
    assert service.attributes["available_cpu"] == '"1"'
    assert service.attributes["available_memory"] == '"1Gi"'
    assert "as many as vCPU-seconds (1 GiB)" in PAGE
    together = service.attributes["max_instance_request_concurrency"]
    assert f"each takes {together} requests at a time" in PAGE
    for name in ("chat_max_instances", "chat_min_instances", "provider_keys_version"):
        default = one("variable", name).attributes["default"]
        assert f"| `{name}` | `{default}` |" in PAGE


def test_versions_are_those_that_are_checked() -> None:
    text = " ".join(PAGE.split())
    for source, version in load_facts()["providers"].items():
        assert f"{source.rpartition('/')[2]} {version.rpartition('.')[0]}" in text
    required = str(one("terraform").attributes["required_version"])
    oldest = re.search(r"(\d+\.\d+)", required)
    assert oldest is not None
    assert f"Terraform]({'https://developer.hashicorp.com/terraform/install'}) {oldest[1]}" in text
