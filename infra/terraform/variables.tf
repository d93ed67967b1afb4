variable "project" {
  description = "The id of the Google Cloud project that also holds the Firebase app."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6-30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the functions run; the rewrites of firebase.json name the same. us-central1, us-east1 and us-west1 are the free tier's regions."
  type        = string
  default     = "us-central1"
}

variable "firestore_location" {
  description = "Where the database is; unset: the region of the functions. It can never be changed."
  type        = string
  default     = null
}

variable "key_providers" {
  description = "Providers whose API key is set: any of groq, cerebras, google, huggingface, elevenlabs, local."
  type        = set(string)
  default     = ["groq"]

  validation {
    condition = length(setsubtract(
      var.key_providers, ["groq", "cerebras", "google", "huggingface", "elevenlabs", "local"]
    )) == 0
    error_message = "key_providers may hold groq, cerebras, google, huggingface, elevenlabs and local."
  }
}

variable "provider_keys" {
  description = "API key of each of key_providers. Ephemeral: goes to Secret Manager, never into state or plan."
  type        = map(string)
  sensitive   = true
  ephemeral   = true

  validation {
    condition = alltrue([
      for name in var.key_providers : length(trimspace(lookup(var.provider_keys, name, ""))) > 0
    ])
    error_message = "provider_keys must hold a key for every name in key_providers."
  }
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

  validation {
    condition     = alltrue([for name in keys(var.environment) : !endswith(name, "_API_KEY")])
    error_message = "Keys belong into provider_keys, which stores them in Secret Manager."
  }

  validation {
    condition     = alltrue([for name in keys(var.environment) : !endswith(name, "_EMULATOR_HOST")])
    error_message = "A deployed function takes no emulator: it would refuse to start."
  }

  validation {
    condition     = !contains(keys(var.environment), "REQUIRE_APP_CHECK")
    error_message = "Say it by app_check: functions, database and sign-in then demand the same."
  }
}

variable "sign_in_methods" {
  description = "Ways to sign in beside other providers' accounts: any of anonymous, email, phone. Unset: as in the console."
  type        = set(string)
  default     = null

  validation {
    condition = length(setsubtract(
      coalesce(var.sign_in_methods, []), ["anonymous", "email", "phone"]
    )) == 0
    error_message = "sign_in_methods may hold anonymous, email and phone."
  }
}

variable "self_registration" {
  description = "Whether strangers may make themselves an account, anonymous ones too; needs sign_in_methods."
  type        = bool
  default     = true
}

variable "page_domains" {
  description = "Domains of pages beside the project's own two, from which users sign in and prove their app."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for domain in var.page_domains : can(regex("^[a-z0-9.-]+$", domain))])
    error_message = "page_domains are names such as chat.example.com, without https:// and without a port."
  }
}

variable "app_check_web_app" {
  description = "App id of the Firebase web app whose pages prove themselves by reCAPTCHA Enterprise; unset: none."
  type        = string
  default     = null

  validation {
    condition     = var.app_check_web_app == null || can(regex("^1:[0-9]+:web:[0-9a-f]+$", var.app_check_web_app))
    error_message = "app_check_web_app looks like 1:1234567890:web:0a1b2c."
  }
}

variable "app_check" {
  description = "What lacks an App Check token: off lets it in, log too but counts it, true refuses it."
  type        = string
  default     = "off"

  validation {
    condition     = contains(["off", "log", "true"], var.app_check)
    error_message = "app_check is off, log or true."
  }
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

variable "worker_max_instances" {
  description = "Most instances of the worker at once; each runs four jobs at a time, three of them interactive."
  type        = number
  default     = 3
}
