# People, with rights of their own: who runs `responder doctor`, and who uses the command line on a machine of their own.
# The examiner's role must never be held at more than single accounts.

locals {
  # What the responder's accounts may do is asked in their own names, which takes a token, and a token does what its account
  # does. Those of respond and sweep read, beside our own records; with those of the others commands are run, pods ended
  # and approvals written: their tokens may be taken until a time that is said, and by default never.
  examined = length(var.engineers) == 0 ? {} : {
    respond = google_service_account.respond.name
    sweep   = google_service_account.sweep.name
  }
  examined_for_now = length(var.engineers) == 0 || var.examine_until == "" ? {} : merge(
    { for one in google_service_account.act : "act" => one.name },
    { for one in google_service_account.collector : "collector" => one.name },
    { for one in google_service_account.remediator : "remediator" => one.name },
    { for one in google_service_account.review : "review" => one.name },
  )
  # Who writes records may read them.
  readers = setsubtract(setunion(var.people.readers, var.people.operators), var.people.writers)
  callers = setunion(var.engineers, var.analysts, var.people.readers, var.people.writers, var.people.operators)

  doctor_projects = local.level == "projects" ? setunion([var.project], local.target_project) : toset([var.project])
}

resource "google_organization_iam_custom_role" "doctor" {
  count       = length(var.engineers) > 0 && local.level != "projects" ? 1 : 0
  org_id      = local.organization
  role_id     = "${local.role_id}Doctor"
  title       = local.role.doctor.title
  description = local.role.doctor.description
  permissions = local.role.doctor.includedPermissions
}

resource "google_project_iam_custom_role" "doctor" {
  for_each    = length(var.engineers) > 0 && local.level == "projects" ? local.doctor_projects : toset([])
  project     = each.value
  role_id     = "${local.role_id}Doctor"
  title       = local.role.doctor.title
  description = local.role.doctor.description
  permissions = local.role.doctor.includedPermissions
}

resource "google_organization_iam_member" "doctors" {
  for_each = local.level == "organizations" ? var.engineers : toset([])
  org_id   = local.number
  role     = google_organization_iam_custom_role.doctor[0].name
  member   = each.value
}

resource "google_folder_iam_member" "doctors" {
  for_each = local.level == "folders" ? var.engineers : toset([])
  folder   = var.parent
  role     = google_organization_iam_custom_role.doctor[0].name
  member   = each.value
}

resource "google_project_iam_member" "doctors" {
  for_each = { for pair in setproduct(var.engineers, local.doctor_projects) : join("/", pair) => pair }
  project  = each.value[1]
  role     = local.level == "projects" ? google_project_iam_custom_role.doctor[each.value[1]].name : google_organization_iam_custom_role.doctor[0].name
  member   = each.value[0]
}

# A person's calls count in the responder's project.
resource "google_project_iam_member" "quota" {
  for_each = local.callers
  project  = var.project
  role     = "roles/serviceusage.serviceUsageConsumer"
  member   = each.value
}

resource "google_project_iam_custom_role" "tokens" {
  count       = length(var.engineers) > 0 ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}DoctorTokens"
  title       = local.role.examiner.title
  description = local.role.examiner.description
  permissions = local.role.examiner.includedPermissions
}

resource "google_service_account_iam_member" "doctors" {
  for_each           = { for pair in setproduct(keys(merge(local.examined, local.examined_for_now)), var.engineers) : join("/", pair) => pair }
  service_account_id = merge(local.examined, local.examined_for_now)[each.value[0]]
  role               = google_project_iam_custom_role.tokens[0].name
  member             = each.value[1]
  dynamic "condition" {
    for_each = contains(keys(local.examined_for_now), each.value[0]) ? [var.examine_until] : []
    content {
      title      = "${var.name}: for now"
      expression = "request.time < timestamp(\"${condition.value}\")"
    }
  }
}

# ---- records, the brake and approvals, each on the one database that the commands open ----

resource "google_project_iam_custom_role" "reader" {
  count       = length(local.readers) > 0 ? 1 : 0
  project     = var.project
  role_id     = "${local.role_id}Reader"
  title       = local.role.reader.title
  description = local.role.reader.description
  permissions = local.role.reader.includedPermissions
}

resource "google_project_iam_member" "readers" {
  for_each = local.readers
  project  = var.project
  role     = google_project_iam_custom_role.reader[0].name
  member   = each.value
  condition {
    title      = "${var.name}: the records alone"
    expression = local.on_records
  }
}

resource "google_project_iam_member" "writers" {
  for_each = var.people.writers
  project  = var.project
  role     = google_project_iam_custom_role.records.name
  member   = each.value
  condition {
    title      = "${var.name}: the records alone"
    expression = local.on_records
  }
}

# The validation of the variable has it that there is a second database where there are operators. Whether an approval of
# theirs counts is policy.toml's to say.
resource "google_project_iam_member" "operators" {
  for_each = var.people.operators
  project  = var.project
  role     = google_project_iam_custom_role.actions[0].name
  member   = each.value
  condition {
    title      = "${var.name}: the actions alone"
    expression = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.actions[0].name}\""
  }
}

# Whoever approves asks `act` to look.
resource "google_pubsub_topic_iam_member" "operators" {
  for_each = var.people.operators
  project  = var.project
  topic    = google_pubsub_topic.actions[0].name
  role     = google_project_iam_custom_role.publisher.name
  member   = each.value
}
