"""Custom resource: one entry in a bucket's notification configuration, which it shares with everyone else's."""
