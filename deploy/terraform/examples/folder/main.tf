# A folder is watched, reads are granted in two projects alone, and nothing can act.
variable "folder_id" {
  description = "Number of the folder."
  type        = string
}

variable "organization_id" {
  description = "Number of the organization that the folder is in: custom roles live there."
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
  source           = "../.."
  project          = var.project
  region           = "europe-west1"
  parent           = "folders/${var.folder_id}"
  organization_id  = var.organization_id
  cluster_projects = ["acme-shop-prod", "acme-data-prod"]
  function_zip     = var.function_zip
  clusters = [
    { project = "acme-shop-prod", location = "europe-west1-b", name = "shop" },
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
