# Reads are granted in two projects alone, and nothing can act. The names are made up: copy the file, change them, and give
# it with -var-file.
cluster_projects = ["acme-shop-prod", "acme-data-prod"]
clusters = [
  { project = "acme-shop-prod", location = "europe-west1-b", name = "shop" },
  { project = "acme-data-prod", location = "europe-west4", name = "data" },
]
