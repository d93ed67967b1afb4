# The functions, a row each; what follows makes of every row an account, an archive and a service.
locals {
  functions = {
    # A streamed request may take 300 s by default and 540 s at most (codeex.deadline_seconds). An
    # idle instance takes under 140 MB; the rest is for large bodies (24 MiB each at most). 1 GiB is
    # free as long as the vCPU is: the free tier has twice as many GiB-seconds as vCPU-seconds.
    chat = {
      description   = "CODEEX Router: chat, models, routing plans, embeddings, moderations"
      public        = true
      timeout       = 560
      memory        = "1Gi"
      concurrency   = 80
      min_instances = var.chat_min_instances
      max_instances = var.chat_max_instances
    }
    # Hosting ends what it passes on after 60 s; nothing here takes as long.
    jobs = {
      description   = "CODEEX Router: durable work, for those who own it"
      public        = true
      timeout       = 60
      memory        = "512Mi"
      concurrency   = 80
      min_instances = 0
      max_instances = 5
    }
    admin = {
      description   = "CODEEX Router: what administrators see and change"
      public        = true
      timeout       = 60
      memory        = "512Mi"
      concurrency   = 40
      min_instances = 0
      max_instances = 2
    }
    # As long as Cloud Tasks waits for an answer, four at a time (contract, One address).
    worker = {
      description   = "CODEEX Router: runs durable work, called by Cloud Tasks"
      public        = false
      timeout       = 1800
      memory        = "1Gi"
      concurrency   = 4
      min_instances = 0
      max_instances = var.worker_max_instances
    }
    # Ends before it is called again.
    health-cron = {
      description   = "CODEEX Router: finds lost work, called by Cloud Scheduler"
      public        = false
      timeout       = 55
      memory        = "512Mi"
      concurrency   = 1
      min_instances = 0
      max_instances = 1
    }
  }

  # Cloud Run gives every service this address too, known before there is one: so no function waits
  # for another, or for itself, to be made.
  run_host = "${data.google_project.this.number}.${var.region}.run.app"
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = "codeex-${each.key}"
  display_name = "Runs the ${each.key} function of CODEEX Router"

  depends_on = [google_project_service.used]
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  name        = each.key
  location    = var.region
  description = each.value.description

  build_config {
    runtime           = "python311"
    entry_point       = replace(each.key, "-", "_")
    docker_repository = google_artifact_registry_repository.functions.id
    service_account   = google_service_account.build.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source[each.key].name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.function[each.key].email
    timeout_seconds       = each.value.timeout
    # More than one request at a time needs one vCPU or more.
    available_cpu                    = "1"
    available_memory                 = each.value.memory
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    # Cloud Tasks and Cloud Scheduler of the same project count as internal at a run.app address.
    ingress_settings               = each.value.public ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision = true

    environment_variables = merge(var.environment, {
      GOOGLE_CLOUD_PROJECT  = var.project
      MEDIA_BUCKET          = google_storage_bucket.media.name
      REQUIRE_APP_CHECK     = var.app_check
      TASKS_LOCATION        = var.region
      TASKS_QUEUE           = local.tasks_queue
      TASKS_SERVICE_ACCOUNT = google_service_account.tasks.email
      WORKER_URL            = "https://worker-${local.run_host}"
      # Every line of ours carries a request id; the platform's own would be set up on each request.
      LOG_EXECUTION_ID = "false"
    })

    dynamic "secret_environment_variables" {
      for_each = [for name in sort(var.key_providers) : name if contains(local.calls_providers, each.key)]

      content {
        key        = "${upper(secret_environment_variables.value)}_API_KEY"
        project_id = var.project
        secret     = google_secret_manager_secret.provider_key[secret_environment_variables.value].secret_id
        version    = google_secret_manager_secret_version.provider_key[secret_environment_variables.value].version
      }
    }
  }

  depends_on = [time_sleep.grants]
}

# Public at the network, closed at the door: every path but /health wants a Firebase ID token. The
# others are open to the one account that Cloud Tasks and Cloud Scheduler call with (tasks.tf).
resource "google_cloud_run_service_iam_member" "public" {
  for_each = { for name, function in local.functions : name => function if function.public }

  location = var.region
  service  = google_cloudfunctions2_function.function[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}
