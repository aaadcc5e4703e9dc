# The functions. All are built from one zip, answer inside the project alone, and start from nothing.

locals {
  store = "firestore:${var.project}/${google_firestore_database.records.name}"

  policy_folder  = "/etc/responder/policy"
  triage_folder  = "/etc/responder/triage"
  notices_folder = "/etc/responder/notices"
  files = merge(
    var.policy_file == "" ? {} : { policy = { folder = local.policy_folder, file = "policy.toml", content = var.policy_file } },
    var.notices_file == "" ? {} : { notices = { folder = local.notices_folder, file = "notices.toml", content = var.notices_file } },
    var.triage_file == "" ? {} : { triage = { folder = local.triage_folder, file = "triage.toml", content = var.triage_file } },
  )

  settings = merge(
    var.settings,
    {
      RESPONDER_SCC_PARENT       = var.parent
      RESPONDER_STORE            = local.store
      RESPONDER_DEADLINE_SECONDS = tostring(var.deadline_seconds)
      GOOGLE_CLOUD_PROJECT       = var.project # so that lines of the log carry their request's trace
    },
    var.policy_file == "" ? {} : { RESPONDER_POLICY = "${local.policy_folder}/policy.toml" },
    var.notices_file == "" ? {} : { RESPONDER_NOTICES = "${local.notices_folder}/notices.toml" },
    var.triage_file == "" ? {} : { RESPONDER_TRIAGE = "${local.triage_folder}/triage.toml" },
    { for topic in google_pubsub_topic.records : "RESPONDER_RECORDS_TOPIC" => topic.id },
  )
  reading = merge(
    local.settings,
    { RESPONDER_READ_ONLY = "true" }, # nothing that could change a pod is even built
    { for topic in google_pubsub_topic.actions : "RESPONDER_ACTION_TOPIC" => topic.id },
  )

  # What the functions differ in. A function answers THREADS requests at once, as many as `concurrency`: a platform that
  # sends more makes them wait for a thread. `seconds` is the most that one may take.
  functions = merge(
    {
      respond = {
        description = "One notification of Security Command Center in, one record for each container out."
        account     = google_service_account.respond.email
        settings    = local.reading
        # 80 at once took 77 MB of the host, and 0.4 s of processor each; a whole processor is the least for more than one.
        concurrency = 80
        seconds     = min(540, var.deadline_seconds + 60)
        instances   = var.max_instances
      }
      sweep = {
        description = "Once a minute: goes on with what was left, asks anew, finds what never came."
        account     = google_service_account.sweep.email
        settings    = local.reading
        concurrency = 4
        seconds     = 600 # it begins nothing new after four minutes, and ends what it has begun
        instances   = 2   # two sweeps at once do no harm, and more are of no use
      }
    },
    local.acting,
  )
}

resource "google_storage_bucket" "source" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # builds, which `make zip` makes again
  labels                      = local.labels
  versioning {
    enabled = true
  }
  dynamic "encryption" {
    for_each = var.kms_key == "" ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }
}

# Its name holds its hash: other code is another object, and the functions are built anew; the same code is not.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "functions-${filesha256(var.function_zip)}.zip"
  source = var.function_zip
}

resource "google_secret_manager_secret" "files" {
  for_each            = local.files
  project             = var.project
  secret_id           = "${var.name}-${each.key}"
  deletion_protection = false # the file is in the hands of whoever applies this
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

resource "google_secret_manager_secret_version" "files" {
  for_each    = local.files
  secret      = google_secret_manager_secret.files[each.key].id
  secret_data = file(each.value.content)
  lifecycle {
    create_before_destroy = true # a function that starts between the two would find no version, and no policy in force
  }
}

resource "google_secret_manager_secret_iam_member" "files" {
  for_each = { for pair in setproduct(keys(local.files), keys(local.record_keepers)) : join("-", pair) => pair
    if pair[1] != "review" || contains(keys(local.review_files), pair[0])
  }
  project   = var.project
  secret_id = google_secret_manager_secret.files[each.value[0]].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.record_keepers[each.value[1]]
}

resource "google_cloudfunctions2_function" "this" {
  for_each     = local.functions
  project      = var.project
  location     = var.region
  name         = "${var.name}-${each.key}"
  description  = each.value.description
  kms_key_name = var.kms_key == "" ? null : var.kms_key
  labels       = local.labels
  build_config {
    runtime           = "python313"
    entry_point       = each.key
    service_account   = google_service_account.build.id
    docker_repository = google_artifact_registry_repository.functions.id
    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
    automatic_update_policy {}
  }
  service_config {
    service_account_email            = each.value.account
    environment_variables            = merge(each.value.settings, { THREADS = tostring(each.value.concurrency) })
    available_cpu                    = "1"
    available_memory                 = "1Gi"
    timeout_seconds                  = each.value.seconds
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = 0
    max_instance_count               = each.value.instances
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision   = true
    direct_vpc_egress                = var.network == null ? null : "VPC_EGRESS_PRIVATE_RANGES_ONLY"
    dynamic "direct_vpc_network_interface" {
      for_each = var.network == null ? [] : [var.network]
      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
      }
    }
    dynamic "secret_volumes" {
      for_each = local.files
      content {
        mount_path = secret_volumes.value.folder
        project_id = var.project
        secret     = google_secret_manager_secret.files[secret_volumes.key].secret_id
        versions {
          path    = secret_volumes.value.file
          version = "latest"
        }
      }
    }
  }
  depends_on = [
    google_artifact_registry_repository_iam_member.build, google_project_iam_member.build_logs, google_project_iam_member.build_source,
    google_storage_bucket_iam_member.build,
    google_secret_manager_secret_version.files, google_secret_manager_secret_iam_member.files,
    google_project_iam_member.records, google_project_iam_member.actions, google_firestore_index.records,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "this" {
  for_each = google_cloudfunctions2_function.this
  project  = var.project
  location = var.region
  name     = each.value.name
  role     = "roles/run.invoker"
  member   = google_service_account.invoker.member
}

resource "google_cloud_scheduler_job" "sweep" {
  project          = var.project
  region           = var.region
  name             = "${var.name}-sweep"
  description      = "Calls the function of the same name."
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "600s"
  retry_config {
    retry_count = 0 # the next minute is the retry
  }
  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.this["sweep"].service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = google_cloudfunctions2_function.this["sweep"].service_config[0].uri
    }
  }
  depends_on = [google_cloud_run_v2_service_iam_member.this]
}
