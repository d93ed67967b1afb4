# Where things stood while chat was the only function: a deployment of that time is kept, not remade.
moved {
  from = google_service_account.chat
  to   = google_service_account.function["chat"]
}

moved {
  from = google_cloudfunctions2_function.chat
  to   = google_cloudfunctions2_function.function["chat"]
}

moved {
  from = google_storage_bucket_object.chat_source
  to   = google_storage_bucket_object.source["chat"]
}

moved {
  from = google_cloud_run_service_iam_member.chat_public
  to   = google_cloud_run_service_iam_member.public["chat"]
}
