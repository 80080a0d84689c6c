"""Git providers: adding them, checking their credentials, and reading what they have."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError, Q
from django.utils import timezone

from integrations.errors import CredentialsRejected, InvalidValue, PermissionMissing, ProviderError
from integrations.http import check_base_url, trust
from integrations.models import Provider
from integrations.providers.records import Identity, Page, RemoteRepository
from integrations.providers.registry import client_class, kinds
from integrations.providers.ssh_address import SSH_PORT, is_host, is_user
from integrations.services import clients, host_keys, obstacles
from teams import policy
from teams.errors import Refused
from teams.models import Team, User
from teams.policy import Act
from teams.services import audit

CHECK_EVERY = timedelta(days=1)


def create(
    *,
    team: Team,
    actor: User,
    kind: str,
    name: str,
    base_url: str = "",
    credentials: Mapping[str, str],
    ca_bundle: str = "",
    ssh_host: str = "",
    ssh_user: str = "",
    ssh_port: int = SSH_PORT,
    ssh_known_hosts: str = "",
) -> Provider:
    """Add a provider whose credentials work.

    Without `ssh_known_hosts` the host keys that the provider publishes are pinned; if it publishes none, its SSH server
    is asked and `host_keys.confirm` pins them. Raises Forbidden, InvalidValue and ProviderError, each with the field to
    look at.
    """
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=team)
    given = {
        "name": name,
        "base_url": base_url,
        "ca_bundle": ca_bundle,
        "ssh_host": ssh_host,
        "ssh_user": ssh_user,
        "ssh_known_hosts": ssh_known_hosts,
    }
    tidy = {field: _tidy(field, value) for field, value in given.items()}
    provider = Provider(team=team, kind=kind, ssh_port=ssh_port, **tidy)
    provider.credentials = _cleaned(kind, credentials)
    _validate(provider)
    host_keys.require_readable(provider.ssh_known_hosts)
    _learn(provider)
    _save(provider, lambda: audit.record(actor=actor, team=team, action="provider.create", target=provider))
    return provider


def update(
    *,
    provider: Provider,
    actor: User,
    name: str | None = None,
    base_url: str | None = None,
    credentials: Mapping[str, str] | None = None,
    ca_bundle: str | None = None,
    ssh_host: str | None = None,
    ssh_user: str | None = None,
    ssh_port: int | None = None,
    ssh_known_hosts: str | None = None,
) -> Provider:
    """Change what is given; None leaves a field, and a blank credential keeps the stored one.

    The result is checked at the provider before it is saved; new credentials are then brought into the stacks that use
    them. Raises as `create` does.
    """
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=provider.team)
    given: dict[str, str | int | None] = {
        "name": name,
        "base_url": base_url,
        "ca_bundle": ca_bundle,
        "ssh_host": ssh_host,
        "ssh_user": ssh_user,
        "ssh_port": ssh_port,
        "ssh_known_hosts": ssh_known_hosts,
    }
    changes: dict[str, Any] = {}
    for field, value in given.items():
        new = _tidy(field, value) if isinstance(value, str) else value
        if new is not None and new != (old := getattr(provider, field)):
            changes[field] = [old, new]
            setattr(provider, field, new)
    entered = {field: value for field, value in (credentials or {}).items() if value.strip()}
    if "base_url" in changes and not entered:
        # Else whoever may edit the address could have the stored token sent to a host of their own.
        raise InvalidValue(
            "Enter the credentials again, as the address is another one.",
            field=client_class(provider.kind).credential_fields[0].name,
        )
    if entered:
        entered = {field: value.strip() for field, value in entered.items()}
        # No secret that was entered for one host is used at another.
        kept = {} if "base_url" in changes else provider.kept_credentials
        merged = client_class(provider.kind).changed_credentials(kept, entered)
        provider.credentials = _cleaned(provider.kind, merged)
        provider.credentials_changed_at = timezone.now()
        changes["credentials"] = "changed"
    if {"base_url", "ssh_host", "ssh_port", "ssh_known_hosts"} & set(changes):
        provider.ssh_scanned_keys = provider.ssh_problem = ""
        if "ssh_known_hosts" not in changes:
            provider.ssh_known_hosts = ""  # they name the old host and port
    _validate(provider)
    if "ssh_known_hosts" in changes:
        host_keys.require_readable(provider.ssh_known_hosts)
    _learn(provider)
    _save(
        provider,
        lambda: audit.record(
            actor=actor, team=provider.team, action="provider.update", target=provider, changes=changes
        ),
    )
    if {"credentials", "base_url"} & set(changes):
        obstacles.forget(provider=provider)
    return provider


def check(*, provider: Provider, actor: User | None = None) -> Identity:
    """Ask the provider whether the credentials still work, and store the outcome. Raises ProviderError.

    `actor` None is the system itself.
    """
    if actor is not None:
        policy.require(Act.CHECK_PROVIDER, user=actor, team=provider.team)
    fields = ["login", "missing_scopes", "check_error", "checked_at", "updated_at"]
    if not provider.ssh_known_hosts:
        fields += host_keys.FIELDS
    try:
        identity = _learn(provider)
    except (ProviderError, InvalidValue) as error:
        provider.check_error, provider.checked_at = str(error), timezone.now()
        provider.save(update_fields=fields)
        raise
    provider.save(update_fields=fields)
    return identity


def check_due(*, seconds: float = 45.0) -> int:
    """Check the providers that nobody checked for a day, so that a revoked token shows before a push needs it.

    Starts no further check after `seconds`. Returns how many were checked; what is wrong with one is stored with it.
    """
    stop_at = time.monotonic() + seconds
    due = Provider.objects.filter(Q(checked_at=None) | Q(checked_at__lt=timezone.now() - CHECK_EVERY))
    checked = 0
    for provider in due.order_by(F("checked_at").asc(nulls_first=True))[:50]:
        if time.monotonic() > stop_at:
            break
        checked += 1
        try:
            check(provider=provider)
        except (ProviderError, InvalidValue):
            continue
    return checked


def refresh_networks(*, provider: Provider) -> bool:
    """Ask the provider which networks its webhooks come from, and store them; whether it publishes any.

    What was known stays when it publishes none (any more). Raises ProviderError.
    """
    published = clients.client(provider).webhook_networks()
    if published:
        provider.webhook_networks = published
    provider.webhook_networks_at = timezone.now()
    provider.save(update_fields=["webhook_networks", "webhook_networks_at", "updated_at"])
    return bool(published)


def delete(*, provider: Provider, actor: User) -> None:
    """Forget a provider. Raises Refused while it has repositories."""
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=provider.team)
    try:
        with transaction.atomic():
            audit.record(actor=actor, team=provider.team, action="provider.delete", target=provider)
            provider.delete()
    except ProtectedError:
        raise Refused(
            f"{provider} still has repositories.", remedy="Delete its repositories, and their integrations, first."
        ) from None


def search_repositories(*, provider: Provider, query: str = "", page: int = 1) -> Page[RemoteRepository]:
    """Repositories at the provider whose name contains `query`. Raises ProviderError."""
    return clients.client(provider).search_repositories(query, max(1, page))


def _tidy(field: str, value: str) -> str:
    """Without blanks around its lines, and without the line ends of browsers."""
    text = "\n".join(line.strip() for line in value.replace("\x00", "").splitlines() if line.strip())
    return text.rstrip("/") if field == "base_url" else text


def _credential_names() -> set[str]:
    """Of all kinds."""
    return {field.name for kind, _ in kinds() for field in client_class(kind).credential_fields}


def _cleaned(kind: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """The fields that this kind has, stripped. Raises InvalidValue for a required one that is blank, and for others."""
    cleaned = {}
    known = [field.name for field in client_class(kind).credential_fields]
    for name, value in credentials.items():
        if name not in known and value.strip():
            # A name that no kind knows may be a secret in the wrong place: it is not repeated.
            raise InvalidValue(
                f"{client_class(kind).label} takes no credential of this name; it takes {', '.join(known)}.",
                field=name if name in _credential_names() else "credentials",
            )
    for field in client_class(kind).credential_fields:
        value = credentials.get(field.name, "").strip()
        if field.required and not value:
            raise InvalidValue(f"{field.label} is required.", field=field.name)
        # Nothing that could end a header line, or that no header can carry.
        if not field.multiline and not (value.isascii() and value.isprintable()):
            raise InvalidValue(f"{field.label} has characters that no token has.", field=field.name)
        if value:
            cleaned[field.name] = value
    return client_class(kind).tidied_credentials(cleaned)


def _validate(provider: Provider) -> None:
    """Check what can be checked without a call, and normalise. Raises InvalidValue."""
    if not provider.name or len(provider.name) > 80:
        raise InvalidValue("A name of 1 to 80 characters is required.", field="name")
    if _name_taken(provider):
        raise _taken(provider)
    if provider.base_url:
        provider.base_url = check_base_url(provider.base_url)
        if len(provider.base_url) > 200:
            raise InvalidValue("The address is longer than 200 characters.", field="base_url")
    elif not client_class(provider.kind).default_base_url:
        raise InvalidValue("The address is required, such as https://git.example.com.", field="base_url")
    if provider.base_url == client_class(provider.kind).default_base_url:
        provider.base_url = ""
    _refuse_what_only_servers_have(provider)
    trust(provider.ca_bundle)
    if not 1 <= provider.ssh_port <= 65535:
        raise InvalidValue("A port is a number from 1 to 65535.", field="ssh_port")
    if provider.ssh_host and not is_host(provider.ssh_host):
        raise InvalidValue("Write the name of a host or its address, such as ssh.example.com.", field="ssh_host")
    if provider.ssh_user and not is_user(provider.ssh_user):
        raise InvalidValue("Write the user alone, such as git or org-123456.", field="ssh_user")


def _refuse_what_only_servers_have(provider: Provider) -> None:
    """Raises InvalidValue for an address or port that a public service would never be asked at."""
    kind = client_class(provider.kind)
    # That the panel may connect to a loopback address at all is for an administrator to allow.
    if kind.self_hosted or (kind.has_stand_in and _is_loopback(provider.base_url)):
        return
    given = {
        "base_url": bool(provider.base_url),
        "ssh_host": bool(provider.ssh_host),
        "ssh_port": provider.ssh_port != SSH_PORT,
    }
    for field, there in given.items():
        if there:
            raise InvalidValue(
                f"{kind.label} is the service at {kind.default_base_url}: it has no address or port of your own.",
                remedy="Leave this out, or choose the kind of a server that you run yourselves.",
                field=field,
            )


def _is_loopback(url: str) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def _learn(provider: Provider) -> Identity:
    """Ask the provider who we are and, until some are known, for its host keys. Sets the fields, saves nothing."""
    remote = clients.client(provider)
    try:
        if (complete := remote.completed_credentials()) != provider.credentials:
            provider.credentials = complete
            remote = clients.client(provider)
        identity = remote.check()
    except ProviderError as error:
        if isinstance(error, CredentialsRejected | PermissionMissing):
            error.field = error.field or remote.credential_fields[0].name
        elif not remote.default_base_url:
            error.field = error.field or "base_url"
        raise
    if not provider.ssh_known_hosts and not provider.ssh_scanned_keys:
        try:
            host_keys.look(provider, remote)
        except ProviderError as error:  # not now: the check of host keys asks again
            provider.ssh_problem = str(error)
    provider.login = identity.login[:120]
    provider.missing_scopes = [scope[:60] for scope in identity.missing]
    provider.check_error, provider.checked_at = "", timezone.now()
    return identity


def _save(provider: Provider, record: Callable[[], object]) -> None:
    try:
        with transaction.atomic():
            provider.save()
            record()
    except IntegrityError:
        # Someone took the name while the provider was asked.
        if _name_taken(provider):
            raise _taken(provider) from None
        raise


def _name_taken(provider: Provider) -> bool:
    return Provider.objects.of(provider.team).filter(name=provider.name).exclude(pk=provider.pk).exists()


def _taken(provider: Provider) -> InvalidValue:
    return InvalidValue(f"The team has a provider called {provider.name} already.", field="name")
