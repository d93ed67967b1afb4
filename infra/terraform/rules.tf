# Who may read and write what by the Firebase SDKs: ../../firestore.rules and ../../storage.rules. No
# rule binds the functions, which come with accounts of their own (access.tf).
resource "google_firebaserules_ruleset" "rules" {
  for_each = toset(["firestore", "storage"])

  source {
    files {
      name    = "${each.key}.rules"
      content = file("${path.module}/../../${each.key}.rules")
    }
  }

  # A ruleset that is released cannot be deleted: the new one is made, released, then the old one goes.
  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_project_service.used]
}

# A changed ruleset makes a new release, since the provider cannot change one: in the second between,
# Firestore has no rules and lets no client in.
resource "google_firebaserules_release" "firestore" {
  name         = "cloud.firestore"
  ruleset_name = "projects/${var.project}/rulesets/${google_firebaserules_ruleset.rules["firestore"].name}"

  depends_on = [google_firestore_database.default]
}

# The bucket is not linked to Firebase, so that its clients do not reach it; should somebody link it,
# it is closed.
resource "google_firebaserules_release" "storage" {
  name         = "firebase.storage/${google_storage_bucket.media.name}"
  ruleset_name = "projects/${var.project}/rulesets/${google_firebaserules_ruleset.rules["storage"].name}"
}
