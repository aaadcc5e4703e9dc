# `terraform test`: the module with a provider that is made up, so that nothing is created anywhere.
mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "1234567890" }
  }
}

variables {
  project      = "acme-sec"
  region       = "europe-west1"
  parent       = "organizations/123456789012"
  function_zip = "tests/functions.txt"
}

run "reads_only_unless_asked" {
  command = apply
  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.this), "act") && length(google_firestore_database.actions) == 0
    error_message = "Nothing that acts may be there by default."
  }
  assert {
    condition     = google_cloudfunctions2_function.this["respond"].service_config[0].environment_variables.RESPONDER_READ_ONLY == "true"
    error_message = "respond must be built without anything that changes a pod."
  }
  assert {
    condition     = length(google_cloud_run_v2_service.review) == 0
    error_message = "No review page without an image."
  }
  assert {
    condition     = google_pubsub_subscription.findings.push_config[0].oidc_token[0].service_account_email == google_service_account.invoker.email
    error_message = "The push must be signed as the invoker."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.forwarding.member == "serviceAccount:service-1234567890@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent must be able to acknowledge what it gives up."
  }
}

run "act_is_asked_for" {
  command = apply
  variables {
    with_act    = true
    policy_file = "examples/organization/policy.toml"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["act"].service_config[0].environment_variables.RESPONDER_ACTIONS == "firestore:acme-sec/responder-actions"
    error_message = "act must have the second store."
  }
  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.this["respond"].service_config[0].environment_variables), "RESPONDER_ACTIONS")
    error_message = "respond must not have the second store."
  }
  assert {
    condition     = google_cloudfunctions2_function.this["respond"].service_config[0].environment_variables.RESPONDER_ACTION_TOPIC == google_pubsub_topic.actions[0].id
    error_message = "respond must be able to ask act."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.actions)) == toset(["act"])
    error_message = "Only act may write actions."
  }
  assert {
    condition     = toset([google_service_account_iam_member.collector["act"].member, google_service_account_iam_member.remediator["act"].member]) == toset([google_service_account.act["act"].member])
    error_message = "Only act may act as the two."
  }
}

run "act_needs_a_policy" {
  command = plan
  variables {
    with_act = true
  }
  expect_failures = [var.with_act]
}

run "a_folder_needs_its_organization" {
  command = plan
  variables {
    parent = "folders/77"
  }
  expect_failures = [google_organization_iam_custom_role.scc]
}

run "reads_in_named_projects_alone" {
  command = apply
  variables {
    cluster_projects = ["acme-shop-prod"]
  }
  assert {
    condition     = toset(keys(google_organization_iam_member.investigators)) == toset(["respond-scc", "sweep-scc"])
    error_message = "At the organization only findings may be read."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.reads)) == toset(["respond-acme-shop-prod", "sweep-acme-shop-prod"])
    error_message = "The rest is read in the project that is named."
  }
}

run "the_review_page_is_behind_iap" {
  command = apply
  variables {
    review_image = "europe-docker.pkg.dev/acme-sec/responder/review@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    reviewers    = ["group:soc@acme.example"]
    review_roles = { viewers = ["@acme.example"], approvers = ["lead@acme.example"] }
    policy_file  = "examples/organization/policy.toml"
  }
  assert {
    condition = { for one in google_cloud_run_v2_service.review["review"].template[0].containers[0].env : one.name => one.value } == {
      RESPONDER_SCC_PARENT   = "organizations/123456789012"
      RESPONDER_STORE        = "firestore:acme-sec/responder-records"
      RESPONDER_DEAD_LETTERS = "projects/acme-sec/subscriptions/responder-dead-letters"
      RESPONDER_IAP_AUDIENCE = "/projects/1234567890/locations/europe-west1/services/responder-review"
      RESPONDER_VIEWERS      = "@acme.example"
      RESPONDER_APPROVERS    = "lead@acme.example"
      RESPONDER_POLICY       = "/etc/responder/policy/policy.toml"
    }
    error_message = "The page must be told its audience and its people."
  }
  assert {
    condition     = google_cloud_run_v2_service.review["review"].template[0].volumes[0].secret[0].items[0].path == "policy.toml"
    error_message = "The page must have the policy."
  }
  assert {
    condition     = [for one in google_project_iam_member.metrics : one.member] == [google_service_account.review["review"].member]
    error_message = "The page alone may ask for metrics."
  }
  assert {
    condition     = google_cloud_run_v2_service.review["review"].iap_enabled
    error_message = "IAP must be on."
  }
  assert {
    condition     = toset([for one in google_cloud_run_v2_service_iam_member.iap : one.member]) == toset(["serviceAccount:service-1234567890@gcp-sa-iap.iam.gserviceaccount.com"])
    error_message = "Only IAP's agent may call the page."
  }
}

run "engineers_take_tokens_of_the_responders_accounts_alone" {
  command = apply
  variables {
    engineers = ["user:engineer@acme.example"]
  }
  assert {
    condition     = !anytrue([for one in google_organization_iam_custom_role.doctor[0].permissions : startswith(one, "iam.")])
    error_message = "At the organization no token may be taken."
  }
  assert {
    condition     = toset(keys(google_service_account_iam_member.doctors)) == toset(["respond/user:engineer@acme.example", "sweep/user:engineer@acme.example"])
    error_message = "Tokens are taken of our own accounts."
  }
}

run "tokens_of_what_acts_are_taken_until_a_time" {
  command = apply
  variables {
    with_act      = true
    policy_file   = "examples/organization/policy.toml"
    engineers     = ["user:engineer@acme.example"]
    examine_until = "2026-12-01T18:00:00Z"
  }
  assert {
    condition     = [for one in google_service_account_iam_member.doctors["remediator/user:engineer@acme.example"].condition : one.expression] == ["request.time < timestamp(\"2026-12-01T18:00:00Z\")"]
    error_message = "The right must end by itself."
  }
  assert {
    condition     = length(google_service_account_iam_member.doctors) == 5
    error_message = "Of each account by its own binding."
  }
}

run "people_have_the_rights_of_their_commands" {
  command = apply
  variables {
    with_act    = true
    policy_file = "examples/organization/policy.toml"
    people      = { readers = ["group:soc@acme.example"], operators = ["user:lead@acme.example"] }
  }
  assert {
    condition     = alltrue([for one in google_project_iam_member.readers : endswith(one.condition[0].expression, "/databases/responder-records\"")])
    error_message = "Who looks at records has rights on the records alone."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.operators)) == toset(["user:lead@acme.example"])
    error_message = "Only an operator may pull the brake."
  }
  assert {
    condition     = length(google_project_iam_member.writers) == 0
    error_message = "Nobody may write records who was not named."
  }
}

run "nobody_without_a_name" {
  command = plan
  variables {
    people = { readers = ["domain:acme.example"] }
  }
  expect_failures = [var.people]
}

run "findings_are_marked_where_it_is_asked_for" {
  command = apply
  variables {
    write_back      = true
    notices_file    = "../notices.toml"
    webhook_secrets = ["slack-security"]
  }
  assert {
    condition     = length(google_organization_iam_member.reporters) == 2 && length(google_secret_manager_secret_iam_member.webhooks) == 2
    error_message = "respond and sweep mark, and read the address."
  }
  assert {
    condition     = google_cloudfunctions2_function.this["sweep"].service_config[0].environment_variables.RESPONDER_NOTICES == "/etc/responder/notices/notices.toml"
    error_message = "The file must be told."
  }
}

run "a_tag_is_no_image" {
  command = plan
  variables {
    review_image = "europe-docker.pkg.dev/acme-sec/responder/review:latest"
  }
  expect_failures = [var.review_image]
}

run "a_private_network_for_the_way_out" {
  command = apply
  variables {
    network = { network = "shared", subnetwork = "responder" }
  }
  assert {
    condition     = google_cloudfunctions2_function.this["respond"].service_config[0].direct_vpc_network_interface[0].subnetwork == "responder"
    error_message = "respond must go out through the subnetwork."
  }
}

run "keys_of_our_own" {
  command = apply
  variables {
    kms_key     = "projects/acme-sec/locations/europe-west1/keyRings/r/cryptoKeys/k"
    policy_file = "examples/organization/policy.toml"
    with_act    = true
  }
  assert {
    condition     = google_storage_bucket.evidence[0].encryption[0].default_kms_key_name == var.kms_key && google_pubsub_topic.findings.kms_key_name == var.kms_key
    error_message = "The key must be used."
  }
}
