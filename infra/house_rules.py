"""What this deployment demands beyond valid Terraform: no secrets in files, stated limits, least
privilege, pinned providers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.functions import Deployed, deployed
from infra.hcl import Block, Value, is_constant, literal, texts
from infra.provider_facts import Facts

# Every function says these itself: the platform's defaults are neither ours nor stable.
STATED = (
    "timeout_seconds",
    "available_memory",
    "available_cpu",
    "max_instance_request_concurrency",
    "max_instance_count",
    "min_instance_count",
    "service_account_email",
    "ingress_settings",
)
# How keys of our providers and of Google look, and private keys of any kind.
SECRET_FORMS = re.compile(
    r"\b(?:gsk_|csk-|hf_|sk_|sk-|AIza|GOCSPX-|ya29\.)[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
SECRET_ARGUMENTS = {"secret_data", "secret_data_wo", "password", "private_key", "token"}
SECRET_VARIABLES = re.compile(r"(_KEY|_TOKEN|_SECRET|_PASSWORD)$")
# Roles that allow nearly everything (IAM, "Basic roles"), never right for a service.
BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
CLOUD_RUN_LIMIT_S = 3600  # longest request of an HTTP function (Cloud Run, "Request timeout")


def rule_problems(blocks: Sequence[Block], facts: Facts) -> list[str]:
    """One line for each rule broken."""
    problems: list[str] = []
    for block in blocks:
        problems += _secrets(block)
        if block.kind == "resource":
            problems += _roles(block)
        elif block.kind == "terraform":
            problems += _pins(block, facts)
    for function in deployed(blocks):
        problems += _function(function)
    return problems


def _secrets(top: Block) -> Iterator[str]:
    for block in top.walk():
        for name, value in block.attributes.items():
            if any(SECRET_FORMS.search(text) for text in texts(value)):
                yield f"{top.address}: {name} holds what looks like a key"
            if name in SECRET_ARGUMENTS and is_constant(value):
                yield f"{top.address}: {name} is written out; take it from an ephemeral variable"
            if name == "environment_variables":
                yield from _environment(top, value)


def _environment(top: Block, value: Value) -> Iterator[str]:
    """Plain environment variables are readable by everybody who may see the function."""
    written = set(re.findall(r"[A-Z][A-Z0-9_]+(?=\"?\s*[=:])", " ".join(texts(value))))
    if isinstance(value, dict):
        written |= {key.strip('"') for key in value}
    for name in sorted(written):
        if SECRET_VARIABLES.search(name):
            yield f"{top.address}: {name} belongs into secret_environment_variables"


def _roles(block: Block) -> Iterator[str]:
    role, member = literal(block.attributes.get("role")), literal(block.attributes.get("member"))
    if role in BASIC_ROLES:
        yield f"{block.address}: {role} is far more than any service needs"
    if member in EVERYBODY and role != "roles/run.invoker":
        yield f"{block.address}: {role} for {member}"
    if block.labels[0].endswith(("_iam_policy", "_iam_binding")):
        yield f"{block.address}: would take away what others granted; use _iam_member"


def _function(function: Deployed) -> Iterator[str]:
    service, build = function.service, function.build
    for name in STATED:
        if name not in service:
            yield f"{function.address}: service_config does not state {name}"
    for name in ("runtime", "entry_point", "docker_repository", "service_account"):
        if name not in build:
            yield f"{function.address}: build_config does not state {name}"
    timeout = literal(service.get("timeout_seconds"))
    if isinstance(timeout, int) and not 1 <= timeout <= CLOUD_RUN_LIMIT_S:
        yield f"{function.address}: timeout_seconds must be 1-{CLOUD_RUN_LIMIT_S}"
    concurrency = literal(service.get("max_instance_request_concurrency"))
    cpu = literal(service.get("available_cpu"))
    if isinstance(concurrency, int) and concurrency > 1 and _below_one(cpu):
        yield f"{function.address}: more than one request at a time needs one vCPU or more"


def _below_one(cpu: Value) -> bool:
    try:
        return float(str(cpu)) < 1
    except ValueError:
        return False


def _pins(block: Block, facts: Facts) -> Iterator[str]:
    """Providers are pinned to what provider_facts.json was read from."""
    if "required_version" not in block.attributes:
        yield f"{block.address}: required_version is not stated"
    pinned: dict[str, str] = {}
    for providers in block.inner("required_providers"):
        for provider in providers.attributes.values():
            if isinstance(provider, dict):
                source, version = literal(provider.get("source")), literal(provider.get("version"))
                pinned[str(source)] = str(version)
    for source, version in facts["providers"].items():
        wanted = f"~> {version.rpartition('.')[0]}"
        if pinned.get(source) != wanted:
            yield (
                f"{block.address}: {source} is {pinned.get(source, 'not required')}, "
                f"the declarations are of {wanted}"
            )
    for source in pinned.keys() - facts["providers"].keys():
        yield f"{block.address}: no declarations of {source}"
