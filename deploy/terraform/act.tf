# The third function: it alone may copy files out of containers and delete pods, and only where policy.toml and the
# RBAC of a cluster both say so. It is given nothing but the id of a record. Absent unless with_act.

locals {
  has_actions = var.with_act
  act         = var.with_act ? { act = true } : {}
  acting = { for key in keys(local.act) : key => {
    description = "The id of a record in; what policy allows is done, and looked at."
    account     = google_service_account.act[key].email
    settings = merge(local.settings, {
      RESPONDER_ACTIONS    = "firestore:${var.project}/${google_firestore_database.actions[0].name}"
      RESPONDER_EVIDENCE   = "gs://${google_storage_bucket.evidence[0].name}"
      RESPONDER_COLLECTOR  = google_service_account.collector[key].email
      RESPONDER_REMEDIATOR = google_service_account.remediator[key].email
    })
    concurrency = 8
    seconds     = 540
    instances   = 2
  } }
}

resource "google_service_account" "act" {
  for_each     = local.act
  project      = var.project
  account_id   = "${var.name}-act"
  display_name = "Responder: copies evidence out, deletes pods"
  description  = "Reads what respond reads; acts in clusters as the collector and the remediator alone."
  depends_on   = [google_project_service.apis]
}

# What `act` does in a cluster it does as one of these two, whose rights in clusters are apart; it can take their tokens.
resource "google_service_account" "collector" {
  for_each     = local.act
  project      = var.project
  account_id   = "${var.name}-collector"
  display_name = "Responder: runs commands in containers"
  description  = "Only in namespaces that opted in to capture."
  depends_on   = [google_project_service.apis]
}

resource "google_service_account" "remediator" {
  for_each     = local.act
  project      = var.project
  account_id   = "${var.name}-remediator"
  display_name = "Responder: deletes pods"
  description  = "Only in namespaces that opted in to deletion."
  depends_on   = [google_project_service.apis]
}

resource "google_project_iam_custom_role" "actor" {
  count       = var.with_act ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}Actor"
  title       = local.role.actor.title
  description = local.role.actor.description
  permissions = local.role.actor.includedPermissions
}

resource "google_service_account_iam_member" "collector" {
  for_each           = local.act
  service_account_id = google_service_account.collector[each.key].name
  role               = google_project_iam_custom_role.actor[0].name
  member             = google_service_account.act[each.key].member
}

resource "google_service_account_iam_member" "remediator" {
  for_each           = local.act
  service_account_id = google_service_account.remediator[each.key].name
  role               = google_project_iam_custom_role.actor[0].name
  member             = google_service_account.act[each.key].member
}

resource "google_pubsub_topic" "actions" {
  count        = var.with_act ? 1 : 0
  project      = var.project
  name         = "${var.name}-actions"
  kms_key_name = var.kms_key == "" ? null : var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.apis]
}

# Whoever may publish here can have a record looked at anew, and nothing more: what is done is decided from the record.
resource "google_pubsub_topic_iam_member" "actions" {
  for_each = var.with_act ? merge(
    { respond = google_service_account.respond.member, sweep = google_service_account.sweep.member },
    { for one in google_service_account.review : "review" => one.member }, # an approval sends its record there
  ) : {}
  project = var.project
  topic   = google_pubsub_topic.actions[0].name
  role    = google_project_iam_custom_role.publisher.name
  member  = each.value
}

resource "google_pubsub_subscription" "actions" {
  count                      = var.with_act ? 1 : 0
  project                    = var.project
  name                       = "${var.name}-actions"
  topic                      = google_pubsub_topic.actions[0].id
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
    push_endpoint = google_cloudfunctions2_function.this["act"].service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = google_cloudfunctions2_function.this["act"].service_config[0].uri
    }
  }
  depends_on = [google_cloud_run_v2_service_iam_member.this, google_service_account_iam_member.pubsub_token]
}

resource "google_pubsub_subscription_iam_member" "actions_forwarding" {
  count        = var.with_act ? 1 : 0
  project      = var.project
  subscription = google_pubsub_subscription.actions[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

# ---- evidence ----

resource "google_storage_bucket" "evidence" {
  count                       = var.with_act ? 1 : 0
  project                     = var.project
  name                        = "${var.project}-${var.name}-evidence"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = var.keep_data ? "ABANDON" : "DELETE"
  labels                      = local.labels
  # No versioning: nobody can replace an object, and a bucket with a retention policy had none until lately.
  dynamic "retention_policy" {
    for_each = var.evidence_retention_days > 0 ? [var.evidence_retention_days] : []
    content {
      retention_period = tostring(retention_policy.value * 86400)
      is_locked        = var.lock_evidence_retention
    }
  }
  dynamic "encryption" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }
  depends_on = [google_project_service.apis]
}

# Who reads evidence, adds to it or deletes it is written down. Of the whole project: Cloud Storage has no such switch for
# one bucket. This takes the place of what the project itself has set for this service, exempted members too: the only
# thing here that is not additive. What is set for all services, or in a folder or the organization, holds beside it.
resource "google_project_iam_audit_config" "evidence" {
  count   = var.with_act && var.audit_storage ? 1 : 0
  project = var.project
  service = "storage.googleapis.com"
  dynamic "audit_log_config" {
    for_each = ["DATA_READ", "DATA_WRITE"]
    content {
      log_type = audit_log_config.value
    }
  }
}

resource "google_project_iam_custom_role" "evidence" {
  count       = var.with_act ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}Evidence"
  title       = local.role.evidence.title
  description = local.role.evidence.description
  permissions = local.role.evidence.includedPermissions
}

resource "google_storage_bucket_iam_member" "evidence" {
  for_each = local.act
  bucket   = google_storage_bucket.evidence[0].name
  role     = google_project_iam_custom_role.evidence[0].name
  member   = google_service_account.act[each.key].member
}
