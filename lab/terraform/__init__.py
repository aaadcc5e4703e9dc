"""What proves `deploy/terraform` without a cloud: the real Terraform core, and a provider that knows its schema alone.

HashiCorp ships the google provider from its own registry only. Its schema is in a package that is kept up with it
(`cdktn-provider-google`, MPL-2.0): `manifest.py` reads it there, `provider.py` serves it over Terraform's own protocol,
`core.py` runs Terraform against that, `rooms.py` makes what all this needs in `.deploy-check/`. Nothing of the package
is kept in the repository.

Values that the provider's documentation lists are checked. What this cannot see: what else the provider checks in its
own code (`tests/deploy/rules.py` has a table of that), whether something is a set or a list, defaults, and everything
that Google Cloud itself refuses.
"""
