# What is watched, and what follows from it.
locals {
  level  = split("/", var.parent)[0]
  number = split("/", var.parent)[1]

  # Custom roles of an organization or a folder live in the organization; those of a project in that project.
  organization   = local.level == "organizations" ? local.number : var.organization_id
  target_project = local.level == "projects" ? toset([local.number]) : toset([])

  labels = merge({ app = var.name }, var.labels)
}

data "google_project" "this" {
  project_id = var.project
}

# Left on when this is removed: other things of the project may need them.
resource "google_project_service" "apis" {
  for_each = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "essentialcontacts.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "securitycenter.googleapis.com",
    "securitycentermanagement.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
  ], local.has_review ? ["iap.googleapis.com"] : []))
  project            = var.project
  service            = each.value
  disable_on_destroy = false
}
