"""Everything that runs inside an integration's AWS account."""
