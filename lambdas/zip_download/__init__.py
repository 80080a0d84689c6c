"""Makes an artifact of the zip that the provider serves."""
