variable "project" {
  description = "Id of the project that everything of the responder is made in. Best one of its own."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be the id of a project, not its number or name."
  }
}

variable "region" {
  description = "Region of the functions, the databases, the bucket and the schedule, such as europe-west1."
  type        = string
}

variable "parent" {
  description = "What is watched: organizations/NUMBER, folders/NUMBER or projects/ID. Findings of everything below it arrive."
  type        = string
  validation {
    condition     = can(regex("^(organizations/[0-9]+|folders/[0-9]+|projects/[a-z][a-z0-9-]{4,28}[a-z0-9])$", var.parent))
    error_message = "parent must be organizations/NUMBER, folders/NUMBER or projects/ID."
  }
}

variable "organization_id" {
  description = "Number of the organization, needed where parent is a folder: a custom role for a folder lives in the organization."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[0-9]*$", var.organization_id))
    error_message = "organization_id must be a number."
  }
}

variable "cluster_projects" {
  description = "Ids of the projects whose clusters may be read. Empty: all below parent. What is not granted costs its own answer only."
  type        = set(string)
  default     = []
}

variable "function_zip" {
  description = "Path of the functions' source, as `make zip` writes it."
  type        = string
}

variable "name" {
  description = "What the names of all resources begin with; change it to have two deployments in one project."
  type        = string
  default     = "responder"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 16 small letters, digits and hyphens."
  }
}

variable "settings" {
  description = "Further RESPONDER_* variables of the functions (the README has the table). Those that this module sets cannot be set here."
  type        = map(string)
  default     = {}
  validation {
    condition = alltrue([for key in keys(var.settings) : can(regex("^RESPONDER_[A-Z_]+$", key)) && !contains([
      "RESPONDER_SCC_PARENT", "RESPONDER_STORE", "RESPONDER_POLICY", "RESPONDER_TRIAGE", "RESPONDER_NOTICES", "RESPONDER_RECORDS_TOPIC",
      "RESPONDER_ACTION_TOPIC", "RESPONDER_ACTIONS", "RESPONDER_EVIDENCE", "RESPONDER_READ_ONLY",
      "RESPONDER_DEADLINE_SECONDS", "RESPONDER_COLLECTOR", "RESPONDER_REMEDIATOR", "RESPONDER_IAP_AUDIENCE",
      "RESPONDER_VIEWERS", "RESPONDER_ANALYSTS", "RESPONDER_APPROVERS", "RESPONDER_RAW_READERS",
      "RESPONDER_DEAD_LETTERS",
    ], key)])
    error_message = "settings may hold RESPONDER_* only, and none that this module sets itself."
  }
}

variable "deadline_seconds" {
  description = "After this a record takes what it has. The functions' time limits follow from it."
  type        = number
  default     = 120
  validation {
    condition     = var.deadline_seconds >= 5 && var.deadline_seconds <= 480
    error_message = "deadline_seconds must be from 5 to 480: a push is given up after 600."
  }
}

variable "policy_file" {
  description = "Path of a policy.toml: what each project allows. Empty: nothing is allowed anywhere."
  type        = string
  default     = ""
}

variable "triage_file" {
  description = "Path of a triage.toml. Empty: the built-in weights and thresholds."
  type        = string
  default     = ""
}

variable "notices_file" {
  description = "Path of a notices.toml: who is told of what. Empty: nobody is told."
  type        = string
  default     = ""
}

variable "webhook_secrets" {
  description = "Names of secrets that hold addresses of channels, as notices.toml names them. They are made empty: add a version by hand, so that no address is in Terraform's state."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.webhook_secrets : can(regex("^[A-Za-z0-9_-]{1,255}$", one))])
    error_message = "webhook_secrets must be plain names, without projects/…."
  }
}

variable "write_back" {
  description = "Whether findings may be given our marks and a link; set it where notices.toml says write_back = true."
  type        = bool
  default     = false
}

variable "with_act" {
  description = "Whether the third function is deployed, which may copy files out of containers and delete pods where policy and RBAC both allow it. Needs a policy_file."
  type        = bool
  default     = false
  validation {
    condition     = !var.with_act || var.policy_file != ""
    error_message = "with_act needs a policy_file: without one no project has opted in."
  }
}

variable "clusters" {
  description = "Clusters whose RBAC commands are printed; `namespaces` are those that opted in to deletion, `capture_namespaces` those that opted in to copying files out."
  type = list(object({
    project            = string
    location           = string
    name               = string
    namespaces         = optional(set(string), [])
    capture_namespaces = optional(set(string), [])
  }))
  default = []
  validation {
    condition = alltrue(flatten([for one in var.clusters : [
      can(regex("^[a-z0-9][a-z0-9-]*$", one.project)), can(regex("^[a-z0-9-]+$", one.location)), can(regex("^[a-z0-9-]+$", one.name)),
      [for space in setunion(one.namespaces, one.capture_namespaces) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", space))],
    ]]))
    error_message = "clusters must have plain names: they become part of commands."
  }
}

variable "records_topic" {
  description = "Whether finished records are published to a topic, for a SIEM or BigQuery."
  type        = bool
  default     = true
}

variable "review_image" {
  description = "Image of the review page, with its digest (…@sha256:…). Empty: no review page."
  type        = string
  default     = ""
  validation {
    condition     = var.review_image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.review_image))
    error_message = "review_image must end with @sha256: and a digest: a tag can come to mean another image."
  }
}

variable "reviewers" {
  description = "Who may open the review page: user:…, group:… within the organization."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.reviewers : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", one))])
    error_message = "reviewers must be user:, group: or serviceAccount: with an e-mail address."
  }
}

variable "review_roles" {
  description = "Who may do what on the review page, as addresses or @DOMAIN: RESPONDER_VIEWERS, …_ANALYSTS, …_APPROVERS and …_RAW_READERS of the README."
  type = object({
    viewers     = optional(list(string), [])
    analysts    = optional(list(string), [])
    approvers   = optional(list(string), [])
    raw_readers = optional(list(string), [])
  })
  default = {}
}

variable "engineers" {
  description = "Who may run `responder doctor`: user:…, group:…. They can take short tokens of the accounts of respond and sweep, to ask what those may do; of the others see examine_until."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.engineers : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", one))])
    error_message = "engineers must be user:, group: or serviceAccount: with an e-mail address."
  }
}

variable "examine_until" {
  description = "Until when engineers can take tokens of the accounts that act, copy files, delete pods or serve the review page too, such as 2026-12-01T18:00:00Z. Empty: never, and the doctor says `not checked` of those."
  type        = string
  default     = ""
  validation {
    condition     = var.examine_until == "" || can(regex("^[0-9-]{10}T[0-9:]{8}Z$", var.examine_until)) && can(timeadd(var.examine_until, "0s"))
    error_message = "examine_until must be a time of RFC 3339 in UTC, such as 2026-12-01T18:00:00Z."
  }
}

variable "analysts" {
  description = "Who may take messages off the dead letter subscription (`responder dead-letters`): user:…, group:…."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for one in var.analysts : can(regex("^(user|group|serviceAccount):[^@ ]+@[^@ ]+$", one))])
    error_message = "analysts must be user:, group: or serviceAccount: with an e-mail address."
  }
}

variable "people" {
  description = "Who may use the command line on a machine of their own: `readers` look at records, `writers` review them and replay dead letters too, `operators` look at records, pull the brake and answer approvals. user:… and group:… with an address; nobody by default."
  type = object({
    readers   = optional(set(string), [])
    writers   = optional(set(string), [])
    operators = optional(set(string), [])
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue([for one in setunion(var.people.readers, var.people.writers, var.people.operators) :
      can(regex("^(user|group):[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+$", one))
    ])
    error_message = "people must be user: or group: with an e-mail address: no domain, no service account, nobody without a name."
  }
  validation {
    condition     = length(var.people.operators) == 0 || var.with_act
    error_message = "people.operators needs with_act: without it there is no brake, and nothing to approve."
  }
}

variable "network" {
  description = "Network for the functions' way out, for clusters with private endpoints alone: names or self links. Null: none."
  type = object({
    network    = string
    subnetwork = string
  })
  default = null
}

variable "kms_key" {
  description = "Key of Cloud KMS (projects/…/cryptoKeys/…) for the topics, the databases, the evidence and the functions. Empty: Google's keys. Its users must be granted beforehand; docs/deploy.md lists them."
  type        = string
  default     = ""
}

variable "evidence_retention_days" {
  description = "How long copied files cannot be deleted by anybody. 0 to 3650."
  type        = number
  default     = 90
  validation {
    condition     = var.evidence_retention_days >= 0 && var.evidence_retention_days <= 3650
    error_message = "evidence_retention_days must be from 0 to 3650."
  }
}

variable "lock_evidence_retention" {
  description = "Whether that retention is locked. It cannot be undone: not by an owner, not by Google."
  type        = bool
  default     = false
}

variable "audit_storage" {
  description = "Whether, with act, the project's audit logs of Cloud Storage are set to DATA_READ and DATA_WRITE: who reads, adds or deletes evidence. It takes the place of an audit config that the project has for this service; false where that one is to stay."
  type        = bool
  default     = true
}

variable "raw_retention_days" {
  description = "After this many days notifications as they came, read or unreadable, expire. Records do not."
  type        = number
  default     = 90
  validation {
    condition     = var.raw_retention_days >= 1 && var.raw_retention_days <= 3650
    error_message = "raw_retention_days must be from 1 to 3650."
  }
}

variable "keep_data" {
  description = "Whether `terraform destroy` leaves records, actions and evidence where they are. Set to false, and apply, before they may be destroyed."
  type        = bool
  default     = true
}

variable "notification_channels" {
  description = "Names of Cloud Monitoring notification channels that alerts go to (projects/…/notificationChannels/…)."
  type        = list(string)
  default     = []
}

variable "labels" {
  description = "Labels of all resources that have labels."
  type        = map(string)
  default     = {}
}

variable "max_instances" {
  description = "Most instances of each function. Cloud Logging answers 60 reads a minute and project, so that more of them do not answer faster."
  type        = number
  default     = 5
}
