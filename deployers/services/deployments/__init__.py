"""Deployments: what CodeDeploy says of them, and what people ask of it."""

from deployers.services.deployments.groups import active, group
from deployers.services.deployments.requests import approve, redeploy, reject, retry, roll_back, stop
from deployers.services.deployments.sync import sync, sync_due

__all__ = ["active", "approve", "group", "redeploy", "reject", "retry", "roll_back", "stop", "sync", "sync_due"]
