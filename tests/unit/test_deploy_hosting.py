"""firebase.json, Terraform and the described paths agree on which function serves what."""

from __future__ import annotations

import json

import pytest

from infra.hcl import literal, load_folder
from infra.house_rules import FUNCTION
from infra.package import ROOT
from infra.provider_facts import TERRAFORM
from local.hosting import read_hosting

HOSTING = read_hosting(ROOT)
BLOCKS = load_folder(TERRAFORM)
DESCRIBED: dict[str, dict[str, object]] = json.loads(
    (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
)["paths"]
# The chat function's paths that exist (contract, One address), with a value for each placeholder.
CHAT_PATHS = (
    "/health",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/models/openai/gpt-oss-120b",
    "/v1/route",
    "/v1/embeddings",
)


def default_region() -> object:
    (region,) = [b for b in BLOCKS if b.kind == "variable" and b.labels == ("region",)]
    return literal(region.attributes["default"])


def test_rewrites_name_services_that_terraform_makes() -> None:
    services = {
        literal(block.attributes["name"])
        for block in BLOCKS
        if block.kind == "resource" and block.labels[0] == FUNCTION
    }
    assert HOSTING.rewrites
    assert {rewrite.function for rewrite in HOSTING.rewrites} == services


def test_rewrites_name_the_region_that_terraform_deploys_to() -> None:
    assert {rewrite.region for rewrite in HOSTING.rewrites} == {default_region()}
    functions = [b for b in BLOCKS if b.kind == "resource" and b.labels[0] == FUNCTION]
    assert {block.attributes["location"] for block in functions} == {"${var.region}"}


@pytest.mark.parametrize("path", CHAT_PATHS)
def test_chat_paths_go_to_the_chat_function(path: str) -> None:
    assert HOSTING.function_for(path) == "chat"


@pytest.mark.parametrize("path", sorted(DESCRIBED))
def test_described_paths_go_to_a_function(path: str) -> None:
    assert HOSTING.function_for(path.replace("{id}", "a-model")) == "chat"


def test_every_chat_path_is_described() -> None:
    listed = {path.replace("openai/gpt-oss-120b", "{id}") for path in CHAT_PATHS}
    assert listed == set(DESCRIBED)


@pytest.mark.parametrize("path", ["/", "/index.html", "/assets/app.js", "/v1", "/healthz"])
def test_pages_stay_with_hosting(path: str) -> None:
    assert HOSTING.function_for(path) is None


def test_unknown_api_path_gets_the_functions_error_and_no_page() -> None:
    assert HOSTING.function_for("/v1/nothing/here") == "chat"


def test_public_folder_is_what_the_build_makes() -> None:
    assert HOSTING.public == ROOT / "public" / "dist"


def test_sample_project_file_is_one_that_firebase_reads() -> None:
    sample = json.loads((ROOT / ".firebaserc.example").read_text(encoding="utf-8"))
    assert sample == {"projects": {"default": "my-firebase-project"}}
    tfvars = (TERRAFORM / "terraform.tfvars.example").read_text(encoding="utf-8")
    assert '"my-firebase-project"' in tfvars
