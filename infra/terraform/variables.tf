variable "project" {
  description = "The Google Cloud project that also holds the Firebase app."
  type        = string
}

variable "region" {
  description = "Where the functions run. us-central1, us-east1 and us-west1 are the free tier's regions."
  type        = string
  default     = "us-central1"
}

variable "key_providers" {
  description = "Providers whose API key is set: any of groq, cerebras, google, huggingface, elevenlabs."
  type        = set(string)
  default     = ["groq"]

  validation {
    condition = length(setsubtract(
      var.key_providers, ["groq", "cerebras", "google", "huggingface", "elevenlabs"]
    )) == 0
    error_message = "key_providers may hold groq, cerebras, google, huggingface and elevenlabs."
  }
}

variable "provider_keys" {
  description = "API key of each of key_providers. Ephemeral: goes to Secret Manager, never into state or plan."
  type        = map(string)
  sensitive   = true
  ephemeral   = true
}

variable "provider_keys_version" {
  description = "Raise by one to store the given keys as new secret versions."
  type        = number
  default     = 1
}

variable "environment" {
  description = "Further environment of the functions (PAID_PROVIDERS, ALLOWED_ORIGINS, LOG_LEVEL ...; see docs/environment.md)."
  type        = map(string)
  default     = {}
}

variable "chat_max_instances" {
  description = "Most instances of the chat function at once; each takes 80 requests at a time."
  type        = number
  default     = 10
}

variable "chat_min_instances" {
  description = "Instances kept warm; 0 costs nothing and starts cold."
  type        = number
  default     = 0
}
