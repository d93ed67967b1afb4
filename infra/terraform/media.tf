# Payloads and results too large for a document, and later pictures, sound and videos.
resource "google_storage_bucket" "media" {
  name                        = "${var.project}-codeex-media"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # What a user deletes is gone, not kept for a week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # What belongs to a job goes after it: a job that does not end expires after 30 days, and what one
  # is given is as old as the job. A result is written at its end and kept for a week from then
  # (shared/jobs/job.py).
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 31
      matches_prefix = ["jobs/"]
    }
  }

  # Pieces of uploads that never ended.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # Pages follow signed links to results.
  cors {
    origin          = ["https://${var.project}.web.app", "https://${var.project}.firebaseapp.com"]
    method          = ["GET", "HEAD"]
    response_header = ["Content-Type", "Content-Length", "ETag"]
    max_age_seconds = 3600
  }

  depends_on = [google_project_service.used]
}
