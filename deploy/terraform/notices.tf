# Who is told: addresses of channels in Secret Manager, each readable by the functions alone; and marks at the finding.

resource "google_secret_manager_secret" "webhooks" {
  for_each            = var.webhook_secrets
  project             = var.project
  secret_id           = each.value
  deletion_protection = false # an address can be had again from Slack or Chat
  labels              = local.labels
  replication {
    user_managed {
      replicas {
        location = var.region
        dynamic "customer_managed_encryption" {
          for_each = var.kms_key == "" ? [] : [var.kms_key]
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }
  depends_on = [google_project_service.apis]
}

resource "google_project_iam_custom_role" "notifier" {
  count       = length(var.webhook_secrets) > 0 ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}Notifier"
  title       = local.role.notifier.title
  description = local.role.notifier.description
  permissions = local.role.notifier.includedPermissions
}

resource "google_secret_manager_secret_iam_member" "webhooks" {
  for_each  = { for pair in setproduct(var.webhook_secrets, keys(local.investigators)) : join("/", pair) => pair }
  project   = var.project
  secret_id = google_secret_manager_secret.webhooks[each.value[0]].secret_id
  role      = google_project_iam_custom_role.notifier[0].name
  member    = local.investigators[each.value[1]]
}

# ---- marks at the finding; neither its mute nor its state ----

resource "google_organization_iam_custom_role" "reporter" {
  count       = var.write_back && local.level != "projects" ? 1 : 0
  org_id      = local.organization
  role_id     = "${local.role_id}Reporter"
  title       = local.role.reporter.title
  description = local.role.reporter.description
  permissions = local.role.reporter.includedPermissions
}

resource "google_project_iam_custom_role" "reporter" {
  for_each    = var.write_back ? local.target_project : toset([])
  project     = each.value
  role_id     = "${local.role_id}Reporter"
  title       = local.role.reporter.title
  description = local.role.reporter.description
  permissions = local.role.reporter.includedPermissions
}

locals {
  reporters = var.write_back ? local.investigators : {}
  reporter_role = one(concat(
    google_organization_iam_custom_role.reporter[*].name, [for one in google_project_iam_custom_role.reporter : one.name],
  ))
}

resource "google_organization_iam_member" "reporters" {
  for_each = local.level == "organizations" ? local.reporters : {}
  org_id   = local.number
  role     = local.reporter_role
  member   = each.value
}

resource "google_folder_iam_member" "reporters" {
  for_each = local.level == "folders" ? local.reporters : {}
  folder   = var.parent
  role     = local.reporter_role
  member   = each.value
}

resource "google_project_iam_member" "reporters" {
  for_each = local.level == "projects" ? local.reporters : {}
  project  = local.number
  role     = local.reporter_role
  member   = each.value
}
