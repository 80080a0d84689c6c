"""Adding and changing integrations: page and API come through here, so that both are held to the same.

The parameters of deployers are checked against the account; `integrations.services` checks and stores the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deployers.errors import ParametersDoNotFit
from deployers.models import AwsAccount
from deployers.services import accounts, git_source, targets
from integrations.errors import InvalidValue
from integrations.models import Integration, Repository
from integrations.services import integrations
from teams import policy
from teams.models import Team, User
from teams.policy import Act


def create(
    *, team: Team, actor: User, repository: Repository, aws_account: AwsAccount, region: str, **fields: Any
) -> Integration:
    """Add an integration. `fields` are those of `integrations.services.integrations.create`.

    Raises what that raises, ParametersDoNotFit, ParameterRefused for what a function's environment does not hold, and
    PermissionsMissing for a deployer that the account cannot have.
    """
    policy.require(Act.EDIT_INTEGRATION, user=actor, team=team)
    # Somebody else's account is not asked anything; the service refuses it in words.
    if aws_account.team_id == team.pk:
        if problem := accounts.region_problem(region.strip(), role_arn=aws_account.role_arn):
            raise InvalidValue(problem, field="region")
        _require_fit(fields.get("deployers", ()), fields.get("parameters") or {}, aws_account, region)
    return integrations.create(
        team=team,
        actor=actor,
        repository=repository,
        aws_account=aws_account,
        region=region,
        require_room=git_source.require_room,
        **fields,
    )


def update(*, integration: Integration, actor: User, **fields: Any) -> Integration:
    """Change what is given. `fields` are those of `integrations.services.integrations.update`.

    Raises what that raises, ParametersDoNotFit, and ParameterRefused for what a function's environment does not hold.
    """
    policy.require(Act.EDIT_INTEGRATION, user=actor, team=integration.team, integration=integration.pk)
    integrations.require_version(integration, fields.get("expected"))
    if {"deployers", "parameters"} & {name for name, value in fields.items() if value is not None}:
        present = {"deployers": integration.deployers, "parameters": integration.parameters}
        wanted = present | {name: value for name, value in fields.items() if value is not None}
        _require_fit(wanted["deployers"], wanted["parameters"], integration.aws_account, integration.region)
    return integrations.update(integration=integration, actor=actor, require_room=git_source.require_room, **fields)


def _require_fit(
    deployers: Sequence[str], parameters: Mapping[str, Mapping[str, object]], account: AwsAccount, region: str
) -> None:
    for kind in deployers:
        accounts.require_permissions(account, kind, field="deployers")
    problems = {
        kind: found
        for kind in deployers
        if (found := targets.problems(kind=kind, parameters=parameters.get(kind, {}), account=account, region=region))
    }
    if problems:
        raise ParametersDoNotFit(
            {kind: {each.parameter: each.message for each in found} for kind, found in problems.items()}
        )
