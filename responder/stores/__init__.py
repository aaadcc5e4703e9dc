"""The record store: SQLite, the embedded default."""
