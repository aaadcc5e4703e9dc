# Everything in an organization is watched.
variable "organization_id" {
  description = "Number of the organization."
  type        = string
}

locals {
  parent          = "organizations/${var.organization_id}"
  organization_id = var.organization_id
}
