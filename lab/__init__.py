"""A Google Cloud and a cluster on loopback: wire-level servers for the demo, the tests and the bench."""
