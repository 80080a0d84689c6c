"""What each setting of an integration may be."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from integrations.errors import InvalidValue, InvalidValues
from integrations.models import Deployer, Integration, Method, Provider, Transport
from integrations.services import providers
from lambdas.common.errors import InvalidName
from lambdas.common.refs import BRANCH_PREFIX, Ref, RefPatterns
from teams import policy
from teams.errors import Forbidden
from teams.models import User
from teams.policy import Act

# It becomes part of a stack's name: letters, digits and hyphens, a letter first.
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,58}[a-z0-9])?")
# They become values of tags: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.:/=+@-]{0,58}[A-Za-z0-9])?")

MAX_PATHS = 1024  # characters; they travel in a Lambda's environment, which holds 4 KB in all

MAX_ROTATE_EVERY = 3650  # days

ADMIN_PARAMETERS = frozenset({"SNSTopicEmailAddress", "SshCidr", "TaskPermissionsBoundary"})
"""Template parameters that give somebody rights: who approves deployments, who reaches instances, what tasks may do."""

Parameters = Mapping[str, Mapping[str, Any]]


def assign(
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
        require_free_name(integration)
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


def require_free_name(integration: Integration) -> None:
    """Raises InvalidValue if another integration of the team has the name."""
    same = Integration.objects.filter(team_id=integration.team_id, name=integration.name)
    if same.exclude(pk=integration.pk).exists():
        raise InvalidValue(f"The team has an integration called {integration.name} already.", field="name")
