# From Security Command Center to the function: a topic, a notification config, a push subscription of our own (that of a
# function's trigger can have no dead letter policy), and what could not be taken.

locals {
  # LOW is not filtered: findings of this detector are Low. Cloud Run's detector has the same category; the code tells
  # the two apart. OR binds tighter than AND in this language.
  filter = "category=\"Defense Evasion: Launch Code Compiler Tool In Container\" AND state=\"ACTIVE\""
  pubsub = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "findings" {
  project      = var.project
  name         = "${var.name}-findings"
  kms_key_name = var.kms_key == "" ? null : var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.apis]
}

resource "google_scc_v2_organization_notification_config" "this" {
  count        = local.level == "organizations" ? 1 : 0
  organization = local.number
  config_id    = "${var.name}-launch-code-compiler"
  description  = "Launch Code Compiler Tool In Container, to the responder."
  pubsub_topic = google_pubsub_topic.findings.id
  streaming_config {
    filter = local.filter
  }
  depends_on = [google_project_service.apis]
}

resource "google_scc_v2_folder_notification_config" "this" {
  count        = local.level == "folders" ? 1 : 0
  folder       = local.number
  config_id    = "${var.name}-launch-code-compiler"
  description  = "Launch Code Compiler Tool In Container, to the responder."
  pubsub_topic = google_pubsub_topic.findings.id
  streaming_config {
    filter = local.filter
  }
  depends_on = [google_project_service.apis]
}

resource "google_scc_v2_project_notification_config" "this" {
  count        = local.level == "projects" ? 1 : 0
  project      = local.number
  config_id    = "${var.name}-launch-code-compiler"
  description  = "Launch Code Compiler Tool In Container, to the responder."
  pubsub_topic = google_pubsub_topic.findings.id
  streaming_config {
    filter = local.filter
  }
  depends_on = [google_project_service.apis]
}

# Additive: SCC grants its agent the same on the topic by itself, and a binding of ours would take that away again.
resource "google_pubsub_topic_iam_member" "scc" {
  project = var.project
  topic   = google_pubsub_topic.findings.name
  role    = "roles/pubsub.publisher"
  member = "serviceAccount:${one(concat(
    google_scc_v2_organization_notification_config.this[*].service_account,
    google_scc_v2_folder_notification_config.this[*].service_account,
    google_scc_v2_project_notification_config.this[*].service_account,
  ))}"
}

# ---- what could not be taken ----

resource "google_pubsub_topic" "dead_letters" {
  project      = var.project
  name         = "${var.name}-dead-letters"
  kms_key_name = var.kms_key == "" ? null : var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.apis]
}

# A message that is published to a topic without a subscription is lost.
resource "google_pubsub_subscription" "dead_letters" {
  project                    = var.project
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"
  labels                     = local.labels
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead_letters" {
  project = var.project
  topic   = google_pubsub_topic.dead_letters.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub
}

resource "google_project_iam_custom_role" "analyst" {
  project     = var.project
  role_id     = "${local.role_id}DeadLetters"
  title       = local.role.analyst.title
  description = local.role.analyst.description
  permissions = local.role.analyst.includedPermissions
}

resource "google_pubsub_subscription_iam_member" "analysts" {
  for_each     = var.analysts
  project      = var.project
  subscription = google_pubsub_subscription.dead_letters.name
  role         = google_project_iam_custom_role.analyst.name
  member       = each.value
}

# ---- to the function ----

resource "google_pubsub_subscription" "findings" {
  project                    = var.project
  name                       = "${var.name}-findings"
  topic                      = google_pubsub_topic.findings.id
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"
  labels                     = local.labels
  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = 10
  }
  push_config {
    push_endpoint = google_cloudfunctions2_function.this["respond"].service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = google_cloudfunctions2_function.this["respond"].service_config[0].uri
    }
  }
  depends_on = [google_cloud_run_v2_service_iam_member.this, google_service_account_iam_member.pubsub_token]
}

# Without this the service agent cannot acknowledge what it forwards, and the message goes round for ever.
resource "google_pubsub_subscription_iam_member" "forwarding" {
  project      = var.project
  subscription = google_pubsub_subscription.findings.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

# Pub/Sub signs the OIDC token in the invoker's name.
resource "google_service_account_iam_member" "pubsub_token" {
  service_account_id = google_service_account.invoker.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub
}
