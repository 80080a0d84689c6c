"""The GitHub-compatible REST API under /api/v3."""
