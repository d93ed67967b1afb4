"""What Terraform makes of security rules, sign-in and App Check, and who may look at accounts."""

from __future__ import annotations

import re

import pytest

from infra.functions import deployed
from infra.hcl import Block, literal, load_folder
from infra.package import ROOT
from infra.provider_facts import TERRAFORM
from shared.settings import load_settings

BLOCKS = load_folder(TERRAFORM)


def resource(kind: str, name: str) -> Block:
    (found,) = [b for b in BLOCKS if b.kind == "resource" and b.labels == (kind, name)]
    return found


def variable(name: str) -> Block:
    (found,) = [b for b in BLOCKS if b.kind == "variable" and b.labels == (name,)]
    return found


def local(name: str) -> str:
    (found,) = [b.attributes[name] for b in BLOCKS if b.kind == "locals" and name in b.attributes]
    return str(found)


def words(text: object) -> list[str]:
    """The texts written out in an expression."""
    return re.findall(r'"([^"$]*)"', str(text))


def test_rules_deployed_are_the_files_of_the_repository() -> None:
    ruleset = resource("google_firebaserules_ruleset", "rules")
    assert words(ruleset.attributes["for_each"]) == ["firestore", "storage"]
    (file,) = ruleset.inner("source")[0].inner("files")
    assert file.attributes["content"] == '${file("${path.module}/../../${each.key}.rules")}'
    for name in ("firestore", "storage"):
        assert (ROOT / f"{name}.rules").is_file()


def test_rules_are_released_where_clients_look() -> None:
    """To the default database, and to the bucket of media (Firebase Rules API, releases)."""
    firestore = resource("google_firebaserules_release", "firestore").attributes
    storage = resource("google_firebaserules_release", "storage").attributes
    assert literal(firestore["name"]) == "cloud.firestore"
    assert storage["name"] == '"firebase.storage/${google_storage_bucket.media.name}"'
    for name, release in (("firestore", firestore), ("storage", storage)):
        assert f'google_firebaserules_ruleset.rules["{name}"].name' in str(release["ruleset_name"])


def test_rules_in_force_are_not_deleted_before_the_next_are_made() -> None:
    (cycle,) = resource("google_firebaserules_ruleset", "rules").inner("lifecycle")
    assert cycle.attributes["create_before_destroy"] is True


def test_sign_in_is_left_alone_until_it_is_named() -> None:
    for name in ("sign_in_methods", "app_check_web_app"):
        assert variable(name).attributes["default"] is None
    config = resource("google_identity_platform_config", "users")
    assert config.attributes["count"] == "${var.sign_in_methods == null ? 0 : 1}"


def test_every_way_to_sign_in_is_stated_and_can_be_named() -> None:
    """One left out of the block would be switched off, or left on, unseen."""
    (ways,) = resource("google_identity_platform_config", "users").inner("sign_in")
    named = {
        word
        for way in ("anonymous", "email", "phone_number")
        for word in words(ways.inner(way)[0].attributes["enabled"])
    }
    assert named == {"anonymous", "email", "phone"}
    (check,) = variable("sign_in_methods").inner("validation")
    assert set(words(check.attributes["condition"])) == named


def test_only_the_own_pages_sign_users_in_and_prove_themselves() -> None:
    domains = re.sub(r"\s", "", local("page_domains"))
    assert "${var.project}.web.app" in domains
    assert "${var.project}.firebaseapp.com" in domains
    assert "localhost" not in domains
    config = resource("google_identity_platform_config", "users")
    assert config.attributes["authorized_domains"] == "${local.page_domains}"
    (web,) = resource("google_recaptcha_enterprise_key", "pages").inner("web_settings")
    assert web.attributes["allowed_domains"] == "${local.page_domains}"
    assert "allow_all_domains" not in web.attributes


def test_app_check_is_demanded_alike_of_functions_and_services() -> None:
    """One variable: REQUIRE_APP_CHECK of the functions, enforcement of the services."""
    (check,) = variable("app_check").inner("validation")
    for choice in words(check.attributes["condition"]):
        assert load_settings({"REQUIRE_APP_CHECK": choice}).require_app_check == choice
    assert literal(variable("app_check").attributes["default"]) == "off"
    for function in deployed(BLOCKS):
        told = str(function.service["environment_variables"])
        assert "REQUIRE_APP_CHECK = var.app_check" in " ".join(told.split())
    service = resource("google_firebase_app_check_service_config", "service").attributes
    assert words(service["enforcement_mode"]) == ["true", "ENFORCED", "UNENFORCED"]
    assert words(service["for_each"]) == ["off"]
    conditions = [
        str(c.attributes["condition"]) for c in variable("environment").inner("validation")
    ]
    assert any("REQUIRE_APP_CHECK" in condition for condition in conditions)


@pytest.mark.parametrize("said", ["1", "true", "yes", "on"])
def test_accounts_can_be_looked_up_where_the_functions_do_so(said: str) -> None:
    assert said in words(local("checks_revoked"))
    assert load_settings({"CHECK_REVOKED": said}).check_revoked


def test_accounts_are_closed_to_functions_that_need_not_look() -> None:
    assert "function.public" in local("judges_callers")
    looks = resource("google_project_iam_member", "looks_up_accounts").attributes
    assert looks["for_each"] == "${toset(local.checks_revoked ? local.judges_callers : [])}"
    assert literal(looks["role"]) == "roles/firebaseauth.viewer"
    verifies = resource("google_project_iam_member", "uses_up_app_check_tokens").attributes
    assert verifies["for_each"] == "${toset(local.judges_callers)}"
    assert literal(verifies["role"]) == "roles/firebaseappcheck.tokenVerifier"


def test_every_grant_of_the_functions_is_waited_for() -> None:
    """An instance that starts before its grants holds fails its first requests."""
    grants = {
        ".".join(b.labels)
        for b in BLOCKS
        if b.kind == "resource"
        and b.labels[0].endswith("_iam_member")
        and b.labels[0] != "google_cloud_run_service_iam_member"
    }
    (wait,) = [b for b in BLOCKS if b.labels == ("time_sleep", "grants")]
    assert (
        set(re.findall(r"google_\w+_iam_member\.\w+", str(wait.attributes["depends_on"]))) == grants
    )
    for function in deployed(BLOCKS):
        assert function.block.attributes["depends_on"] == ["${time_sleep.grants}"]


def test_used_interfaces_are_switched_on() -> None:
    for name in ("firebaserules", "firebaseappcheck", "identitytoolkit", "recaptchaenterprise"):
        assert f"{name}.googleapis.com" in local("services")
