"""AWS accounts: the way into each, opened by a check and by nothing else."""

from deployers.services.accounts.checking import check, check_due
from deployers.services.accounts.findings import Findings, lacks, require_permissions
from deployers.services.accounts.findings import of as findings_of
from deployers.services.accounts.rows import create, delete, update
from deployers.services.accounts.template import (
    ACCESS_TEMPLATE_FILE,
    Launch,
    access_template,
    launch,
    permissions,
    role_arn_in,
)
from deployers.services.accounts.trust import panel_principal, trust_policy
from deployers.services.accounts.way import access, may_lend_own, region_problem, role_arn_problem

__all__ = [
    "ACCESS_TEMPLATE_FILE",
    "Findings",
    "Launch",
    "access",
    "access_template",
    "check",
    "check_due",
    "create",
    "delete",
    "findings_of",
    "lacks",
    "launch",
    "may_lend_own",
    "panel_principal",
    "permissions",
    "region_problem",
    "require_permissions",
    "role_arn_in",
    "role_arn_problem",
    "trust_policy",
    "update",
]
