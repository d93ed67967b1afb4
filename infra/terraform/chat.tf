# The chat function: POST /v1/chat/completions and its neighbours (docs/openapi.json).
resource "google_service_account" "chat" {
  account_id   = "codeex-chat"
  display_name = "Runs the chat function of CODEEX Router"

  depends_on = [google_project_service.used]
}

resource "google_cloudfunctions2_function" "chat" {
  name        = "chat"
  location    = var.region
  description = "CODEEX Router: chat, models, routing plans, embeddings"

  build_config {
    runtime           = "python311"
    entry_point       = "chat"
    docker_repository = google_artifact_registry_repository.functions.id
    service_account   = google_service_account.build.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.chat_source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.chat.email
    # A streamed request may take 300 s by default and 540 s at most (codeex.deadline_seconds).
    timeout_seconds = 560
    # More than one request at a time needs one vCPU or more.
    available_cpu = "1"
    # An idle instance takes under 100 MB; the rest is for large bodies (24 MiB each at most).
    # Free as long as the vCPU is: the free tier has twice as many GiB-seconds as vCPU-seconds.
    available_memory                 = "1Gi"
    max_instance_request_concurrency = 80
    min_instance_count               = var.chat_min_instances
    max_instance_count               = var.chat_max_instances
    ingress_settings                 = "ALLOW_ALL"
    all_traffic_on_latest_revision   = true

    environment_variables = merge(var.environment, {
      GOOGLE_CLOUD_PROJECT = var.project
      # Every line of ours carries a request id; the platform's own would be set up on each request.
      LOG_EXECUTION_ID = "false"
    })

    dynamic "secret_environment_variables" {
      for_each = var.key_providers

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

# Public at the network, closed at the door: every path but /health wants a Firebase ID token.
resource "google_cloud_run_service_iam_member" "chat_public" {
  location = var.region
  service  = google_cloudfunctions2_function.chat.name
  role     = "roles/run.invoker"
  member   = "allUsers"
}
