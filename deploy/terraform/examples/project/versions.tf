terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
  # Keep the state where your team keeps it; it names service accounts and holds policy.toml:
  # backend "gcs" { bucket = "YOUR_STATE_BUCKET" }
}
