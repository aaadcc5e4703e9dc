# Where records, actions and evidence are. What is removed with `terraform destroy` is up to keep_data.

locals {
  indexes = jsondecode(file("${path.module}/../firestore.indexes.json"))

  # The fields' places in the file are their names here: an index cannot be changed, only made anew.
  composite = { for one in local.indexes.indexes :
    join(",", concat([one.collectionGroup], [for field in one.fields : "${field.fieldPath}:${try(field.order, field.arrayConfig)}"])) => one
  }
  # Not indexed at all: bodies are long, and nobody searches in them.
  unindexed = { for one in local.indexes.fieldOverrides : "${one.collectionGroup}.${one.fieldPath}" => one }

  # The condition that a permission holds for the records' database, and for no other of the project.
  on_records = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.records.name}\""

  # Who works with records: whoever investigates, and the review page.
  record_keepers = merge(local.investigators, { for one in google_service_account.review : "review" => one.member })
  # Who may write brakes, approvals and intents; respond and sweep, which read hostile text, may not.
  action_keepers = merge(
    { for one in google_service_account.act : "act" => one.member },
    { for one in google_service_account.review : "review" => one.member },
  )
}

resource "google_firestore_database" "records" {
  project                 = var.project
  name                    = "${var.name}-records"
  location_id             = var.region
  type                    = "FIRESTORE_NATIVE"
  concurrency_mode        = "OPTIMISTIC" # the store makes no transactions; each write has its precondition
  delete_protection_state = var.keep_data ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy         = var.keep_data ? "ABANDON" : "DELETE"
  dynamic "cmek_config" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      kms_key_name = cmek_config.value
    }
  }
  depends_on = [google_project_service.apis]
}

resource "google_firestore_index" "records" {
  for_each    = local.composite
  project     = var.project
  database    = google_firestore_database.records.name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope
  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}

resource "google_firestore_field" "unindexed" {
  for_each   = local.unindexed
  project    = var.project
  database   = google_firestore_database.records.name
  collection = each.value.collectionGroup
  field      = each.value.fieldPath
  index_config {}
}

# Notifications as they came. `at` is when the database kept them, by its own clock.
resource "google_firestore_field" "expiring" {
  for_each   = toset(["raw", "rejected"])
  project    = var.project
  database   = google_firestore_database.records.name
  collection = each.value
  field      = "at"
  ttl_config {
    expiration_offset = "${var.raw_retention_days * 86400}s"
  }
}

# A condition names the database: the permissions hold for this one and for no other of the project.
resource "google_project_iam_custom_role" "records" {
  project     = var.project
  role_id     = "${local.role_id}Records"
  title       = local.role.records.title
  description = local.role.records.description
  permissions = local.role.records.includedPermissions
}

resource "google_project_iam_member" "records" {
  for_each = local.record_keepers
  project  = var.project
  role     = google_project_iam_custom_role.records.name
  member   = each.value
  condition {
    title      = "${var.name}: the records alone"
    expression = local.on_records
  }
}

# ---- brakes, approvals, intents: only where something can act ----

resource "google_firestore_database" "actions" {
  count                   = local.has_actions ? 1 : 0
  project                 = var.project
  name                    = "${var.name}-actions"
  location_id             = var.region
  type                    = "FIRESTORE_NATIVE"
  concurrency_mode        = "OPTIMISTIC"
  delete_protection_state = var.keep_data ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy         = var.keep_data ? "ABANDON" : "DELETE"
  dynamic "cmek_config" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      kms_key_name = cmek_config.value
    }
  }
  depends_on = [google_project_service.apis]
}

resource "google_project_iam_custom_role" "actions" {
  count       = local.has_actions ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}Actions"
  title       = local.role.actions.title
  description = local.role.actions.description
  permissions = local.role.actions.includedPermissions
}

resource "google_project_iam_member" "actions" {
  for_each = local.has_actions ? local.action_keepers : {}
  project  = var.project
  role     = google_project_iam_custom_role.actions[0].name
  member   = each.value
  condition {
    title      = "${var.name}: the actions alone"
    expression = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.actions[0].name}\""
  }
}

# ---- records, as they go out ----

resource "google_pubsub_topic" "records" {
  count        = var.records_topic ? 1 : 0
  project      = var.project
  name         = "${var.name}-records"
  kms_key_name = var.kms_key == "" ? null : var.kms_key
  labels       = local.labels
  depends_on   = [google_project_service.apis]
}

resource "google_project_iam_custom_role" "publisher" {
  project     = var.project
  role_id     = "${local.role_id}Publisher"
  title       = local.role.publisher.title
  description = local.role.publisher.description
  permissions = local.role.publisher.includedPermissions
}

resource "google_pubsub_topic_iam_member" "records" {
  for_each = var.records_topic ? local.investigators : {}
  project  = var.project
  topic    = google_pubsub_topic.records[0].name
  role     = google_project_iam_custom_role.publisher.name
  member   = each.value
}
