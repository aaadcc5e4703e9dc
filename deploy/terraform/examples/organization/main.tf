# Everything in an organization is watched; one project opted in to actions in one namespace.
variable "organization_id" {
  description = "Number of the organization."
  type        = string
}

variable "project" {
  description = "Id of the project that the responder lives in."
  type        = string
}

variable "function_zip" {
  description = "What `make zip` wrote."
  type        = string
  default     = "../../../../dist/functions.zip"
}

provider "google" {
  project = var.project
  region  = "europe-west1"
}

module "responder" {
  source          = "../.."
  project         = var.project
  region          = "europe-west1"
  parent          = "organizations/${var.organization_id}"
  function_zip    = var.function_zip
  policy_file     = "${path.module}/policy.toml"
  with_act        = true
  write_back      = true
  webhook_secrets = ["slack-security"]
  engineers       = ["user:engineer@acme.example"]
  analysts        = ["group:soc@acme.example"]
  clusters = [
    { project = "acme-shop-prod", location = "europe-west1-b", name = "shop", namespaces = ["shop"], capture_namespaces = ["shop"] },
    { project = "acme-data-prod", location = "europe-west4", name = "data" },
  ]
}

output "next" {
  description = "What is left to be done by hand."
  value = {
    detector = module.responder.detector_command
    clusters = module.responder.rbac_commands
    settings = module.responder.settings
  }
}

output "rbac" {
  description = "For deploy/rbac/overlays.py."
  value       = module.responder.rbac
}
