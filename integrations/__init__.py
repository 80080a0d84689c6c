"""The git side: providers, repositories, integrations, deliveries, SSH keys."""
