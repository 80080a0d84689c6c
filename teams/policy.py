"""Who may do what: the one table that services ask, and that docs/security.md's table is written from.

A person needs the role. A token also needs the scope, and, where it is restricted to integrations, one of those.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from teams.errors import Forbidden
from teams.models import Role, Scope, Team, User
from teams.services import origin, roles


class Act(StrEnum):
    """What somebody may be allowed to do."""

    READ = "read"
    DOWNLOAD_ARTIFACT = "artifact.download"
    REDELIVER = "delivery.redeliver"
    DEPLOY = "deployment.start"
    STOP_DEPLOYMENT = "deployment.stop"
    ANSWER_APPROVAL = "deployment.answer"
    ADD_REPOSITORY = "repository.add"
    EDIT_INTEGRATION = "integration.edit"
    PROVISION = "integration.provision"
    CHANGE_OPERATION = "operation.change"
    INSTALL_WEBHOOK = "webhook.install"
    ROTATE_SECRET = "webhook_secret.rotate"  # noqa: S105 - the name of an act
    ROTATE_KEY = "ssh_key.rotate"
    REPAIR_KEY = "ssh_key.repair"
    CHECK_PROVIDER = "provider.check"
    CHECK_ACCOUNT = "aws_account.check"
    ROTATE_MANY_KEYS = "ssh_key.rotate_many"
    REVOKE_KEY = "ssh_key.revoke"
    SHOW_SECRET = "webhook_secret.show"  # noqa: S105 - the name of an act
    DELETE_INTEGRATION = "integration.delete"
    DELETE_REPOSITORY = "repository.delete"
    ADMINISTER_PROVIDERS = "provider.administer"
    CONFIRM_HOST_KEYS = "provider.confirm_host_keys"
    ADMINISTER_ACCOUNTS = "aws_account.administer"
    WIDEN_PERMISSIONS = "integration.widen_permissions"
    READ_AUDIT_LOG = "audit.read"
    MAKE_TOKEN = "token.make"  # noqa: S105 - the name of an act
    SEE_MEMBERS = "member.see"
    LEAVE_TEAM = "member.leave"
    ADMINISTER_MEMBERS = "member.administer"
    ADMINISTER_SERVICE_ACCOUNTS = "service_account.administer"


@dataclass(frozen=True, slots=True)
class Rule:
    """The least role and the least scope of a token that an act needs.

    `team_wide` acts are about more than one integration: a token that is restricted to some may not do them.
    """

    role: Role
    scope: Scope
    text: str
    team_wide: bool = False


def _admin(text: str, *, team_wide: bool = True) -> Rule:
    return Rule(Role.ADMIN, Scope.ADMIN, text, team_wide)


RULES: dict[Act, Rule] = {
    Act.READ: Rule(Role.VIEWER, Scope.READ, "See everything of the team but the audit log"),
    Act.DOWNLOAD_ARTIFACT: Rule(Role.VIEWER, Scope.READ, "Download an artifact"),
    Act.REDELIVER: Rule(Role.OPERATOR, Scope.DEPLOY, "Redeliver pushes, redrive failed ones, look for missed ones"),
    Act.DEPLOY: Rule(Role.OPERATOR, Scope.DEPLOY, "Redeploy an artifact, roll back, retry a failed stage"),
    Act.STOP_DEPLOYMENT: Rule(Role.OPERATOR, Scope.DEPLOY, "Stop a deployment"),
    Act.ANSWER_APPROVAL: Rule(Role.OPERATOR, Scope.DEPLOY, "Approve or reject a deployment"),
    Act.ADD_REPOSITORY: Rule(Role.OPERATOR, Scope.PROVISION, "Add a repository", team_wide=True),
    Act.EDIT_INTEGRATION: Rule(Role.OPERATOR, Scope.PROVISION, "Add or change an integration"),
    Act.PROVISION: Rule(Role.OPERATOR, Scope.PROVISION, "Provision an integration"),
    Act.CHANGE_OPERATION: Rule(Role.OPERATOR, Scope.PROVISION, "Approve, retry or cancel an operation"),
    Act.INSTALL_WEBHOOK: Rule(Role.OPERATOR, Scope.PROVISION, "Install or ping the webhook at the provider"),
    Act.ROTATE_SECRET: Rule(Role.OPERATOR, Scope.PROVISION, "Rotate a webhook secret"),
    Act.ROTATE_KEY: Rule(Role.OPERATOR, Scope.PROVISION, "Rotate the SSH key of one integration"),
    Act.REPAIR_KEY: Rule(Role.OPERATOR, Scope.PROVISION, "Check an SSH key at the provider, or add it there again"),
    Act.CHECK_PROVIDER: Rule(
        Role.OPERATOR, Scope.PROVISION, "Check a provider's credentials, scan its host keys", team_wide=True
    ),
    Act.CHECK_ACCOUNT: Rule(
        Role.OPERATOR, Scope.PROVISION, "Check an AWS account, list what there is to choose from", team_wide=True
    ),
    Act.ROTATE_MANY_KEYS: _admin("Rotate the SSH keys of several integrations"),
    Act.REVOKE_KEY: _admin("Revoke an SSH key", team_wide=False),
    Act.SHOW_SECRET: _admin("See a webhook secret, to paste it at the provider", team_wide=False),
    Act.DELETE_INTEGRATION: _admin("Delete an integration or one of its stacks", team_wide=False),
    Act.WIDEN_PERMISSIONS: _admin("Set parameters that widen what a stack's roles may do", team_wide=False),
    Act.DELETE_REPOSITORY: _admin("Delete a repository"),
    Act.ADMINISTER_PROVIDERS: _admin("Add, change or delete a provider"),
    Act.CONFIRM_HOST_KEYS: _admin("Confirm a provider's SSH host keys"),
    Act.ADMINISTER_ACCOUNTS: _admin("Add, change or delete an AWS account"),
    Act.READ_AUDIT_LOG: _admin("Read the audit log"),
    Act.MAKE_TOKEN: Rule(Role.VIEWER, Scope.ADMIN, "Make and revoke API tokens of one's own", team_wide=True),
    Act.SEE_MEMBERS: Rule(Role.VIEWER, Scope.READ, "See who is in the team", team_wide=True),
    Act.LEAVE_TEAM: Rule(Role.VIEWER, Scope.ADMIN, "Leave the team", team_wide=True),
    Act.ADMINISTER_MEMBERS: _admin("Invite, change and remove members, ask them for a second factor"),
    Act.ADMINISTER_SERVICE_ACCOUNTS: _admin("Add and remove service accounts, make and revoke their tokens"),
}


def require(act: Act, *, user: User, team: Team, integration: UUID | None = None) -> None:
    """Let the act pass, or raise Forbidden with what it needs.

    `integration` is the id of the integration that the act is about; None where it is about none, or a new one.
    """
    rule = RULES[act]
    roles.require_role(rule.role, user=user, team=team)
    limits = origin.current().limits
    if limits is None:
        return
    if not limits.scope.includes(rule.scope):
        raise Forbidden(
            f"This needs a token with the scope {rule.scope}; this token has {limits.scope}.",
            remedy="Use another token.",
        )
    if limits.integrations is not None and (rule.team_wide or integration not in limits.integrations):
        raise Forbidden(
            "This token is restricted to some integrations, and this is about more than those.",
            remedy="Use a token without that restriction.",
        )


def allows(act: Act, *, user: User, team: Team, integration: UUID | None = None) -> bool:
    """Whether `require` would let the act pass: for buttons that are better not shown."""
    try:
        require(act, user=user, team=team, integration=integration)
    except Forbidden:
        return False
    return True


def table() -> str:
    """The rules as rows of Markdown, for docs/security.md."""
    head = ["| to | role | scope of a token |", "|---|---|---|"]
    rows = [f"| {rule.text} | {rule.role.label.lower()} | {rule.scope} |" for rule in RULES.values()]
    return "\n".join(head + rows)
