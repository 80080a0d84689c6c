"""Makes an artifact of a commit fetched over SSH."""
