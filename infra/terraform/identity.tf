# How users sign in, and how their apps prove to be ours. Both stay as they are in the project until
# a variable says more: what is set by hand is not taken over unasked.
locals {
  page_domains = concat(["${var.project}.web.app", "${var.project}.firebaseapp.com"], var.page_domains)

  # App Check protects these where it is on; Authentication offers it with Identity Platform only.
  app_check_services = concat(
    ["firestore.googleapis.com"],
    var.sign_in_methods == null ? [] : ["identitytoolkit.googleapis.com"],
  )
}

# Makes Firebase Authentication one with Identity Platform, for good: this can be forgotten by
# Terraform, not undone.
resource "google_identity_platform_config" "users" {
  count = var.sign_in_methods == null ? 0 : 1

  authorized_domains = local.page_domains

  # All three are stated, because Google takes the block whole. Providers such as Google or Apple
  # hold secrets of their owner and are set up by hand (docs/deploy.md).
  sign_in {
    allow_duplicate_emails = false

    anonymous {
      enabled = contains(var.sign_in_methods, "anonymous")
    }
    email {
      enabled           = contains(var.sign_in_methods, "email")
      password_required = true
    }
    phone_number {
      enabled = contains(var.sign_in_methods, "phone")
    }
  }

  client {
    permissions {
      disabled_user_signup = !var.self_registration
    }
  }

  depends_on = [google_project_service.used]
}

# What a page proves itself with. The key is public; it works on the pages' domains alone.
resource "google_recaptcha_enterprise_key" "pages" {
  count = var.app_check_web_app == null ? 0 : 1

  display_name = "Pages of CODEEX Router"

  web_settings {
    integration_type = "SCORE"
    allowed_domains  = local.page_domains
  }

  depends_on = [google_project_service.used]
}

resource "google_firebase_app_check_recaptcha_enterprise_config" "pages" {
  count = var.app_check_web_app == null ? 0 : 1

  app_id    = var.app_check_web_app
  site_key  = google_recaptcha_enterprise_key.pages[0].name
  token_ttl = "3600s"
}

# What the functions demand (REQUIRE_APP_CHECK, functions.tf) is demanded of listeners and sign-ins.
resource "google_firebase_app_check_service_config" "service" {
  for_each = toset(var.app_check == "off" ? [] : local.app_check_services)

  service_id       = each.key
  enforcement_mode = var.app_check == "true" ? "ENFORCED" : "UNENFORCED"

  depends_on = [google_identity_platform_config.users, google_project_service.used]
}
