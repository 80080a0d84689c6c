"""Empties a bucket, so that it can be deleted."""
