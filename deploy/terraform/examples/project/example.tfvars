# A private cluster that is reached through a network of the responder's project. The names are made up: copy the file,
# change them, and give it with -var-file.
network  = { network = "default", subnetwork = "default" }
clusters = [{ project = "acme-shop-prod", location = "europe-west1-b", name = "shop" }]
