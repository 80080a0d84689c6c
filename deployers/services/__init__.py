"""What people and workers do with accounts, stacks, operations and artifacts."""
