# The module with all that may be given to it; nobody, no project and nothing that acts is named here. The same in each of
# the examples: what is watched is in main.tf, and example.tfvars shows what a team would set.
variable "project" {
  description = "Id of the project that the responder lives in."
  type        = string
}

variable "function_zip" {
  description = "Path of the functions' source, as `make zip` writes it."
  type        = string
  default     = "../../../../dist/functions.zip"
}

variable "region" {
  description = "Region of the functions, the databases, the bucket and the schedule, such as europe-west1."
  type        = string
  default     = "europe-west1"
}

variable "cluster_projects" {
  description = "Ids of the projects whose clusters may be read. Empty: all below parent. What is not granted costs its own answer only."
  type        = set(string)
  default     = []
}

variable "clusters" {
  description = "Clusters whose RBAC commands are printed; `namespaces` are those that opted in to deletion, `capture_namespaces` those that opted in to copying files out."
  type        = any
  default     = []
}

variable "engineers" {
  description = "Who may run `responder doctor`: user:…, group:…. They can take short tokens of the accounts of respond and sweep, to ask what those may do; of the others see examine_until."
  type        = set(string)
  default     = []
}

variable "examine_until" {
  description = "Until when engineers can take tokens of the accounts that act, copy files, delete pods or serve the review page too, such as 2026-12-01T18:00:00Z. Empty: never, and the doctor says `not checked` of those."
  type        = string
  default     = ""
}

variable "analysts" {
  description = "Who may take messages off the dead letter subscription (`responder dead-letters`): user:…, group:…."
  type        = set(string)
  default     = []
}

variable "people" {
  description = "Who may use the command line on a machine of their own: `readers` look at records, `writers` review them and replay dead letters too, `operators` look at records, pull the brake and answer approvals. user:… and group:… with an address; nobody by default."
  type        = any
  default     = {}
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
}

variable "review_image" {
  description = "Image of the review page, with its digest (…@sha256:…). Empty: no review page."
  type        = string
  default     = ""
}

variable "reviewers" {
  description = "Who may open the review page: user:…, group:… within the organization."
  type        = set(string)
  default     = []
}

variable "review_roles" {
  description = "Who may do what on the review page, as addresses or @DOMAIN: RESPONDER_VIEWERS, …_ANALYSTS, …_APPROVERS and …_RAW_READERS of the README."
  type        = any
  default     = {}
}

variable "network" {
  description = "Network for the functions' way out, for clusters with private endpoints alone: names or self links. Null: none."
  type        = object({ network = string, subnetwork = string })
  default     = null
}

variable "kms_key" {
  description = "Key of Cloud KMS (projects/…/cryptoKeys/…) for the topics, the databases, the evidence and the functions. Empty: Google's keys. Its users must be granted beforehand; docs/deploy.md lists them."
  type        = string
  default     = ""
}

variable "audit_storage" {
  description = "Whether, with act, the project's audit logs of Cloud Storage are set to DATA_READ and DATA_WRITE: who reads, adds or deletes evidence. It takes the place of an audit config that the project has for this service; false where that one is to stay."
  type        = bool
  default     = true
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

# A person's login has no quota of its own: calls count in the responder's project.
provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}

module "responder" {
  source                = "../.."
  project               = var.project
  parent                = local.parent
  organization_id       = local.organization_id
  function_zip          = var.function_zip
  region                = var.region
  cluster_projects      = var.cluster_projects
  clusters              = var.clusters
  engineers             = var.engineers
  examine_until         = var.examine_until
  analysts              = var.analysts
  people                = var.people
  policy_file           = var.policy_file
  triage_file           = var.triage_file
  notices_file          = var.notices_file
  webhook_secrets       = var.webhook_secrets
  write_back            = var.write_back
  with_act              = var.with_act
  review_image          = var.review_image
  reviewers             = var.reviewers
  review_roles          = var.review_roles
  network               = var.network
  kms_key               = var.kms_key
  audit_storage         = var.audit_storage
  keep_data             = var.keep_data
  notification_channels = var.notification_channels
}

output "next" {
  description = "What is left to be done by hand, in the order of docs/deploy.md."
  value = {
    detector = module.responder.detector_command
    clusters = module.responder.rbac_commands
    settings = module.responder.settings
    doctor   = module.responder.doctor_command
    review   = module.responder.review_commands
  }
}

output "exports" {
  description = "The settings for a shell: eval \"$(terraform output -raw exports)\"."
  value       = module.responder.exports
}

output "rbac" {
  description = "For deploy/rbac/overlays.py."
  value       = module.responder.rbac
}
