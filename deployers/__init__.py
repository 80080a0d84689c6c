"""The AWS side: accounts, stacks, operations, artifacts, deployments."""
