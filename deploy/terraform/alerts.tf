# What a person must look at. docs/operate.md has the cause and the mend of each.

locals {
  # The functions' own lines: Cloud Run writes what they print under the name of the service. The names are not asked of the
  # functions: a new metric may be known to Cloud Monitoring ten minutes late, and an alert on one that is not yet known is
  # refused. So metrics are made before the functions are built, which takes minutes, and alerts after.
  services     = join(" OR ", [for key in keys(local.functions) : "resource.labels.service_name=\"${var.name}-${key}\""])
  of_functions = "resource.type=\"cloud_run_revision\" AND (${local.services})"

  # The sources of a record; a denied one is counted as gaps.SOURCE.denied.
  sources = [
    "scc", "related", "cluster", "node", "pod", "proof", "owners", "namespace", "pod_events", "pod_log", "audit_log",
    "node_log", "deletion", "project", "essential_contacts", "project_owners",
  ]

  lines = {
    rejected = "jsonPayload.message=\"message rejected\""
    denied   = "jsonPayload.message=\"counted\" AND (${join(" OR ", [for one in local.sources : "jsonPayload.\"gaps.${one}.denied\">0"])})"
    policy   = "jsonPayload.message=\"policy not in force\""
    brake    = "jsonPayload.message=\"brake is on\""
    failed   = "severity>=ERROR AND NOT jsonPayload.message=(\"message rejected\" OR \"policy not in force\")"
    swept    = "jsonPayload.message=\"swept\""
  }
  log_alerts = {
    rejected = { title = "a message could not be read", severity = "WARNING" }
    denied   = { title = "the responder lacks a permission", severity = "WARNING" }
    policy   = { title = "policy.toml is not in force", severity = "ERROR" }
    brake    = { title = "a brake holds actions", severity = "WARNING" }
    failed   = { title = "the responder fails", severity = "ERROR" }
  }
}

resource "google_logging_metric" "lines" {
  for_each    = local.lines
  project     = var.project
  name        = "${var.name}/${each.key}"
  description = "Lines of the responder's log: ${each.key}."
  filter      = "${local.of_functions} AND ${each.value}"
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
  depends_on = [google_project_service.apis]
}

# The schedule's calls of the sweep that failed, whether they reached it or not.
resource "google_logging_metric" "calls" {
  project     = var.project
  name        = "${var.name}/calls"
  description = "Calls of the sweep that failed."
  filter      = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id=\"${var.name}-sweep\" AND severity>=ERROR"
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
  depends_on = [google_project_service.apis]
}

resource "google_monitoring_alert_policy" "lines" {
  for_each              = local.log_alerts
  project               = var.project
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.notification_channels
  user_labels           = local.labels
  conditions {
    display_name = each.value.title
    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.lines[each.key].name}\" AND resource.type=\"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  alert_strategy {
    auto_close = "86400s"
  }
  documentation {
    mime_type = "text/markdown"
    content   = "See docs/operate.md, ${each.value.title}."
  }
  depends_on = [google_cloudfunctions2_function.this]
}

resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "${var.name}: dead letters wait"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = local.labels
  conditions {
    display_name = "a message was given up"
    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letters.name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    mime_type = "text/markdown"
    content   = "See docs/operate.md, dead letters wait. They are kept for seven days."
  }
}

resource "google_monitoring_alert_policy" "backlog" {
  project               = var.project
  display_name          = "${var.name}: findings wait"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels
  user_labels           = local.labels
  conditions {
    display_name = "the oldest has waited for ten minutes"
    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.findings.name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 600
      duration        = "300s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    mime_type = "text/markdown"
    content   = "See docs/operate.md, findings wait."
  }
}

resource "google_monitoring_alert_policy" "silence" {
  project               = var.project
  display_name          = "${var.name}: sweep is silent"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels
  user_labels           = local.labels
  conditions {
    display_name = "no sweep has ended for 15 minutes"
    condition_absent {
      filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.lines["swept"].name}\" AND resource.type=\"cloud_run_revision\""
      duration = "900s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  # An absence is seen after a first point alone: https://docs.cloud.google.com/monitoring/alerts/metric-absence. Where no
  # sweep has ended yet, calls that fail tell it.
  conditions {
    display_name = "calls of the sweep fail"
    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.calls.name}\" AND resource.type=\"cloud_scheduler_job\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1 # one is made up for a minute later; of those that hang for ten minutes, two end in fifteen
      duration        = "0s"
      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    mime_type = "text/markdown"
    content   = "See docs/operate.md, sweep is silent. Gaps are not filled and lost findings not found while it lasts."
  }
  depends_on = [google_cloudfunctions2_function.this]
}
