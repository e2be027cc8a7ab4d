"""Readers of the file formats people have; each returns its samples and a ledger."""
