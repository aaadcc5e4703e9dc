"""Mirrors `responder/` and `lab/`."""
