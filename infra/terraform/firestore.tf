# The database all instances share. A project has one `(default)`, which cannot be made twice: one
# that is there already is imported (docs/deploy.md, A database that is there already).
resource "google_firestore_database" "default" {
  name        = "(default)"
  location_id = coalesce(var.firestore_location, var.region)
  type        = "FIRESTORE_NATIVE"

  # The users' data outlives the deployment: `destroy` forgets the database and leaves it in place,
  # and nobody deletes it without lifting the protection first.
  delete_protection_state = "DELETE_PROTECTION_ENABLED"
  deletion_policy         = "ABANDON"

  depends_on = [google_project_service.used]
}

locals {
  # Collections whose documents go at their `expires_at`; the embedded store reads the same list.
  expiring = jsondecode(file("${path.module}/../../shared/storage/expiring.json"))

  # Long texts and wide tables that no query asks for: their indexes would only be paid for.
  not_indexed = {
    answers-body     = { collection = "answer_parts", field = "body" }
    answers-request  = { collection = "idempotency", field = "request" }
    jobs-error       = { collection = "jobs", field = "error" }
    jobs-payload     = { collection = "jobs", field = "payload" }
    jobs-result      = { collection = "jobs", field = "result" }
    stats-categories = { collection = "stats", field = "categories" }
    stats-incidents  = { collection = "stats", field = "incidents" }
    stats-models     = { collection = "stats", field = "models" }
    stats-providers  = { collection = "stats", field = "providers" }
    stats-writers    = { collection = "stats", field = "writers" }
    steps-result     = { collection = "steps", field = "result" }
  }
}

# TTL by a timestamp that only grows: its own index would be one hot spot, and no query asks for it.
resource "google_firestore_field" "expires_at" {
  for_each = local.expiring

  database   = google_firestore_database.default.name
  collection = each.key
  field      = "expires_at"

  index_config {}
  ttl_config {}
}

resource "google_firestore_field" "not_indexed" {
  for_each = local.not_indexed

  database   = google_firestore_database.default.name
  collection = each.value.collection
  field      = each.value.field

  index_config {}
}

# What is asked of the jobs of all users (shared/jobs/store.py): the worker wants the best queued one,
# a queued one its place in line.
resource "google_firestore_index" "jobs_in_line" {
  database    = google_firestore_database.default.name
  collection  = "jobs"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "state"
    order      = "ASCENDING"
  }
  fields {
    field_path = "queue"
    order      = "ASCENDING"
  }
  fields {
    field_path = "priority"
    order      = "DESCENDING"
  }
  fields {
    field_path = "created"
    order      = "ASCENDING"
  }
}

# Where the best are held back, the worker asks for those that may run.
resource "google_firestore_index" "jobs_ready" {
  database    = google_firestore_database.default.name
  collection  = "jobs"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "state"
    order      = "ASCENDING"
  }
  fields {
    field_path = "queue"
    order      = "ASCENDING"
  }
  fields {
    field_path = "not_before"
    order      = "ASCENDING"
  }
}

# And the sweep wants those whose ticket or worker was lost.
resource "google_firestore_index" "jobs_due" {
  database    = google_firestore_database.default.name
  collection  = "jobs"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "state"
    order      = "ASCENDING"
  }
  fields {
    field_path = "due"
    order      = "ASCENDING"
  }
}

# What was refused for safety, of all users or of one, newest first (shared/safety/violations.py). A
# single field is indexed by itself, but for one collection only.
resource "google_firestore_field" "violations_at" {
  database   = google_firestore_database.default.name
  collection = "violations"
  field      = "at"

  index_config {
    indexes {
      order       = "DESCENDING"
      query_scope = "COLLECTION"
    }
    indexes {
      order       = "DESCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}

resource "google_firestore_index" "violations_by_category" {
  database    = google_firestore_database.default.name
  collection  = "violations"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "category"
    order      = "ASCENDING"
  }
  fields {
    field_path = "at"
    order      = "DESCENDING"
  }
}

resource "google_firestore_index" "violations_by_stage" {
  database    = google_firestore_database.default.name
  collection  = "violations"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "stage"
    order      = "ASCENDING"
  }
  fields {
    field_path = "at"
    order      = "DESCENDING"
  }
}

resource "google_firestore_index" "violations_by_both" {
  database    = google_firestore_database.default.name
  collection  = "violations"
  query_scope = "COLLECTION_GROUP"

  fields {
    field_path = "category"
    order      = "ASCENDING"
  }
  fields {
    field_path = "stage"
    order      = "ASCENDING"
  }
  fields {
    field_path = "at"
    order      = "DESCENDING"
  }
}
