"""Integrations: what is mirrored, where to, and what is deployed from there."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from integrations.errors import InvalidValue, SettingsChanged
from integrations.models import Integration, Method, Repository, Transport
from integrations.services import clients, obstacles, settings_values
from integrations.services.settings_values import Parameters
from teams import policy
from teams.models import Team, TeamOwned, User
from teams.policy import Act
from teams.services import audit

REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}")

CHANGEABLE = (
    "name",
    "method",
    "transport",
    "refs",
    "paths",
    "ignored_paths",
    "skip_ci",
    "submodules",
    "lfs",
    "commit_statuses",
    "restrict_source_ips",
    "deploy_ref",
    "application",
    "environment",
    "deployers",
    "rotate_every",
    "parameters",
)


def version(integration: Integration) -> str:
    """Names the present settings: the same settings, the same name. Keyed, as parameters may hold secrets."""
    values = json.dumps([getattr(integration, name) for name in CHANGEABLE], sort_keys=True)
    return salted_hmac("integration settings", values, algorithm="sha256").hexdigest()[:32]


def require_version(integration: Integration, expected: str | None) -> None:
    """Raises SettingsChanged unless the settings are those that `expected` names; None asks for nothing."""
    if expected is None or constant_time_compare(version(integration), expected):
        return
    newest = audit.newest(target=integration, action="integration.update")
    raise SettingsChanged(by=newest.actor_name if newest else "", names=sorted(newest.changes) if newest else ())


def create(
    *,
    team: Team,
    actor: User,
    name: str,
    repository: Repository,
    method: str = Method.ZIP_DOWNLOAD,
    transport: str = Transport.SSH,
    refs: Sequence[str] = ("**",),
    paths: Sequence[str] = (),
    ignored_paths: Sequence[str] = (),
    skip_ci: bool = True,
    submodules: bool = False,
    lfs: bool = False,
    commit_statuses: bool = False,
    restrict_source_ips: bool = False,
    deploy_ref: str = "",
    aws_account: TeamOwned,
    region: str,
    application: str,
    environment: str,
    deployers: Sequence[str] = (),
    rotate_every: int | None = None,
    parameters: Parameters | None = None,
    require_room: Callable[[Integration], None] = lambda integration: None,  # noqa: ARG005
) -> Integration:
    """Add an integration; nothing exists at AWS or at the provider until it is provisioned.

    The provider is asked what will stand in the way then (see `obstacles`).

    `aws_account` is a deployers.AwsAccount. `deploy_ref` is a branch; blank with deployers means the default branch.
    `restrict_source_ips` asks the provider for its networks, unless they are known. `rotate_every` are days after which
    the SSH key is rotated: 0 is never, None is as the panel is set. `require_room` raises for a valid row whose values
    are together more than its stack holds.
    Raises Forbidden, InvalidValue with the field to look at, and ProviderError.
    """
    policy.require(Act.EDIT_INTEGRATION, user=actor, team=team)
    if repository.team_id != team.pk:
        raise InvalidValue("That repository belongs to another team.", field="repository")
    if aws_account.team_id != team.pk:
        raise InvalidValue("That AWS account belongs to another team.", field="aws_account")
    integration = Integration(
        team=team,
        repository=repository,
        aws_account_id=aws_account.pk,
        region=region.strip(),
        created_by=actor,
    )
    if not REGION.fullmatch(integration.region):
        raise InvalidValue("A region is written like eu-central-1.", field="region")
    settings_values.assign(
        integration,
        actor,
        name=name,
        method=method,
        transport=transport,
        refs=refs,
        paths=paths,
        ignored_paths=ignored_paths,
        skip_ci=skip_ci,
        submodules=submodules,
        lfs=lfs,
        commit_statuses=commit_statuses,
        restrict_source_ips=restrict_source_ips,
        deploy_ref=deploy_ref,
        application=application,
        environment=environment,
        deployers=deployers,
        rotate_every=rotate_every,
        parameters=parameters or {},
    )
    # Some providers sign with keys of their own format, where they are recent enough: they are asked.
    integration.webhook_secret = clients.client(repository.provider).new_webhook_secret()
    require_room(integration)
    try:
        with transaction.atomic():
            integration.save()
            audit.record(actor=actor, team=team, action="integration.create", target=integration)
    except IntegrityError:
        settings_values.require_free_name(integration)
        raise
    obstacles.look(integration=integration)
    return integration


def update(
    *,
    integration: Integration,
    actor: User,
    name: str | None = None,
    method: str | None = None,
    transport: str | None = None,
    refs: Sequence[str] | None = None,
    paths: Sequence[str] | None = None,
    ignored_paths: Sequence[str] | None = None,
    skip_ci: bool | None = None,
    submodules: bool | None = None,
    lfs: bool | None = None,
    commit_statuses: bool | None = None,
    restrict_source_ips: bool | None = None,
    deploy_ref: str | None = None,
    application: str | None = None,
    environment: str | None = None,
    deployers: Sequence[str] | None = None,
    rotate_every: int | Literal["keep"] | None = "keep",
    parameters: Parameters | None = None,
    require_room: Callable[[Integration], None] = lambda integration: None,  # noqa: ARG005
    expected: str | None = None,
) -> Integration:
    """Change what is given; None leaves a field, and "keep" `rotate_every`. It takes effect with the next provisioning.

    Repository, account and region stay: another one of them is another integration. Raises as `create` does, and
    SettingsChanged if the settings are not those that `expected` names (see `version`).
    """
    policy.require(Act.EDIT_INTEGRATION, user=actor, team=integration.team, integration=integration.pk)
    require_version(integration, expected)
    given: dict[str, Any] = {
        "name": name,
        "method": method,
        "transport": transport,
        "refs": refs,
        "paths": paths,
        "ignored_paths": ignored_paths,
        "skip_ci": skip_ci,
        "submodules": submodules,
        "lfs": lfs,
        "commit_statuses": commit_statuses,
        "restrict_source_ips": restrict_source_ips,
        "deploy_ref": deploy_ref,
        "application": application,
        "environment": environment,
        "deployers": deployers,
        "rotate_every": integration.rotate_every if rotate_every == "keep" else rotate_every,
        "parameters": parameters,
    }
    before = {field: getattr(integration, field) for field in given}
    kept = {field: before[field] for field, value in given.items() if value is None and field != "rotate_every"}
    settings_values.assign(integration, actor, **(given | kept))
    require_room(integration)
    # Values of parameters may be secrets, so the log only says that they changed.
    changes = {
        field: "changed" if field == "parameters" else [old, getattr(integration, field)]
        for field, old in before.items()
        if old != getattr(integration, field)
    }
    if not changes:
        return integration
    if "refs" in changes:
        # What was outside of the mirror until now was not missed: the next check only notes where it stands.
        integration.heads_checked_at = integration.heads_due_at = None
    try:
        with transaction.atomic():
            if expected is not None:
                require_version(Integration.objects.select_for_update().get(pk=integration.pk), expected)
            integration.save(update_fields=[*changes, "heads_checked_at", "heads_due_at", "updated_at"])
            audit.record(
                actor=actor, team=integration.team, action="integration.update", target=integration, changes=changes
            )
    except IntegrityError:
        settings_values.require_free_name(integration)
        raise
    if {"method", "transport", "commit_statuses"} & set(changes):
        obstacles.look(integration=integration)
    return integration
