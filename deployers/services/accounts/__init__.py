"""AWS accounts: the way into each, opened by a check and by nothing else."""

from deployers.services.accounts.checking import check
from deployers.services.accounts.rows import create, delete, update
from deployers.services.accounts.trust import trust_policy
from deployers.services.accounts.way import access, may_lend_own, region_problem, role_arn_problem

__all__ = [
    "access",
    "check",
    "create",
    "delete",
    "may_lend_own",
    "region_problem",
    "role_arn_problem",
    "trust_policy",
    "update",
]
