"""What the functions, and the panel, share: signatures, payloads, refs, keys, deliveries. Stdlib and boto3 only."""
