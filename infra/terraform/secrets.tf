# One secret per provider key (R18.1). Six active versions are free. The value is write-only: it is
# in Secret Manager and nowhere else, neither in the state nor in a plan.
resource "google_secret_manager_secret" "provider_key" {
  for_each = var.key_providers

  secret_id = "codeex-${each.value}-api-key"

  replication {
    auto {}
  }

  depends_on = [google_project_service.used]
}

resource "google_secret_manager_secret_version" "provider_key" {
  for_each = var.key_providers

  secret                 = google_secret_manager_secret.provider_key[each.value].id
  secret_data_wo         = var.provider_keys[each.value]
  secret_data_wo_version = var.provider_keys_version

  # A new key is stored, then the functions are moved to it, then the old version is destroyed:
  # no instance starts in between without a key. Versions merely disabled would be billed.
  lifecycle {
    create_before_destroy = true
  }
}

# Who calls providers may read these secrets (access.tf), and no others in the project.
resource "google_secret_manager_secret_iam_member" "chat_reads_key" {
  for_each = var.key_providers

  secret_id = google_secret_manager_secret.provider_key[each.value].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function["chat"].member
}

resource "google_secret_manager_secret_iam_member" "worker_reads_key" {
  for_each = var.key_providers

  secret_id = google_secret_manager_secret.provider_key[each.value].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function["worker"].member
}
