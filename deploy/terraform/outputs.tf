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
  description = "RESPONDER_* for the command line of a person: `export` them, and `responder list` shows what is there."
  value = merge(
    { RESPONDER_SCC_PARENT = var.parent, RESPONDER_STORE = local.store },
    { for one in google_firestore_database.actions : "RESPONDER_ACTIONS" => "firestore:${var.project}/${one.name}" },
    { for one in google_storage_bucket.evidence : "RESPONDER_EVIDENCE" => "gs://${one.name}" },
  )
}

output "dead_letters" {
  description = "The subscription of what could not be taken, for `responder dead-letters`."
  value       = google_pubsub_subscription.dead_letters.id
}

output "review_url" {
  description = "The review page, where there is one."
  value       = one([for one in google_cloud_run_v2_service.review : one.uri])
}
