# One project is watched.
variable "watched" {
  description = "Id of the project whose findings are investigated; it may be the responder's own."
  type        = string
}

locals {
  parent          = "projects/${var.watched}"
  organization_id = ""
}
