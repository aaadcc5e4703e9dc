# Who does what, and the least that each needs. The permissions are those that the code declares: the files in
# deploy/iam are compared with it by a test, and read here, so that there is no second list to forget.

locals {
  role = { for file in fileset("${path.module}/../iam", "*.yaml") :
    trimsuffix(file, ".yaml") => yamldecode(file("${path.module}/../iam/${file}"))
  }

  # SCC is asked at the level that is watched; clusters, logs and contacts may be granted in fewer projects.
  of_scc   = [for one in local.role.investigator.includedPermissions : one if startswith(one, "securitycenter.")]
  of_reads = [for one in local.role.investigator.includedPermissions : one if !startswith(one, "securitycenter.")]

  # The DNS endpoint of a control plane asks for this one of whoever comes; what they may do there is RBAC's to say.
  of_connect = distinct(concat(local.role.collector.includedPermissions, local.role.remediator.includedPermissions))
  hands = merge(
    { for one in google_service_account.collector : "collector" => one.member },
    { for one in google_service_account.remediator : "remediator" => one.member },
  )
  hand_projects = {
    collector  = toset([for one in var.clusters : one.project if var.with_act && length(one.capture_namespaces) > 0])
    remediator = toset([for one in var.clusters : one.project if var.with_act && length(one.namespaces) > 0])
  }

  # One role in the organization; without one, a role in each project where it is bound.
  read_projects = length(var.cluster_projects) > 0 ? var.cluster_projects : local.target_project
  reads_below   = length(local.read_projects) == 0

  investigators = merge(
    { respond = google_service_account.respond.member, sweep = google_service_account.sweep.member },
    { for one in google_service_account.act : "act" => one.member },
  )
  role_id = replace(title(replace(var.name, "-", " ")), " ", "")
}

resource "google_service_account" "respond" {
  project      = var.project
  account_id   = "${var.name}-respond"
  display_name = "Responder: investigates findings"
  description  = "Reads findings, clusters and logs. Changes nothing outside its own store."
  depends_on   = [google_project_service.apis]
}

resource "google_service_account" "sweep" {
  project      = var.project
  account_id   = "${var.name}-sweep"
  display_name = "Responder: goes on with what was left"
  description  = "Reads what respond reads."
  depends_on   = [google_project_service.apis]
}

# Calls functions, and can do nothing else.
resource "google_service_account" "invoker" {
  project      = var.project
  account_id   = "${var.name}-invoker"
  display_name = "Responder: push subscriptions and the schedule"
  depends_on   = [google_project_service.apis]
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "Responder: builds the functions"
  depends_on   = [google_project_service.apis]
}

# ---- what investigators read ----

resource "google_organization_iam_custom_role" "scc" {
  count       = local.level == "projects" ? 0 : 1
  org_id      = local.organization
  role_id     = "${local.role_id}Findings"
  title       = "Responder, findings"
  description = "Reads findings of Security Command Center."
  permissions = local.of_scc
  lifecycle {
    precondition {
      condition     = local.organization != ""
      error_message = "organization_id is needed where parent is a folder."
    }
  }
}

resource "google_project_iam_custom_role" "scc" {
  for_each    = local.target_project
  project     = each.value
  role_id     = "${local.role_id}Findings"
  title       = "Responder, findings"
  description = "Reads findings of Security Command Center."
  permissions = local.of_scc
}

resource "google_organization_iam_custom_role" "reads" {
  count       = local.organization == "" || local.level == "projects" ? 0 : 1
  org_id      = local.organization
  role_id     = "${local.role_id}Reads"
  title       = "Responder, reads"
  description = "Reads cluster metadata, logs, contacts, and who owns a project."
  permissions = local.of_reads
}

resource "google_project_iam_custom_role" "reads" {
  for_each    = local.level == "projects" ? local.read_projects : toset([])
  project     = each.value
  role_id     = "${local.role_id}Reads"
  title       = "Responder, reads"
  description = "Reads cluster metadata, logs, contacts, and who owns a project."
  permissions = local.of_reads
}

resource "google_organization_iam_custom_role" "connect" {
  count       = var.with_act && local.level != "projects" ? 1 : 0
  org_id      = local.organization
  role_id     = "${local.role_id}Connect"
  title       = "Responder, connect"
  description = "Reaches control planes by their DNS endpoints."
  permissions = local.of_connect
}

resource "google_project_iam_custom_role" "connect" {
  for_each    = local.level == "projects" ? setunion(local.hand_projects.collector, local.hand_projects.remediator) : toset([])
  project     = each.value
  role_id     = "${local.role_id}Connect"
  title       = "Responder, connect"
  description = "Reaches control planes by their DNS endpoints."
  permissions = local.of_connect
}

# Only where a namespace opted in, each for its own work.
resource "google_project_iam_member" "hands" {
  for_each = merge([for hand, projects in local.hand_projects : { for project in projects : "${hand}-${project}" => { hand = hand, project = project } }]...)
  project  = each.value.project
  role     = local.level == "projects" ? google_project_iam_custom_role.connect[each.value.project].name : google_organization_iam_custom_role.connect[0].name
  member   = local.hands[each.value.hand]
}

locals {
  scc_role   = local.level == "projects" ? one([for each in google_project_iam_custom_role.scc : each.name]) : one(google_organization_iam_custom_role.scc[*].name)
  reads_role = { for project in local.read_projects : project => local.level == "projects" ? google_project_iam_custom_role.reads[project].name : google_organization_iam_custom_role.reads[0].name }
  below_roles = local.level == "projects" ? {} : merge(
    { scc = local.scc_role },
    local.reads_below ? { reads = google_organization_iam_custom_role.reads[0].name } : {},
  )
}

resource "google_organization_iam_member" "investigators" {
  for_each = local.level == "organizations" ? { for pair in setproduct(keys(local.investigators), local.reads_below ? ["scc", "reads"] : ["scc"]) : join("-", pair) => pair } : {}
  org_id   = local.number
  role     = local.below_roles[each.value[1]]
  member   = local.investigators[each.value[0]]
}

resource "google_folder_iam_member" "investigators" {
  for_each = local.level == "folders" ? { for pair in setproduct(keys(local.investigators), local.reads_below ? ["scc", "reads"] : ["scc"]) : join("-", pair) => pair } : {}
  folder   = var.parent
  role     = local.below_roles[each.value[1]]
  member   = local.investigators[each.value[0]]
}

resource "google_project_iam_member" "findings" {
  for_each = local.level == "projects" ? local.investigators : {}
  project  = local.number
  role     = local.scc_role
  member   = each.value
}

resource "google_project_iam_member" "reads" {
  for_each = { for pair in setproduct(keys(local.investigators), local.read_projects) : join("-", pair) => pair }
  project  = each.value[1]
  role     = local.reads_role[each.value[1]]
  member   = local.investigators[each.value[0]]
}

# ---- what the build needs: https://docs.cloud.google.com/functions/docs/securing/build-custom-sa ----

resource "google_artifact_registry_repository" "functions" {
  project       = var.project
  location      = var.region
  repository_id = "${var.name}-functions"
  format        = "DOCKER"
  kms_key_name  = var.kms_key == "" ? null : var.kms_key
  labels        = local.labels
  depends_on    = [google_project_service.apis]
}

# Where the review page's image goes; it is empty until one is built.
resource "google_artifact_registry_repository" "review" {
  project       = var.project
  location      = var.region
  repository_id = "${var.name}-review"
  format        = "DOCKER"
  kms_key_name  = var.kms_key == "" ? null : var.kms_key
  labels        = local.labels
  depends_on    = [google_project_service.apis]
}

resource "google_artifact_registry_repository_iam_member" "build_review" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.review.repository_id
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.functions.repository_id
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# Google copies the functions' source into a bucket of its own, and the build reads it there. The bucket's name goes on
# where there is a key: https://docs.cloud.google.com/functions/docs/building. It is not there before the first function.
resource "google_project_iam_member" "build_source" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member
  condition {
    title      = "${var.name}: the functions' source alone"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-${var.region}\")"
  }
}

# What the review page's image is built from is staged in ours.
resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}
