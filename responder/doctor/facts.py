"""What Google's APIs say of a deployment, as far as a check reads it, by their own JSON names. Pure.

Strings are as the API sent them, and are shown as text only.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Fact(BaseModel):
    """Base: frozen, camel case on the wire, what is not known is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Module(Fact):
    """A detector's module: ENABLED, DISABLED, or another word of the API."""

    effective_enablement_state: str = ""


class Detector(Fact):
    """A service of Security Command Center at one level. A module that is absent inherits: then nobody can say."""

    effective_enablement_state: str = ""
    modules: dict[str, Module] = Field(default_factory=dict)


class Told(Fact):
    """A finding, as far as the doctor looks at one."""

    category: str = ""
    resource_name: str = ""


class ListedFinding(Fact):
    """One result of a list of findings."""

    finding: Told = Told()


class Streaming(Fact):
    """What a notification config lets through."""

    filter: str = ""


class NotificationConfig(Fact):
    """`service_account` is SCC's own agent, which publishes."""

    name: str = ""
    pubsub_topic: str = ""
    service_account: str = ""
    streaming_config: Streaming = Streaming()


class Condition(Fact):
    """When a binding holds."""

    expression: str = ""


class Binding(Fact):
    """One binding of an IAM policy."""

    role: str = ""
    members: tuple[str, ...] = ()
    condition: Condition = Condition()


class OidcToken(Fact):
    """Whose token a push carries."""

    service_account_email: str = ""
    audience: str = ""


class Push(Fact):
    """Where a subscription pushes; an empty endpoint is one that is pulled."""

    push_endpoint: str = ""
    oidc_token: OidcToken = OidcToken()


class DeadLetterPolicy(Fact):
    """Where messages go that were refused too often."""

    dead_letter_topic: str = ""
    max_delivery_attempts: int = 0


class Expiration(Fact):
    """`ttl` empty: never. The whole object absent: after 31 days without use."""

    ttl: str = ""


class RetryPolicy(Fact):
    """Durations as `10s`."""

    minimum_backoff: str = ""
    maximum_backoff: str = ""


class Subscription(Fact):
    """A Pub/Sub subscription. `message_retention_duration` is as `604800s`."""

    name: str = ""
    topic: str = ""
    push_config: Push = Push()
    dead_letter_policy: DeadLetterPolicy = DeadLetterPolicy()
    ack_deadline_seconds: int = 0
    message_retention_duration: str = ""
    expiration_policy: Expiration | None = None
    retry_policy: RetryPolicy | None = None
    state: str = "ACTIVE"
    detached: bool = False


class Build(Fact):
    """Which function of main.py it is."""

    entry_point: str = ""


class Service(Fact):
    """The Cloud Run service behind a function."""

    service: str = ""
    uri: str = ""
    service_account_email: str = ""
    ingress_settings: str = ""
    timeout_seconds: int = 0
    environment_variables: dict[str, str] = Field(default_factory=dict)


class Function(Fact):
    """A Cloud Run function as the Cloud Functions API v2 has it."""

    name: str = ""
    state: str = ""
    url: str = ""
    build_config: Build = Build()
    service_config: Service = Service()

    def answers_at(self, endpoint: str) -> bool:
        """Whether a push endpoint is this function's."""
        where = endpoint.partition("?")[0].rstrip("/")
        return bool(where) and where in {self.url.rstrip("/"), self.service_config.uri.rstrip("/")}


class EnvVar(Fact):
    """A variable of a container; `value` is empty where it comes from a secret."""

    name: str = ""
    value: str = ""


class Container(Fact):
    """One container of a Cloud Run service."""

    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()


class Template(Fact):
    """What its next revision is made of."""

    service_account: str = ""
    containers: tuple[Container, ...] = ()


class Terminal(Fact):
    """What became of its last change: CONDITION_SUCCEEDED where it serves."""

    state: str = ""


class RunService(Fact):
    """A service as Cloud Run's API v2 has it; `ingress` is INGRESS_TRAFFIC_ALL, or another word of the API.

    https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
    """

    name: str = ""
    ingress: str = ""
    iap_enabled: bool = False
    invoker_iam_disabled: bool = False
    template: Template = Template()
    terminal_condition: Terminal = Terminal()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of all containers."""
        return {one.name: one.value for container in self.template.containers for one in container.env}

    @property
    def arguments(self) -> frozenset[str]:
        """The words of all containers' command lines."""
        return frozenset(word for container in self.template.containers for word in container.args)

    @property
    def account(self) -> str:
        """The e-mail address of the account that it runs as; empty for the project's default."""
        return self.template.service_account


class HttpTarget(Fact):
    """What a job calls."""

    uri: str = ""
    oidc_token: OidcToken = OidcToken()


class Job(Fact):
    """A job of Cloud Scheduler."""

    name: str = ""
    state: str = ""
    schedule: str = ""
    http_target: HttpTarget = HttpTarget()


class Database(Fact):
    """A Firestore database: `type` FIRESTORE_NATIVE or DATASTORE_MODE."""

    name: str = ""
    type: str = ""


class IndexField(Fact):
    """One field of an index."""

    field_path: str = ""
    order: str = ""
    array_config: str = ""


class Index(Fact):
    """A composite index; `name` ends in collectionGroups/GROUP/indexes/ID."""

    name: str = ""
    query_scope: str = ""
    state: str = ""
    fields: tuple[IndexField, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The collection, then each field with its order; the document's name, which Google adds, is left out."""
        group = self.name.partition("/collectionGroups/")[2].partition("/")[0]
        own = (f"{one.field_path} {one.order or one.array_config}" for one in self.fields)
        return (group, *(text for text in own if not text.startswith("__name__")))


class Uniform(Fact):
    """Whether a bucket has no rights of single objects."""

    enabled: bool = False


class BucketIam(Fact):
    """Who may be let in at all."""

    uniform_bucket_level_access: Uniform = Uniform()
    public_access_prevention: str = ""


class Retention(Fact):
    """Seconds for which an object cannot be removed, as a text."""

    retention_period: str = ""


class Bucket(Fact):
    """A Cloud Storage bucket."""

    iam_configuration: BucketIam = BucketIam()
    retention_policy: Retention | None = None


class Components(Fact):
    """Which logs a cluster writes: SYSTEM_COMPONENTS, WORKLOADS and others."""

    enable_components: tuple[str, ...] = ()


class LoggingConfig(Fact):
    """The same, one level up."""

    component_config: Components = Components()


class ListedCluster(Fact):
    """A cluster as the Container API lists it."""

    name: str = ""
    location: str = ""
    status: str = ""
    logging_config: LoggingConfig = LoggingConfig()


class Exclusion(Fact):
    """What a sink leaves out."""

    name: str = ""
    filter: str = ""
    disabled: bool = False


class AuditLogConfig(Fact):
    """ADMIN_READ, DATA_READ or DATA_WRITE. Those of `exempted_members` leave no trace."""

    log_type: str = ""
    exempted_members: tuple[str, ...] = ()


class AuditConfig(Fact):
    """Which data access logs a policy switches on, for one service or `allServices`."""

    service: str = ""
    audit_log_configs: tuple[AuditLogConfig, ...] = ()


class Sink(Fact):
    """A sink of Cloud Logging."""

    name: str = ""
    disabled: bool = False
    exclusions: tuple[Exclusion, ...] = ()
