# The review page: Cloud Run behind Identity-Aware Proxy, for people of the organization that are named. Its address is
# public, since IAP stands in front of it; nobody gets past IAP but reviewers. Absent without an image.

locals {
  has_review = var.review_image != ""
  review     = local.has_review ? { review = true } : {}
  review_people = {
    viewers     = var.review_roles.viewers
    analysts    = var.review_roles.analysts
    approvers   = var.review_roles.approvers
    raw_readers = var.review_roles.raw_readers
  }
  # Approvals are answered by whoever the policy names: the page reads it too.
  review_files = { for key, one in local.files : key => one if key == "policy" }
}

resource "google_service_account" "review" {
  for_each     = local.review
  project      = var.project
  account_id   = "${var.name}-review"
  display_name = "Responder: the review page"
  depends_on   = [google_project_service.apis]
}

resource "google_cloud_run_v2_service" "review" {
  for_each            = local.review
  project             = var.project
  location            = var.region
  name                = "${var.name}-review"
  description         = "Records, reviews and approvals, for people."
  ingress             = "INGRESS_TRAFFIC_ALL"
  iap_enabled         = true
  deletion_protection = false # it holds nothing
  labels              = local.labels
  template {
    service_account                  = google_service_account.review[each.key].email
    max_instance_request_concurrency = 40
    timeout                          = "60s"
    encryption_key                   = var.kms_key == "" ? null : var.kms_key
    scaling {
      min_instance_count = 0
      max_instance_count = 2
    }
    containers {
      image   = var.review_image
      command = ["responder"]
      args    = ["web", "--host=0.0.0.0", "--port=8080"]
      ports {
        container_port = 8080
      }
      resources {
        limits   = { cpu = "1", memory = "512Mi" }
        cpu_idle = true
      }
      dynamic "env" {
        for_each = merge(
          {
            RESPONDER_SCC_PARENT   = var.parent
            RESPONDER_STORE        = local.store
            RESPONDER_DEAD_LETTERS = "projects/${var.project}/subscriptions/${google_pubsub_subscription.dead_letters.name}"
            RESPONDER_IAP_AUDIENCE = "/projects/${data.google_project.this.number}/locations/${var.region}/services/${var.name}-review"
          },
          { for key, people in local.review_people : "RESPONDER_${upper(key)}" => join(",", people) if length(people) > 0 },
          { for topic in google_pubsub_topic.actions : "RESPONDER_ACTION_TOPIC" => topic.id },
          var.policy_file == "" ? {} : { RESPONDER_POLICY = "${local.policy_folder}/policy.toml" },
          { for one in google_firestore_database.actions : "RESPONDER_ACTIONS" => "firestore:${var.project}/${one.name}" },
        )
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "volume_mounts" {
        for_each = local.review_files
        content {
          name       = volume_mounts.key
          mount_path = volume_mounts.value.folder
        }
      }
    }
    dynamic "volumes" {
      for_each = local.review_files
      content {
        name = volumes.key
        secret {
          secret = google_secret_manager_secret.files[volumes.key].secret_id
          items {
            path    = volumes.value.file
            version = "latest"
          }
        }
      }
    }
  }
  depends_on = [google_project_service.apis, google_project_iam_member.records, google_project_iam_member.actions, google_secret_manager_secret_iam_member.files]
}

# How many dead letters wait: Cloud Monitoring grants nothing smaller than a project.
resource "google_project_iam_custom_role" "metrics" {
  for_each    = local.review
  project     = var.project
  role_id     = "${local.role_id}Metrics"
  title       = local.role.metrics.title
  description = local.role.metrics.description
  permissions = local.role.metrics.includedPermissions
}

resource "google_project_iam_member" "metrics" {
  for_each = local.review
  project  = var.project
  role     = google_project_iam_custom_role.metrics[each.key].name
  member   = google_service_account.review[each.key].member
}

# IAP lets the named through, and calls the service as its own agent.
resource "google_iap_web_cloud_run_service_iam_member" "reviewers" {
  for_each               = local.has_review ? var.reviewers : toset([])
  project                = var.project
  location               = var.region
  cloud_run_service_name = google_cloud_run_v2_service.review["review"].name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}

resource "google_cloud_run_v2_service_iam_member" "iap" {
  for_each = local.review
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.review[each.key].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-iap.iam.gserviceaccount.com"
}
