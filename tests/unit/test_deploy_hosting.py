"""firebase.json, Terraform and the described paths agree on which function serves what."""

from __future__ import annotations

import json
import re

import pytest

from infra.functions import deployed
from infra.hcl import literal, load_folder
from infra.package import ROOT
from infra.provider_facts import TERRAFORM
from local.hosting import glob, read_hosting

HOSTING = read_hosting(ROOT)
BLOCKS = load_folder(TERRAFORM)
DEPLOYED = deployed(BLOCKS)
PUBLIC = {one.name for one in DEPLOYED if literal(one.service["ingress_settings"]) == "ALLOW_ALL"}
DESCRIBED: dict[str, dict[str, object]] = json.loads(
    (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
)["paths"]
# Paths that exist and their function (contract, One address), a value for each placeholder.
PATHS = {
    "/health": "chat",
    "/v1/chat/completions": "chat",
    "/v1/models": "chat",
    "/v1/models/openai/gpt-oss-120b": "chat",
    "/v1/route": "chat",
    "/v1/embeddings": "chat",
    "/v1/moderations": "chat",
    "/v1/jobs": "jobs",
    "/v1/jobs/J1": "jobs",
    "/v1/jobs/J1/cancel": "jobs",
    "/admin/api/config": "admin",
    "/admin/api/config/history": "admin",
    "/admin/api/config/rollback": "admin",
    "/admin/api/quotas": "admin",
    "/admin/api/store-operations": "admin",
}


def default_region() -> object:
    (region,) = [b for b in BLOCKS if b.kind == "variable" and b.labels == ("region",)]
    return literal(region.attributes["default"])


def test_rewrites_name_the_public_services_that_terraform_makes() -> None:
    """And no private one: Hosting would call it without a token, and tell the world where it is."""
    assert {rewrite.function for rewrite in HOSTING.rewrites} == PUBLIC
    assert {one.name for one in DEPLOYED} - PUBLIC == {"worker", "health-cron"}


def test_rewrites_name_the_region_that_terraform_deploys_to() -> None:
    assert {rewrite.region for rewrite in HOSTING.rewrites} == {default_region()}
    assert {one.location for one in DEPLOYED} == {"${var.region}"}


@pytest.mark.parametrize(("path", "function"), PATHS.items())
def test_paths_go_to_their_function(path: str, function: str) -> None:
    assert HOSTING.function_for(path) == function


def a_path(described: str) -> str:
    """A described path with values in its placeholders."""
    return re.sub(r"\{\w+\}", "J1", described)


@pytest.mark.parametrize("path", sorted(DESCRIBED))
def test_described_paths_go_to_the_function_of_their_branch(path: str) -> None:
    branches = {"/v1/jobs": "jobs", "/admin/api": "admin"}
    below = [name for branch, name in branches.items() if path.startswith(branch)]
    assert HOSTING.function_for(a_path(path)) == (below[0] if below else "chat")


def test_every_path_is_described() -> None:
    listed = {path.replace("openai/gpt-oss-120b", "J1") for path in PATHS}
    assert listed <= {a_path(path) for path in DESCRIBED}


def test_the_rest_of_the_api_stays_last() -> None:
    """Hosting takes the first rewrite that matches: behind it none under /v1 would be found."""
    sources = [rewrite.source.pattern for rewrite in HOSTING.rewrites]
    assert sources.index(glob("/v1/**").pattern) == len(sources) - 1


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/assets/app.js", "/v1", "/healthz", "/admin", "/admin/api"]
)
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
