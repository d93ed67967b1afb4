# What each function may do beyond serving, and no more. Who holds keys: secrets.tf.
locals {
  # Who calls providers and so gets their keys: the worker runs what had to wait.
  calls_providers = ["chat", "worker"]
  # Who makes work for the worker: a chat that must wait, the next step of a job, lost work found.
  enqueues = ["chat", "worker", "health-cron"]
  # Who writes and reads large payloads and results, and gives out links to them.
  keeps_media = ["chat", "jobs", "worker"]
  # Who is called by users, and looks their accounts up (CHECK_REVOKED) or has an App Check token used
  # up (a captcha block is cleared).
  judges_callers = [for name, function in local.functions : name if function.public]
  # As the functions read it (shared/settings.py).
  checks_revoked = contains(["1", "true", "yes", "on"], lower(lookup(var.environment, "CHECK_REVOKED", "")))
}

resource "google_project_iam_member" "uses_firestore" {
  for_each = local.functions

  project = var.project
  role    = "roles/datastore.user"
  member  = google_service_account.function[each.key].member
}

resource "google_storage_bucket_iam_member" "uses_media" {
  for_each = toset(local.keeps_media)

  bucket = google_storage_bucket.media.name
  role   = "roles/storage.objectUser"
  member = google_service_account.function[each.key].member
}

# A link is signed by IAM in the account's own name: on Cloud Run there is no key to sign with.
resource "google_service_account_iam_member" "signs_links" {
  for_each = toset(local.keeps_media)

  service_account_id = google_service_account.function[each.key].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.function[each.key].member
}

# Whether an account is disabled or signed out stands beside its e-mail and its sign-ins: readable only
# where the functions are told to look.
resource "google_project_iam_member" "looks_up_accounts" {
  for_each = toset(local.checks_revoked ? local.judges_callers : [])

  project = var.project
  role    = "roles/firebaseauth.viewer"
  member  = google_service_account.function[each.key].member
}

resource "google_project_iam_member" "uses_up_app_check_tokens" {
  for_each = toset(local.judges_callers)

  project = var.project
  role    = "roles/firebaseappcheck.tokenVerifier"
  member  = google_service_account.function[each.key].member
}

resource "google_cloud_tasks_queue_iam_member" "enqueues" {
  for_each = {
    for pair in setproduct(keys(local.queues), local.enqueues) :
    "${pair[0]}-${pair[1]}" => { queue = pair[0], function = pair[1] }
  }

  location = google_cloud_tasks_queue.queue[each.value.queue].location
  name     = google_cloud_tasks_queue.queue[each.value.queue].name
  role     = "roles/cloudtasks.enqueuer"
  member   = google_service_account.function[each.value.function].member
}

# A task is sent in the name of an account; whoever makes one must be allowed to act as that account.
resource "google_service_account_iam_member" "acts_as_tasks" {
  for_each = toset(local.enqueues)

  service_account_id = google_service_account.tasks.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.function[each.key].member
}
