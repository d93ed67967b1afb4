# One secret per provider key (R18.1). Six secret versions are free. The value is write-only: it is
# in Secret Manager and nowhere else.
resource "google_secret_manager_secret" "provider_key" {
  for_each = var.key_providers

  secret_id = "${each.value}-api-key"

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
  deletion_policy        = "DISABLE"
}

# The chat function may read these secrets and no others.
resource "google_secret_manager_secret_iam_member" "chat_reads_key" {
  for_each = var.key_providers

  secret_id = google_secret_manager_secret.provider_key[each.value].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.chat.member
}
