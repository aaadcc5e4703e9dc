"""What the google provider or Google Cloud refuses though the schema allows it, of what deploy/terraform uses.

The provider checks such values in its own code, which is not here; each rule names the page that says so. Values that
the provider's documentation calls possible are checked by `lab.terraform.provider` itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

REGISTRY: Final = "https://registry.terraform.io/providers/hashicorp/google/8.7.0/docs/resources"
CLOUD: Final = "https://docs.cloud.google.com"

_DURATION: Final = r"\d+(?:\.\d{1,9})?s"

MATCHES: Final[tuple[tuple[str, str, str, str], ...]] = (
    # type, path, the whole value matches, source
    ("google_service_account", "account_id", r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])", f"{REGISTRY}/google_service_account"),
    ("google_pubsub_topic", "name", r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}", f"{CLOUD}/pubsub/docs/pubsub-basics"),
    ("google_pubsub_subscription", "name", r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}",
     f"{CLOUD}/pubsub/docs/pubsub-basics"),
    ("google_pubsub_subscription", "message_retention_duration", _DURATION, f"{REGISTRY}/pubsub_subscription"),
    ("google_pubsub_subscription", "retry_policy.minimum_backoff", _DURATION, f"{REGISTRY}/pubsub_subscription"),
    ("google_pubsub_subscription", "retry_policy.maximum_backoff", _DURATION, f"{REGISTRY}/pubsub_subscription"),
    ("google_cloudfunctions2_function", "name", r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", f"{CLOUD}/functions/docs"),
    ("google_cloudfunctions2_function", "build_config.runtime", r"python3(?:10|11|12|13)",
     f"{CLOUD}/run/docs/runtimes/python"),
    ("google_cloudfunctions2_function", "service_config.available_memory", r"\d+(?:k|M|G|Mi|Gi)?",
     f"{REGISTRY}/cloudfunctions2_function"),
    ("google_cloudfunctions2_function", "service_config.available_cpu", r"1|2|4|6|8|0\.\d+",
     f"{CLOUD}/run/docs/configuring/services/cpu"),
    ("google_cloudfunctions2_function", "service_config.secret_volumes.mount_path", r"(?:/[\w.-]+)+",
     f"{CLOUD}/functions/docs/configuring/secrets"),
    ("google_cloud_scheduler_job", "attempt_deadline", r"(?:1[5-9]|[2-9]\d|\d{3}|1[0-7]\d\d|1800)s",
     f"{REGISTRY}/cloud_scheduler_job"),
    ("google_cloud_scheduler_job", "schedule", r"\S+(?: \S+){4}",
     f"{CLOUD}/scheduler/docs/configuring/cron-job-schedules"),
    ("google_firestore_database", "name", r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]",
     f"{REGISTRY}/firestore_database"),
    ("google_firestore_database", "deletion_policy", r"ABANDON|DELETE|PREVENT", f"{REGISTRY}/firestore_database"),
    ("google_firestore_field", "ttl_config.expiration_offset", r"\d{1,10}s", f"{REGISTRY}/firestore_field"),
    ("google_storage_bucket", "name", r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]", f"{CLOUD}/storage/docs/buckets"),
    ("google_storage_bucket", "public_access_prevention", r"inherited|enforced", f"{REGISTRY}/storage_bucket"),
    ("google_storage_bucket", "deletion_policy", r"ABANDON|DELETE|PREVENT", f"{REGISTRY}/storage_bucket"),
    ("google_organization_iam_custom_role", "role_id", r"[A-Za-z0-9_.]{3,64}",
     f"{REGISTRY}/google_organization_iam_custom_role"),
    ("google_project_iam_custom_role", "role_id", r"[A-Za-z0-9_.]{3,64}", f"{REGISTRY}/google_project_iam_custom_role"),
    ("google_secret_manager_secret", "secret_id", r"[A-Za-z0-9_-]{1,255}", f"{CLOUD}/secret-manager/docs"),
    ("google_artifact_registry_repository", "format", r"DOCKER", f"{REGISTRY}/artifact_registry_repository"),
    ("google_artifact_registry_repository", "repository_id", r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?",
     f"{CLOUD}/artifact-registry/docs/repositories"),
    ("google_monitoring_alert_policy", "alert_strategy.auto_close", _DURATION, f"{REGISTRY}/monitoring_alert_policy"),
    ("google_monitoring_alert_policy", "conditions.condition_absent.duration", _DURATION,
     f"{REGISTRY}/monitoring_alert_policy"),
    ("google_monitoring_alert_policy", "conditions.condition_threshold.aggregations.alignment_period", _DURATION,
     f"{REGISTRY}/monitoring_alert_policy"),
    ("google_monitoring_alert_policy", "documentation.mime_type", r"text/markdown",
     f"{REGISTRY}/monitoring_alert_policy"),
    ("google_logging_metric", "metric_descriptor.metric_kind", r"DELTA|GAUGE|CUMULATIVE", f"{REGISTRY}/logging_metric"),
    ("google_logging_metric", "name", r"[A-Za-z0-9_\-.,+!*',()%/]{1,100}", f"{REGISTRY}/logging_metric"),
    ("google_scc_v2_organization_notification_config", "config_id", r"[A-Za-z0-9_-]{1,128}",
     f"{REGISTRY}/scc_v2_organization_notification_config"),
    ("google_scc_v2_folder_notification_config", "config_id", r"[A-Za-z0-9_-]{1,128}",
     f"{REGISTRY}/scc_v2_folder_notification_config"),
    ("google_scc_v2_project_notification_config", "config_id", r"[A-Za-z0-9_-]{1,128}",
     f"{REGISTRY}/scc_v2_project_notification_config"),
)  # fmt: skip

WITHIN: Final[tuple[tuple[str, str, float, float, str], ...]] = (
    # type, path, least, most, source
    ("google_pubsub_subscription", "ack_deadline_seconds", 10, 600, f"{REGISTRY}/pubsub_subscription"),
    ("google_pubsub_subscription", "dead_letter_policy.max_delivery_attempts", 5, 100,
     f"{REGISTRY}/pubsub_subscription"),
    ("google_cloudfunctions2_function", "service_config.timeout_seconds", 1, 3600, f"{CLOUD}/functions/quotas"),
    ("google_cloudfunctions2_function", "service_config.max_instance_request_concurrency", 1, 1000,
     f"{CLOUD}/run/docs/about-concurrency"),
    ("google_cloud_scheduler_job", "retry_config.retry_count", 0, 5, f"{REGISTRY}/cloud_scheduler_job"),
    ("google_scc_v2_organization_notification_config", "description#", 0, 1024,
     f"{CLOUD}/security-command-center/docs/reference/rest/v2/organizations.locations.notificationConfigs"),
)  # fmt: skip

TOGETHER: Final[tuple[tuple[str, str, str, str], ...]] = (
    # type, one, other: never both; source
    ("google_firestore_index", "fields.order", "fields.array_config", f"{REGISTRY}/firestore_index"),
    ("google_cloudfunctions2_function", "service_config.vpc_connector", "service_config.direct_vpc_network_interface",
     f"{CLOUD}/run/docs/configuring/vpc-direct-vpc"),
    ("google_cloud_scheduler_job", "http_target.oidc_token", "http_target.oauth_token",
     f"{REGISTRY}/cloud_scheduler_job"),
    ("google_secret_manager_secret", "replication.auto", "replication.user_managed",
     f"{REGISTRY}/secret_manager_secret"),
    ("google_firestore_field", "index_config", "ttl_config", "one of ours: a field is not indexed, or it expires"),
    ("google_storage_bucket", "retention_policy", "versioning", f"{CLOUD}/storage/docs/bucket-lock"),
)  # fmt: skip


def broken(kind: str, values: Mapping[str, Any]) -> Iterator[str]:
    """What of these planned values is refused, in words."""
    for of, path, form, source in MATCHES:
        for value in _at(values, path) if of == kind else ():
            if not re.fullmatch(form, str(value)):
                yield f"{kind}.{path} is {value!r}, see {source}"
    for of, path, least, most, source in WITHIN:
        for value in _at(values, path.rstrip("#")) if of == kind else ():
            if not least <= (len(value) if path.endswith("#") else value) <= most:
                yield f"{kind}.{path} is {value!r}, see {source}"
    for of, one, other, source in TOGETHER:
        if of == kind and _has_both(values, one, other):
            yield f"{kind}: {one} and {other} exclude each other, see {source}"


def _has_both(values: Mapping[str, Any], one: str, other: str) -> bool:
    """Whether any block has the two, which are beside each other."""
    above, _, first = one.rpartition(".")
    second = other.rpartition(".")[2]
    return any(block.get(first) and block.get(second) for block in (_at(values, above) if above else (values,)))


def _at(values: Any, path: str) -> Iterator[Any]:
    """Every value at that path, through all blocks; nothing where it is not set or not known yet."""
    first, _, rest = path.partition(".")
    found = values.get(first) if isinstance(values, Mapping) else None
    for one in found if isinstance(found, list) else [found]:
        if one is not None:
            yield from _at(one, rest) if rest else (one,)
