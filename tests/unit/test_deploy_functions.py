"""Who may call which deployed function, what each may do, and the queues between them."""

from __future__ import annotations

import re

import pytest

from infra.functions import Deployed, Row, deployed, table
from infra.hcl import Block, Value, literal, load_folder
from infra.house_rules import EVERYBODY
from infra.provider_facts import TERRAFORM
from local.private_functions import QUEUES, SWEEP_EVERY_S, SWEEP_PATH
from shared.composition.stores import BULK, INTERACTIVE
from shared.jobs.content import folder
from shared.jobs.job import DAY_S, KEPT_S, UNFINISHED_S
from shared.settings import load_settings
from shared.storage.tasks import DISPATCH_DEADLINE_S

BLOCKS = load_folder(TERRAFORM)
DEPLOYED = {one.name: one for one in deployed(BLOCKS)}
# The contract, One address: "Not public, reached only with their service account's token".
PRIVATE = {"worker", "health-cron"}


def resources(kind: str) -> dict[str, Block]:
    """The resources of a type, by name."""
    return {b.labels[1]: b for b in BLOCKS if b.kind == "resource" and b.labels[0] == kind}


def local(name: str) -> Value:
    (found,) = [b.attributes[name] for b in BLOCKS if b.kind == "locals" and name in b.attributes]
    return found


def names_in(name: str) -> set[str]:
    """A local list of functions."""
    value = local(name)
    assert isinstance(value, list)
    return {str(literal(item)) for item in value}


def queues() -> dict[str, Row]:
    found = table(BLOCKS, "${local.queues}")
    assert found is not None
    return found


def timeout_s(function: Deployed) -> int:
    value = function.service["timeout_seconds"]
    assert isinstance(value, int)
    return value


def seconds(value: Value) -> float:
    match = re.fullmatch(r"(\d+)s", str(literal(value)))
    assert match is not None
    return float(match[1])


def test_private_functions_take_nothing_from_outside() -> None:
    closed = {
        name
        for name, one in DEPLOYED.items()
        if literal(one.service["ingress_settings"]) == "ALLOW_INTERNAL_ONLY"
    }
    assert closed == PRIVATE


def test_private_functions_have_one_caller_and_everybody_may_call_the_others() -> None:
    """The account they know by its e-mail (TASKS_SERVICE_ACCOUNT)."""
    invokers = {
        str(block.attributes["service"]): str(literal(block.attributes["member"]))
        for block in resources("google_cloud_run_service_iam_member").values()
        if literal(block.attributes["role"]) == "roles/run.invoker"
    }
    service = "${google_cloudfunctions2_function.function[%s].name}"
    assert invokers == {
        service % "each.key": "allUsers",
        service % '"worker"': "${google_service_account.tasks.member}",
        service % '"health-cron"': "${google_service_account.tasks.member}",
    }
    public = resources("google_cloud_run_service_iam_member")["public"]
    assert "in local.functions" in str(public.attributes["for_each"])
    assert str(public.attributes["for_each"]).endswith("if function.public}}")
    for block in BLOCKS:
        if literal(block.attributes.get("member")) in EVERYBODY:
            assert block is public


def test_functions_run_as_accounts_of_their_own() -> None:
    for name, one in DEPLOYED.items():
        wanted = f'${{google_service_account.function["{name}"].email}}'
        assert one.service["service_account_email"] == wanted


def test_worker_answers_as_long_as_cloud_tasks_waits_four_at_a_time() -> None:
    """CONTRACT, One address: 1,800 s, four at a time."""
    worker = DEPLOYED["worker"]
    assert timeout_s(worker) == DISPATCH_DEADLINE_S == 1_800
    assert worker.service["max_instance_request_concurrency"] == 4
    assert worker.service["max_instance_count"] == "${var.worker_max_instances}"


def test_queues_send_no_more_than_the_worker_takes() -> None:
    shares = {name: str(row["concurrent"]) for name, row in queues().items()}
    # Of the four an instance takes.
    assert shares == {
        INTERACTIVE: "${3 * var.worker_max_instances}",
        BULK: "${var.worker_max_instances}",
    }


def test_queues_are_named_as_the_functions_name_them() -> None:
    """TASKS_QUEUE and beside it the bulk queue (shared/composition/stores.py)."""
    assert str(local("tasks_queue")) == '"codeex"'
    assert {name: str(row["name"]) for name, row in queues().items()} == {
        INTERACTIVE: "${local.tasks_queue}",
        BULK: '"${local.tasks_queue}-bulk"',
    }


def test_failed_tickets_come_back_as_under_make_run_and_end() -> None:
    (retry,) = resources("google_cloud_tasks_queue")["queue"].inner("retry_config")
    for queue in QUEUES:
        assert seconds(retry.attributes["min_backoff"]) == queue.retry.min_backoff_s
        assert seconds(retry.attributes["max_backoff"]) == queue.retry.max_backoff_s
        assert retry.attributes["max_doublings"] == queue.retry.max_doublings
    assert {queue.name for queue in QUEUES} == queues().keys()
    assert retry.attributes["max_attempts"] == 100


def test_who_enqueues_may_act_as_the_account_that_calls() -> None:
    acts = resources("google_service_account_iam_member")["acts_as_tasks"].attributes
    assert acts["for_each"] == "${toset(local.enqueues)}"
    assert literal(acts["role"]) == "roles/iam.serviceAccountUser"
    assert acts["service_account_id"] == "${google_service_account.tasks.name}"
    enqueues = resources("google_cloud_tasks_queue_iam_member")["enqueues"].attributes
    assert "setproduct(keys(local.queues), local.enqueues)" in str(enqueues["for_each"])
    assert literal(enqueues["role"]) == "roles/cloudtasks.enqueuer"
    assert names_in("enqueues") <= DEPLOYED.keys()


def test_keys_are_read_by_those_that_call_providers() -> None:
    readers = {
        re.findall(r'function\["([\w-]+)"\]', str(block.attributes["member"]))[0]
        for block in resources("google_secret_manager_secret_iam_member").values()
    }
    assert readers == names_in("calls_providers")


def test_links_are_signed_by_those_that_keep_media() -> None:
    for kind, name in (
        ("google_storage_bucket_iam_member", "uses_media"),
        ("google_service_account_iam_member", "signs_links"),
    ):
        assert resources(kind)[name].attributes["for_each"] == "${toset(local.keeps_media)}"
    assert names_in("keeps_media") <= DEPLOYED.keys()


def test_blobs_of_a_job_outlive_it_and_no_longer_than_said() -> None:
    """A payload may be as old as the job; a result is as old as the job's end."""
    (rule, _) = resources("google_storage_bucket")["media"].inner("lifecycle_rule")
    condition = rule.inner("condition")[0].attributes
    days = condition["age"]
    assert isinstance(days, int)
    # A day for those who are late: the bucket's rule runs by the day, a job's last try by the hour.
    assert days * DAY_S == UNFINISHED_S + DAY_S
    assert days * DAY_S > KEPT_S
    assert condition["matches_prefix"] == ['"jobs/"']
    assert folder("u", "job_1").startswith("jobs/")


def test_schedule_calls_the_sweep_every_minute_and_waits_for_it() -> None:
    job = resources("google_cloud_scheduler_job")["health"]
    assert literal(job.attributes["schedule"]) == "* * * * *"
    assert SWEEP_EVERY_S == 60.0
    (target,) = job.inner("http_target")
    assert literal(target.attributes["http_method"]) == "POST"
    assert target.attributes["uri"] == f'"https://health-cron-${{local.run_host}}{SWEEP_PATH}"'
    (token,) = target.inner("oidc_token")
    assert token.attributes["audience"] == '"https://health-cron-${local.run_host}"'
    assert token.attributes["service_account_email"] == "${google_service_account.tasks.email}"
    limit = timeout_s(DEPLOYED["health-cron"])
    assert seconds(job.attributes["attempt_deadline"]) == limit < SWEEP_EVERY_S


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_every_function_is_told_where_everything_is(name: str) -> None:
    text = str(DEPLOYED[name].service["environment_variables"])
    told = set(re.findall(r"\b([A-Z_]+) = ", text))
    assert told == {
        "GOOGLE_CLOUD_PROJECT",
        "LOG_EXECUTION_ID",
        "MEDIA_BUCKET",
        "REQUIRE_APP_CHECK",
        "TASKS_LOCATION",
        "TASKS_QUEUE",
        "TASKS_SERVICE_ACCOUNT",
        "WORKER_URL",
    }
    # The contract, Not public: no function waits for another to be made to know its address.
    assert 'WORKER_URL = "https://worker-${local.run_host}"' in text
    assert local("run_host") == '"${data.google_project.this.number}.${var.region}.run.app"'


def test_what_is_told_is_taken() -> None:
    settings = load_settings(
        {
            "GOOGLE_CLOUD_PROJECT": "a-project",
            "MEDIA_BUCKET": "a-project-codeex-media",
            "TASKS_LOCATION": "us-central1",
            "TASKS_QUEUE": "codeex",
            "TASKS_SERVICE_ACCOUNT": "codeex-tasks@a-project.iam.gserviceaccount.com",
            "WORKER_URL": "https://worker-123.us-central1.run.app",
        }
    )
    assert settings.media_bucket == "a-project-codeex-media"
    assert settings.tasks_service_account == "codeex-tasks@a-project.iam.gserviceaccount.com"
    assert settings.worker_url == "https://worker-123.us-central1.run.app"
