# A folder is watched.
variable "folder_id" {
  description = "Number of the folder."
  type        = string
}

variable "organization_id" {
  description = "Number of the organization that the folder is in: custom roles live there."
  type        = string
}

locals {
  parent          = "folders/${var.folder_id}"
  organization_id = var.organization_id
}
