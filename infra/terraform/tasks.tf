# What calls the private functions: Cloud Tasks the worker, Cloud Scheduler health-cron. Both do it in
# the name of one account, which only they may be called by and which the functions know by its
# e-mail (TASKS_SERVICE_ACCOUNT).
locals {
  tasks_queue = "codeex"

  # A task is a ticket for the best job of its queue. Together they send no more at a time than the
  # worker takes (four an instance); bulk work has a quarter of it.
  queues = {
    interactive = {
      name          = local.tasks_queue
      concurrent    = 3 * var.worker_max_instances
      most_a_second = 50
    }
    # The name the functions derive from TASKS_QUEUE (shared/composition/stores.py).
    bulk = {
      name          = "${local.tasks_queue}-bulk"
      concurrent    = var.worker_max_instances
      most_a_second = 5
    }
  }
}

resource "google_cloud_tasks_queue" "queue" {
  for_each = local.queues

  name     = each.value.name
  location = var.region

  rate_limits {
    max_concurrent_dispatches = each.value.concurrent
    max_dispatches_per_second = each.value.most_a_second
  }

  # From 1 s doubling to a minute, as under `make run`, for an hour and a half. The job stays queued
  # whatever becomes of its ticket: the sweep of health-cron makes a new one. Without an end, the
  # tickets would pile up while the worker is broken.
  retry_config {
    max_attempts  = 100
    min_backoff   = "1s"
    max_backoff   = "60s"
    max_doublings = 6
  }

  depends_on = [google_project_service.used]
}

resource "google_service_account" "tasks" {
  account_id   = "codeex-tasks"
  display_name = "Calls the private functions of CODEEX Router"

  depends_on = [google_project_service.used]
}

resource "google_cloud_run_service_iam_member" "tasks_call_worker" {
  location = var.region
  service  = google_cloudfunctions2_function.function["worker"].name
  role     = "roles/run.invoker"
  member   = google_service_account.tasks.member
}

resource "google_cloud_run_service_iam_member" "schedule_calls_health_cron" {
  location = var.region
  service  = google_cloudfunctions2_function.function["health-cron"].name
  role     = "roles/run.invoker"
  member   = google_service_account.tasks.member
}

resource "google_cloud_scheduler_job" "health" {
  name             = "codeex-health"
  region           = var.region
  description      = "Finds work of CODEEX Router whose task was lost"
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "55s"

  # The next run comes soon enough.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = "https://health-cron-${local.run_host}/cron/health"

    oidc_token {
      service_account_email = google_service_account.tasks.email
      audience              = "https://health-cron-${local.run_host}"
    }
  }

  depends_on = [
    google_cloud_run_service_iam_member.schedule_calls_health_cron,
    google_project_service.used,
  ]
}
