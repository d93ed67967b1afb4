output "chat_url" {
  description = "The chat function's own address: use it for streams and for calls over 60 s."
  value       = google_cloudfunctions2_function.function["chat"].service_config[0].uri
}

output "jobs_url" {
  description = "The jobs function's own address."
  value       = google_cloudfunctions2_function.function["jobs"].service_config[0].uri
}

output "admin_url" {
  description = "The admin function's own address."
  value       = google_cloudfunctions2_function.function["admin"].service_config[0].uri
}

output "recaptcha_site_key" {
  description = "What pages start App Check with; null without app_check_web_app. Public."
  value       = one(google_recaptcha_enterprise_key.pages[*].name)
}

output "worker_url" {
  description = "Where Cloud Tasks calls the worker; from anywhere else it answers 403 or 404."
  value       = "https://worker-${local.run_host}"
}
