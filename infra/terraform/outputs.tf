output "chat_url" {
  description = "The chat function's own address: use it for streams and for calls over 60 s."
  value       = google_cloudfunctions2_function.chat.service_config[0].uri
}
