locals {
  # The detector is off by default, and the google provider has no resource for it.
  detector = join(" ", [
    "gcloud scc manage services update container-threat-detection",
    "--${trimsuffix(local.level, "s")}=${local.number} --enablement-state=ENABLED --module-config-file=deploy/detector.yaml",
  ])

  rbac = {
    respond    = google_service_account.respond.email
    sweep      = google_service_account.sweep.email
    act        = join("", [for one in google_service_account.act : one.email])
    collector  = join("", [for one in google_service_account.collector : one.email])
    remediator = join("", [for one in google_service_account.remediator : one.email])
    clusters   = var.clusters
  }

  personal = merge(
    { RESPONDER_SCC_PARENT = var.parent, RESPONDER_STORE = local.store },
    { RESPONDER_DEAD_LETTERS = "projects/${var.project}/subscriptions/${google_pubsub_subscription.dead_letters.name}" },
    { for key, path in { POLICY = var.policy_file, NOTICES = var.notices_file, TRIAGE = var.triage_file } : "RESPONDER_${key}" => abspath(path) if path != "" },
    { for topic in google_pubsub_topic.actions : "RESPONDER_ACTION_TOPIC" => "projects/${var.project}/topics/${topic.name}" },
    { for one in google_firestore_database.actions : "RESPONDER_ACTIONS" => "firestore:${var.project}/${one.name}" },
    { for one in google_storage_bucket.evidence : "RESPONDER_EVIDENCE" => "gs://${one.name}" },
  )

  # The projects with clusters, as far as they are known here.
  named    = setunion(local.read_projects, [for one in var.clusters : one.project])
  doctored = length(local.named) > 0 ? local.named : toset(["PROJECT_WITH_CLUSTERS"])
  image    = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.review.repository_id}/review"
}

output "detector_command" {
  description = "Switches the detector on, and its two siblings that corroborate it. Run it once."
  value       = local.detector
}

output "rbac" {
  description = "What deploy/rbac/overlays.py reads: `terraform output -json rbac | python3 …/deploy/rbac/overlays.py rbac` writes an overlay for each cluster."
  value       = local.rbac
  precondition {
    condition     = var.with_act || alltrue([for one in var.clusters : length(one.namespaces) + length(one.capture_namespaces) == 0])
    error_message = "namespaces opted in, but with_act is false: there is nobody to bind the roles to."
  }
}

output "rbac_commands" {
  description = "One command for each cluster, after the overlays are written. Terraform does not reach inside clusters."
  value = [for one in var.clusters :
    "kubectl --context=gke_${one.project}_${one.location}_${one.name} apply -k rbac/${one.project}_${one.location}_${one.name}"
  ]
}

output "service_accounts" {
  description = "E-mail addresses of the service accounts by what they do."
  value = merge(
    {
      respond = google_service_account.respond.email
      sweep   = google_service_account.sweep.email
      invoker = google_service_account.invoker.email
      build   = google_service_account.build.email
    },
    { for one in google_service_account.act : "act" => one.email },
    { for one in google_service_account.collector : "collector" => one.email },
    { for one in google_service_account.remediator : "remediator" => one.email },
    { for one in google_service_account.review : "review" => one.email },
  )
}

output "settings" {
  description = "RESPONDER_* for the command line of a person, as the functions have them; files are those of this machine."
  value       = local.personal
}

output "exports" {
  description = "The same for a shell: `eval \"$(terraform output -raw exports)\"`, and `responder records list` shows what is there."
  value       = join("\n", [for key, value in local.personal : "export ${key}='${replace(value, "'", "'\\''")}'"])
}

output "doctor_command" {
  description = "Examines all this; run it from the top of the repository, with the settings in the environment."
  value       = join(" ", concat([".venv/bin/responder doctor"], [for one in local.doctored : "--project=${one}"]))
}

output "review_commands" {
  description = "Builds the review page's image from what `make review` laid out, and prints its name with the digest, for review_image."
  value = [
    join(" ", [
      "gcloud builds submit dist/review --project=${var.project} --region=${var.region} --config=deploy/review/cloudbuild.yaml",
      "--substitutions=_IMAGE=${local.image}:latest --service-account=${google_service_account.build.id}",
      "--gcs-source-staging-dir=gs://${google_storage_bucket.source.name}/review",
    ]),
    "gcloud artifacts docker images describe ${local.image}:latest --format='value(image_summary.fully_qualified_digest)'",
  ]
}

output "dead_letters" {
  description = "The subscription of what could not be taken, for `responder dead-letters`."
  value       = google_pubsub_subscription.dead_letters.id
}

output "review_url" {
  description = "The review page, where there is one."
  value       = one([for one in google_cloud_run_v2_service.review : one.uri])
}
