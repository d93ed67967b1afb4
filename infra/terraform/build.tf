# Who builds the functions: an account of its own instead of the project's default one. It may write
# logs, read the archives and push images, as "Custom service account for Cloud Build" asks
# (https://cloud.google.com/functions/docs/securing/build-custom-sa).
resource "google_service_account" "build" {
  account_id   = "codeex-build"
  display_name = "Builds the functions of CODEEX Router"

  depends_on = [google_project_service.used]
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

resource "google_storage_bucket_iam_member" "build_reads_source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

# Cloud Functions stages the archive in a bucket of its own (gcf-v2-sources-...), which exists
# only after the first deployment: hence a condition on the name instead of a grant on the bucket.
resource "google_project_iam_member" "build_reads_staged_source" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member

  condition {
    title      = "staged function sources"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\")"
  }
}

resource "google_artifact_registry_repository_iam_member" "build_pushes" {
  location   = google_artifact_registry_repository.functions.location
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# A grant takes effect a while after it is made; a build or a start that comes sooner fails. Waits
# at the first deployment and whenever a function or a provider's key is added.
resource "time_sleep" "grants" {
  create_duration = "60s"

  triggers = {
    builder   = google_service_account.build.email
    functions = join(",", [for account in google_service_account.function : account.email])
    keys      = join(",", sort(var.key_providers))
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_pushes,
    google_cloud_tasks_queue_iam_member.enqueues,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_reads_staged_source,
    google_project_iam_member.looks_up_accounts,
    google_project_iam_member.uses_firestore,
    google_project_iam_member.uses_up_app_check_tokens,
    google_secret_manager_secret_iam_member.chat_reads_key,
    google_secret_manager_secret_iam_member.worker_reads_key,
    google_service_account_iam_member.acts_as_tasks,
    google_service_account_iam_member.signs_links,
    google_storage_bucket_iam_member.build_reads_source,
    google_storage_bucket_iam_member.uses_media,
  ]
}
