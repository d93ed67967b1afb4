# Archives of the functions, as `make package` builds them: main.py, shared/ and requirements.txt.
resource "google_storage_bucket" "source" {
  name                        = "${var.project}-codeex-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  # An archive can be built again at any time; keeping deleted ones for a week would only be billed.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.used]
}

locals {
  archive_dir = "${path.module}/../../build/functions"
}

resource "google_storage_bucket_object" "source" {
  for_each = local.functions

  # The hash in the name makes a changed archive a new deployment.
  name   = "${each.key}-${filemd5("${local.archive_dir}/${replace(each.key, "-", "_")}.zip")}.zip"
  bucket = google_storage_bucket.source.name
  source = "${local.archive_dir}/${replace(each.key, "-", "_")}.zip"
}

# Images of past deployments pile up and are billed beyond 0.5 GB: keep the last of
# each function. (Cloud Run keeps a copy of what serves.)
resource "google_artifact_registry_repository" "functions" {
  location               = var.region
  repository_id          = "codeex-functions"
  description            = "Images of CODEEX Router's functions"
  format                 = "DOCKER"
  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-last"
    action = "KEEP"
    most_recent_versions {
      keep_count = 1
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "86400s"
    }
  }

  depends_on = [google_project_service.used]
}
