"""Integrations: what is mirrored, where to, and what is deployed from there."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from integrations.errors import InvalidValue, InvalidValues, SettingsChanged
from integrations.models import Deployer, Integration, Method, Provider, Repository, Transport
from integrations.services import clients, obstacles, providers
from lambdas.common.errors import InvalidName
from lambdas.common.refs import BRANCH_PREFIX, Ref, RefPatterns
from teams import policy
from teams.errors import Forbidden
from teams.models import Team, TeamOwned, User
from teams.policy import Act
from teams.services import audit

# It becomes part of a stack's name: letters, digits and hyphens, a letter first.
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,58}[a-z0-9])?")
# They become values of tags: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.:/=+@-]{0,58}[A-Za-z0-9])?")
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}")

MAX_PATHS = 1024  # characters; they travel in a Lambda's environment, which holds 4 KB in all

MAX_ROTATE_EVERY = 3650  # days

ADMIN_PARAMETERS = frozenset({"SNSTopicEmailAddress", "SshCidr", "TaskPermissionsBoundary"})
"""Template parameters that give somebody rights: who approves deployments, who reaches instances, what tasks may do."""

Parameters = Mapping[str, Mapping[str, Any]]

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
    _assign(
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
        _require_free_name(integration)
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
    _assign(integration, actor, **(given | kept))
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
        _require_free_name(integration)
        raise
    if {"method", "transport", "commit_statuses"} & set(changes):
        obstacles.look(integration=integration)
    return integration


def _assign(
    integration: Integration,
    actor: User,
    *,
    name: str,
    method: str,
    transport: str,
    refs: Sequence[str],
    paths: Sequence[str],
    ignored_paths: Sequence[str],
    skip_ci: bool,
    submodules: bool,
    lfs: bool,
    commit_statuses: bool,
    restrict_source_ips: bool,
    deploy_ref: str,
    application: str,
    environment: str,
    deployers: Sequence[str],
    rotate_every: int | None,
    parameters: Parameters,
) -> None:
    """Validate and set what a person may change. Raises Forbidden, or InvalidValue with all that is wrong."""
    wrong: list[InvalidValue] = []
    patterns: RefPatterns | None = None
    integration.name = name.strip()
    integration.skip_ci, integration.commit_statuses = skip_ci, commit_statuses
    with _noted(wrong):
        if not NAME.fullmatch(integration.name):
            raise InvalidValue(
                "Use 1 to 60 lower-case letters, digits and hyphens; a letter first, no hyphen last.", field="name"
            )
        _require_free_name(integration)
    with _noted(wrong):
        integration.method = _choice(method, Method.values, "method", "way to get the code")
    with _noted(wrong):
        integration.transport = _choice(transport, Transport.values, "transport", "way to reach the Git server")
    with _noted(wrong):
        patterns = _patterns(refs)
        integration.refs = list(patterns.globs)
    with _noted(wrong):
        integration.paths = _paths(paths, "paths")
    with _noted(wrong):
        integration.ignored_paths = _paths(ignored_paths, "ignored_paths")
    with _noted(wrong):
        integration.submodules = _with_git_pull(submodules, integration.method, "submodules", "Submodules are")
    with _noted(wrong):
        integration.lfs = _with_git_pull(lfs, integration.method, "lfs", "Git LFS files are")
    with _noted(wrong):
        integration.deployers = [
            _choice(each, Deployer.values, "deployers", "deployer") for each in dict.fromkeys(deployers)
        ]
    with _noted(wrong):
        if patterns is not None:
            integration.deploy_ref = _deploy_ref(integration, deploy_ref.strip(), patterns)
    with _noted(wrong):
        integration.application = _label(application, "application")
    with _noted(wrong):
        integration.environment = _label(environment, "environment")
    with _noted(wrong):
        integration.rotate_every = _days(rotate_every)
    with _noted(wrong):
        new = _parameters(parameters)
        _require_admin(integration, actor, new)
        integration.parameters = new
    with _noted(wrong):
        _require_host_keys(integration)
    with _noted(wrong):
        if restrict_source_ips and not integration.restrict_source_ips:
            _require_networks(integration.repository.provider)
        integration.restrict_source_ips = restrict_source_ips
    if wrong:
        raise wrong[0] if len(wrong) == 1 else InvalidValues(wrong)


@contextmanager
def _noted(wrong: list[InvalidValue]) -> Iterator[None]:
    """Go on after a value that does not fit: a person hears of all of them at once."""
    try:
        yield
    except InvalidValue as error:
        wrong.append(error)


def _require_host_keys(integration: Integration) -> None:
    """Raises InvalidValue for git pull from a server whose host keys nobody confirmed."""
    provider = integration.repository.provider
    if integration.uses_ssh and not provider.ssh_known_hosts:
        raise InvalidValue(
            f"Nobody confirmed the SSH host keys of {provider}, so git pull could not trust it.",
            remedy="Confirm them on the provider's page, or fetch over HTTPS.",
            field="method",
        )


def _choice(value: str, choices: Sequence[str], field: str, noun: str) -> str:
    if value not in choices:
        raise InvalidValue(f"There is no such {noun}; choose one of {', '.join(choices)}.", field=field)
    return value


def _patterns(refs: Sequence[str]) -> RefPatterns:
    globs = tuple(dict.fromkeys(glob.strip() for glob in refs if glob.strip()))
    if not globs:
        raise InvalidValue("Mirror at least one ref, such as main or ** for every branch.", field="refs")
    for glob in globs:
        if "," in glob:
            raise InvalidValue(f"{glob[:100]} has a comma, which separates patterns.", field="refs")
    try:
        return RefPatterns.parse(",".join(globs))
    except InvalidName as error:
        raise InvalidValue(f"{error}.", field="refs") from None


def _paths(globs: Sequence[str], field: str) -> list[str]:
    found = list(dict.fromkeys(glob.strip().removeprefix("/") for glob in globs if glob.strip()))
    for glob in found:
        if "," in glob:
            raise InvalidValue(f"{glob[:100]} has a comma, which separates patterns.", field=field)
        if len(glob) > 255 or not glob.isprintable() or "\\" in glob or '"' in glob:
            raise InvalidValue(f"{glob[:100]!r} is no pattern for files, such as docs/** or *.md.", field=field)
    if len(",".join(found)) > MAX_PATHS:
        raise InvalidValue(f"All patterns together have more than {MAX_PATHS} characters.", field=field)
    return found


def _days(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= MAX_ROTATE_EVERY:
        raise InvalidValue(f"Use 0 to {MAX_ROTATE_EVERY} days; 0 is never.", field="rotate_every")
    return value


def _with_git_pull(wanted: bool, method: str, field: str, what: str) -> bool:
    if wanted and method != Method.GIT_PULL:
        raise InvalidValue(
            f"{what} fetched by git pull only; an archive of the provider does not hold them.",
            remedy="Choose git pull, or leave this off.",
            field=field,
        )
    return wanted


def _require_networks(provider: Provider) -> None:
    """Raises InvalidValue for a provider that does not tell where its webhooks come from."""
    if not provider.webhook_networks and not providers.refresh_networks(provider=provider):
        raise InvalidValue(
            f"{provider} does not publish where its webhooks come from.",
            remedy="Leave this off, and set AllowedIps yourself if you know the addresses.",
            field="restrict_source_ips",
        )


def _deploy_ref(integration: Integration, branch: str, patterns: RefPatterns) -> str:
    if not branch and integration.deployers:
        branch = integration.repository.default_branch
        if not branch:
            raise InvalidValue("Say which branch is deployed.", field="deploy_ref")
    if not branch:
        return ""
    try:
        ref = Ref.parse(BRANCH_PREFIX + branch)
    except InvalidName:
        raise InvalidValue("Not a valid branch name.", field="deploy_ref") from None
    if not patterns.matches(ref):
        raise InvalidValue(
            f"{branch} is not mirrored, so it would never be deployed.",
            remedy="Add it to the refs to mirror, or choose another branch.",
            field="deploy_ref",
        )
    return branch


def _label(value: str, field: str) -> str:
    value = value.strip()
    if not LABEL.fullmatch(value):
        raise InvalidValue("Use 1 to 60 letters, digits, spaces and any of _.:/=+@-", field=field)
    return value


def _parameters(parameters: Parameters) -> dict[str, dict[str, Any]]:
    for kind, values in parameters.items():
        if not isinstance(values, Mapping) or not all(
            isinstance(value, str | int | float | bool) for value in values.values()
        ):
            raise InvalidValue(f"Parameters of {kind} must be names with plain values.", field="parameters")
    return {kind: dict(values) for kind, values in parameters.items()}


def _require_admin(integration: Integration, actor: User, new: Parameters) -> None:
    """Raises Forbidden if somebody else than an admin sets, changes or clears a parameter of ADMIN_PARAMETERS."""
    old: Parameters = integration.parameters or {}
    for kind, name in itertools.product({*old, *new}, sorted(ADMIN_PARAMETERS)):
        before, after = (str(each.get(kind, {}).get(name, "")).strip() for each in (old, new))
        if before != after:
            known = None if integration._state.adding else integration.pk  # noqa: SLF001 - Django documents it
            try:
                policy.require(Act.WIDEN_PERMISSIONS, user=actor, team=integration.team, integration=known)
            except Forbidden as error:
                raise Forbidden(f"{name} may be changed by admins only. {error.message}", remedy=error.remedy) from None


def _require_free_name(integration: Integration) -> None:
    same = Integration.objects.filter(team_id=integration.team_id, name=integration.name)
    if same.exclude(pk=integration.pk).exists():
        raise InvalidValue(f"The team has an integration called {integration.name} already.", field="name")
