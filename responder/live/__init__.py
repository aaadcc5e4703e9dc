"""The ports over Google Cloud and the cluster: one API a file; `_errors.py` translates every SDK exception."""
