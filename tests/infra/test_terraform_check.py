"""The static check: silent on the files as they are, and each kind of mistake found by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.check import format_problems, main, problems
from infra.hcl import load_folder
from infra.provider_facts import TERRAFORM, load_facts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the Terraform files to spoil."""
    target = tmp_path / "terraform"
    shutil.copytree(TERRAFORM, target, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return target


def spoil(folder: Path, file: str, old: str, new: str) -> list[str]:
    """What the check finds after ``old`` became ``new`` in ``file``."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return problems(folder, load_facts())


def test_files_as_they_are_have_no_problem(folder: Path) -> None:
    assert problems(folder, load_facts()) == []


# file, what stands there, what a slip makes of it, what the check must say
DECLARATION_SLIPS = [
    (
        "functions.tf",
        'resource "google_cloudfunctions2_function" "function"',
        'resource "google_cloudfunction2_function" "function"',
        "google_cloudfunction2_function is not in provider_facts.json",
    ),
    ("functions.tf", "timeout_seconds       =", "timeout =", "the argument timeout is unknown"),
    ("functions.tf", "= each.value.timeout", '= "9m"', "takes a number, not '9m'"),
    ("functions.tf", "latest_revision = true", 'latest_revision = "on"', "takes true or false"),
    (
        "functions.tf",
        "location    = var.region\n  desc",
        "desc",
        "the argument location is required",
    ),
    (
        "functions.tf",
        "service_config {",
        "service_settings {",
        "the block service_settings is unknown",
    ),
    ("functions.tf", "service_config {", "state {", "the block state is an argument, not a block"),
    ("functions.tf", "  name        = each.key", '  name = ["chat"]', "takes a string, not a list"),
    (
        "functions.tf",
        "  name        = each.key",
        '  name = each.key\n  url = "x"',
        "url can only be read",
    ),
    (
        "functions.tf",
        "    service_account_email =",
        "    secret_volumes = var.region\n    service_account_email =",
        "the argument secret_volumes is a block, not an argument",
    ),
    (
        "functions.tf",
        'dynamic "secret_environment_variables"',
        'dynamic "secret_environment_variable"',
        "the block secret_environment_variable is unknown",
    ),
    (
        "functions.tf",
        "        key        =",
        "        name       =",
        "the argument key is required",
    ),
    (
        "functions.tf",
        "      content {",
        "      contents {",
        "dynamic needs exactly one content block",
    ),
    (
        "functions.tf",
        "      for_each = [for name in sort(",
        "      each = [for name in sort(",
        "dynamic needs for",
    ),
    ("secrets.tf", "  replication {\n    auto {}\n  }\n", "", "the block replication is required"),
    (
        "secrets.tf",
        "  replication {",
        "  replication {\n    auto {}\n  }\n  replication {",
        "the block replication may stand once",
    ),
    (
        "secrets.tf",
        "create_before_destroy = true",
        "create_before_destruction = true",
        "lifecycle has no argument create_before_destruction",
    ),
    (
        "functions.tf",
        'data "google_project" "this"',
        'data "google_projekt" "this"',
        "google_projekt is not in provider_facts.json",
    ),
    (
        "functions.tf",
        "  project_id = var.project\n}",
        "  project = var.project\n}",
        "data.google_project.this: the argument project is unknown",
    ),
    ("versions.tf", "billing_project ", "billing_projects ", "billing_projects is unknown"),
]


@pytest.mark.parametrize(("file", "old", "new", "expected"), DECLARATION_SLIPS)
def test_slip_against_the_declarations_is_found(
    folder: Path, file: str, old: str, new: str, expected: str
) -> None:
    found = spoil(folder, file, old, new)
    assert any(expected in line and line.startswith(file) for line in found), found


REFERENCE_SLIPS = [
    ("functions.tf", "= var.region", "= var.regoin", "var.regoin is no variable"),
    ("source.tf", "= var.region", "= local.region", "local.region is no local"),
    ("functions.tf", "service_account.tasks.email", "service_account.task.email", "leads nowhere"),
    ("functions.tf", "service_account.tasks.email", "service_account.tasks.mail", "has no mail"),
    ("outputs.tf", "service_config[0].uri", "service_config[0].url", "has no service_config.url"),
    (
        "functions.tf",
        "environment_variables.value]",
        "environment_variables.vaule]",
        "neither key nor",
    ),
    ("functions.tf", "${upper(", "${uper(", "there is no function uper"),
    ("functions.tf", "google_project.this.number", "google_project.that.number", "leads nowhere"),
    ("functions.tf", "google_project.this.number", "google_project.this.count", "has no count"),
    ("functions.tf", "each.value.memory", "each.value.memroy", "is not in the row chat"),
    ("functions.tf", "      concurrency   = 4\n", "", "is not in the row worker"),
    ("functions.tf", "each.value.public ?", "each.public ?", "is neither key nor value"),
    ("moved.tf", "service_account.chat\n", "service_account.tasks\n", "is still declared"),
    ("moved.tf", "service_account.function[", "service_account.functions[", "leads nowhere"),
    (
        "functions.tf",
        'data "google_project" "this" {',
        'data "google_project" "this" {}\ndata "google_project" "this" {',
        "data.google_project.this: declared twice",
    ),
    ("secrets.tf", "  for_each = var.key_providers\n", "", "each.value stands outside for_each"),
    ("source.tf", "filemd5(", "filemd6(", "there is no function filemd6"),
    ("source.tf", "path.module", "path.modul", "path.modul is no path"),
    (
        "functions.tf",
        "var.chat_max_instances",
        "10",
        "variables.tf: variable.chat_max_instances: is not used",
    ),
    ("source.tf", "locals {", 'locals {\n  idle = "x"', "local.idle is not used"),
    (
        "variables.tf",
        '  description = "Raise by one to store the given keys as new secret versions."\n',
        "",
        "variables.tf: variable.provider_keys_version: has no description",
    ),
    ("variables.tf", "  type        = number\n", "", "provider_keys_version: has no type"),
    ("variables.tf", "  ephemeral   = true\n", "", "a secret must be ephemeral"),
    (
        "variables.tf",
        "  ephemeral   = true\n",
        "  ephemeral   = true\n  default = {}\n",
        "a secret has no default",
    ),
    ("outputs.tf", "description =", "value2 =", "output.chat_url: has no description"),
    (
        "terraform.tfvars.example",
        "key_providers =",
        "providers =",
        "there is no variable providers",
    ),
    ("terraform.tfvars.example", "project ", "# project ", "lacks project, which has no default"),
    (
        "terraform.tfvars.example",
        "key_providers =",
        'provider_keys = { groq = "x" }\nkey_providers =',
        "provider_keys is a secret",
    ),
    ("build.tf", '"google_project_iam_member" "build_logs"', '"time_sleep" "grants"', "twice"),
]


@pytest.mark.parametrize(("file", "old", "new", "expected"), REFERENCE_SLIPS)
def test_name_that_leads_nowhere_is_found(
    folder: Path, file: str, old: str, new: str, expected: str
) -> None:
    found = spoil(folder, file, old, new)
    assert any(expected in line for line in found), found


RULE_SLIPS = [
    (
        "functions.tf",
        "    timeout_seconds       = each.value.timeout\n",
        "",
        "does not state timeout_seconds",
    ),
    (
        "functions.tf",
        '    available_cpu                    = "1"\n',
        "",
        "does not state available_cpu",
    ),
    (
        "functions.tf",
        "    max_instance_request_concurrency = each.value.concurrency\n",
        "",
        "max_instance_request_conc",
    ),
    (
        "functions.tf",
        "    max_instance_count               = each.value.max_instances\n",
        "",
        "max_instan",
    ),
    (
        "functions.tf",
        "    available_memory                 =",
        "    #",
        "not state available_memory",
    ),
    (
        "functions.tf",
        'available_cpu                    = "1"',
        'available_cpu = "0.5"',
        "needs one vCPU or more",
    ),
    ("functions.tf", "timeout       = 1800", "timeout       = 4000", "must be 1-3600"),
    ("build.tf", "roles/logging.logWriter", "roles/editor", "roles/editor is far more than"),
    ("functions.tf", '"roles/run.invoker"', '"roles/run.admin"', "roles/run.admin for allUsers"),
    (
        "secrets.tf",
        "= var.provider_keys[each.value]",
        '= "a-key-that-was-pasted"',
        "secret_data_wo is written out",
    ),
    ("variables.tf", '"us-central1"\n', '"gsk_' + "a1B2" * 8 + '"\n', "what looks like a key"),
    (
        "functions.tf",
        "GOOGLE_CLOUD_PROJECT  = var.project",
        'GROQ_API_KEY = "x"',
        "GROQ_API_KEY belongs into secret_environment_variables",
    ),
    ("versions.tf", '"~> 6.50"', '"~> 7.1"', "hashicorp/google is ~> 7.1"),
    ("versions.tf", "hashicorp/time", "hashicorp/times", "no declarations of hashicorp/times"),
    ("versions.tf", '  required_version = ">= 1.11.0"\n', "", "required_version is not stated"),
    ("build.tf", "google_project_iam_member", "google_project_iam_binding", "use _iam_member"),
]


@pytest.mark.parametrize(("file", "old", "new", "expected"), RULE_SLIPS)
def test_broken_rule_is_found(folder: Path, file: str, old: str, new: str, expected: str) -> None:
    found = spoil(folder, file, old, new)
    assert any(expected in line for line in found), found


def test_file_that_is_no_hcl_is_one_line_that_names_it(folder: Path) -> None:
    (folder / "functions.tf").write_text('resource "a" {', encoding="utf-8")
    found = problems(folder, load_facts())
    assert len(found) == 1
    assert found[0].startswith("functions.tf: ")


def test_folder_without_files_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, load_facts())[0].endswith("No such file or directory")
    (tmp_path / "terraform.tfvars.example").write_text("", encoding="utf-8")
    assert problems(tmp_path, load_facts()) == [f"{tmp_path}: no Terraform files"]


def test_facts_hold_the_resources_used_and_no_others() -> None:
    blocks = load_folder(TERRAFORM)
    for kind, known in (("resource", load_facts()["resources"]), ("data", load_facts()["data"])):
        assert set(known) == {block.labels[0] for block in blocks if block.kind == kind}


def test_missing_terraform_is_a_problem_only_where_it_is_required() -> None:
    def nowhere(_name: str) -> None:
        return None

    assert format_problems(TERRAFORM, required=False, which=nowhere) == []
    assert format_problems(TERRAFORM, required=True, which=nowhere) == [
        "terraform is not installed: formatting is not checked"
    ]


def test_badly_formatted_files_are_named(tmp_path: Path) -> None:
    """A stand-in for ``terraform`` that answers as ``fmt -check`` does."""
    program = tmp_path / "terraform"
    program.write_text('#!/bin/sh\necho "$5/chat.tf"\nexit 3\n', encoding="utf-8")
    program.chmod(0o755)
    found = format_problems(tmp_path, required=True, which=lambda _name: str(program))
    assert found == [f"{tmp_path}/chat.tf: terraform fmt would change it"]


def test_wrong_arguments_are_told() -> None:
    assert main(["--fix"]) == 2
