"""Providers, repositories, integrations, deliveries and SSH keys."""

from integrations.models.app_setups import AppSetup
from integrations.models.deliveries import Delivery, DeliveryStatus, DeployStatus
from integrations.models.integrations import (
    Deployer,
    Integration,
    KnownHead,
    Method,
    Transport,
    WebhookState,
    all_branches,
)
from integrations.models.providers import Provider, Repository
from integrations.models.ssh_keys import SSH_KEY_OVER, RemoteState, SSHKey, SSHKeyState

__all__ = [
    "SSH_KEY_OVER",
    "AppSetup",
    "Delivery",
    "DeliveryStatus",
    "DeployStatus",
    "Deployer",
    "Integration",
    "KnownHead",
    "Method",
    "Provider",
    "RemoteState",
    "Repository",
    "SSHKey",
    "SSHKeyState",
    "Transport",
    "WebhookState",
    "all_branches",
]
