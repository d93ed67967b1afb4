"""docs/deploy.md names what exists: files, variables, commands, figures of the Terraform files."""

from __future__ import annotations

import re

import pytest

from infra.functions import deployed
from infra.hcl import Block, literal, load_folder
from infra.package import ROOT
from infra.provider_facts import TERRAFORM, load_facts
from shared.settings import load_settings

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
    functions = {one.name: one.service for one in deployed(BLOCKS)}
    chat = functions["chat"]
    assert f"| longest request | {chat['timeout_seconds']} s |" in PAGE
    assert {literal(service["available_cpu"]) for service in functions.values()} == {"1"}
    halved = {name for name, one in functions.items() if one["available_memory"] == '"512Mi"'}
    assert halved == {"jobs", "admin", "health-cron"}
    assert literal(chat["available_memory"]) == "1Gi"
    assert "as many as vCPU-seconds (1 GiB), of jobs, admin and cron half" in PAGE
    together = chat["max_instance_request_concurrency"]
    assert f"each takes {together} requests at a time" in PAGE
    assert functions["worker"]["max_instance_request_concurrency"] == 4
    assert "each runs four jobs, three of them interactive and one in bulk" in PAGE
    for name in (
        "chat_max_instances",
        "chat_min_instances",
        "firestore_location",
        "provider_keys_version",
        "worker_max_instances",
    ):
        default = one("variable", name).attributes["default"]
        assert f"| `{name}` | `{'null' if default is None else default}` |" in PAGE


def test_every_function_is_introduced_with_its_longest_request() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([\d,]+) s \|", PAGE, re.MULTILINE)
    assert {name: int(limit.replace(",", "")) for name, limit in rows} == {
        one.name: one.service["timeout_seconds"] for one in deployed(BLOCKS)
    }


def test_outputs_and_grants_named_are_made() -> None:
    outputs = {block.labels[0] for block in BLOCKS if block.kind == "output"}
    assert set(re.findall(r"output -raw (\w+)", PAGE)) <= outputs
    assert {f"`{name}`" for name in outputs} <= set(re.findall(r"`\w+`", PAGE))
    job = one("resource", "google_cloud_scheduler_job", "health")
    assert f"scheduler jobs run {literal(job.attributes['name'])} " in PAGE
    assert "import google_firestore_database.default" in PAGE
    one("resource", "google_firestore_database", "default")


def test_client_limits_are_the_defaults() -> None:
    """REQUIREMENTS R18.6, R18.7; the contract, Client limits."""
    limits = load_settings({}).config.client_limits
    text = " ".join(PAGE.split())
    assert f"each user {limits.user_rpm} requests a minute" in text
    assert f"each address {limits.ip_rpm} for those" in text
    assert f"and {limits.ip_signed_in_rpm} for others" in text


def test_versions_are_those_that_are_checked() -> None:
    text = " ".join(PAGE.split())
    for source, version in load_facts()["providers"].items():
        assert f"{source.rpartition('/')[2]} {version.rpartition('.')[0]}" in text
    required = str(one("terraform").attributes["required_version"])
    oldest = re.search(r"(\d+\.\d+)", required)
    assert oldest is not None
    assert f"Terraform]({'https://developer.hashicorp.com/terraform/install'}) {oldest[1]}" in text
