# One project is watched, with a private cluster that is reached through a network of the same project.
variable "watched" {
  description = "Id of the project whose findings are investigated."
  type        = string
}

variable "project" {
  description = "Id of the project that the responder lives in; it may be the same."
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
  source       = "../.."
  project      = var.project
  region       = "europe-west1"
  parent       = "projects/${var.watched}"
  function_zip = var.function_zip
  network      = { network = "default", subnetwork = "default" }
  clusters     = [{ project = var.watched, location = "europe-west1-b", name = "shop" }]
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
