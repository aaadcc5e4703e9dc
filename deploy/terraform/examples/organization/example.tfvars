# One project opted in to actions in one namespace; people are told, and may look for themselves. The names are made up:
# copy the file, change them, and give it with -var-file.
policy_file     = "policy.toml"
with_act        = true
write_back      = true
webhook_secrets = ["slack-security"]
engineers       = ["user:engineer@acme.example"]
analysts        = ["group:soc@acme.example"]
people = {
  readers   = ["group:soc@acme.example"]
  writers   = ["user:analyst@acme.example"]
  operators = ["user:lead@acme.example"]
}
clusters = [
  { project = "acme-shop-prod", location = "europe-west1-b", name = "shop", namespaces = ["shop"], capture_namespaces = ["shop"] },
  { project = "acme-data-prod", location = "europe-west4", name = "data" },
]
