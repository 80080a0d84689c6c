"""The SSH host keys of providers: what is pinned, what waits for a person's word, and what changed.

Keys that a provider publishes over HTTPS are pinned at once. Others are scanned, shown with their fingerprints, and
pinned when a person confirmed them. Pinned keys are never replaced by themselves: stacks refuse a server with others.
"""

import logging
import time
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations import ssh
from integrations.errors import InvalidValue, NotFoundAtProvider, ProviderError
from integrations.models import Provider
from integrations.providers.base import ProviderClient
from integrations.services import clients
from integrations.ssh import HostKey
from lambdas.common import known_hosts
from teams import policy
from teams.errors import Refused
from teams.models import User
from teams.policy import Act
from teams.services import audit

logger = logging.getLogger(__name__)

CHECK_EVERY = timedelta(days=1)
AGAIN_AFTER = timedelta(hours=1)
"""When a server that could not be asked is asked again."""
FIELDS = ("ssh_known_hosts", "ssh_scanned_keys", "ssh_scanned_at", "ssh_problem")
"""What `look` sets."""


def pinned(provider: Provider) -> list[HostKey]:
    """The keys that git pull trusts."""
    return ssh.keys_in(provider.ssh_known_hosts)


def scanned(provider: Provider) -> list[HostKey]:
    """The keys that wait for a person to confirm them; empty if there is nothing to confirm."""
    return ssh.keys_in(provider.ssh_scanned_keys)


def look(provider: Provider, remote: ProviderClient) -> None:
    """Compare the provider's present keys with the pinned ones. Sets `FIELDS`, saves nothing.

    Raises ProviderError when the provider, or its SSH server, cannot be asked.
    """
    host, port = _server(provider, remote)
    usual = remote.usual_ssh_address.host
    published = ssh.keys_in(ssh.known_hosts_lines(host, port, remote.ssh_host_keys())) if host == usual else []
    offered = published or ssh.scan(host, port, allowed_networks=settings.PRIVATE_NETWORKS)
    lines = ssh.known_hosts_lines(host, port, [key.text for key in offered])
    provider.ssh_scanned_at, provider.ssh_problem, provider.ssh_scanned_keys = timezone.now(), "", ""
    if not provider.ssh_known_hosts:
        if published:
            provider.ssh_known_hosts = lines
        else:
            provider.ssh_scanned_keys = lines
    elif not (here := known_hosts.known(provider.ssh_known_hosts, host, port)).keys and not here.authorities:
        provider.ssh_scanned_keys = lines
        provider.ssh_problem = (
            f"Git over SSH is at {known_hosts.name_of(host, port)}, and no pinned host key is of it. Git pull refuses "
            "the server until somebody confirms its keys."
        )
    elif changed := _changed(ssh.keys_of(here), offered):
        provider.ssh_scanned_keys = lines
        provider.ssh_problem = (
            f"The SSH host keys of {host} changed: {changed}. Git pull refuses the server until somebody "
            "confirms the new keys. If nobody announced a change, someone may be listening in."
        )


def _server(provider: Provider, remote: ProviderClient) -> tuple[str, int]:
    """Host and port of SSH: those of a repository that is mirrored, else of any."""
    known = provider.repositories.order_by("-created_at").first()
    try:
        address = remote.ssh_address(known.full_name if known else "")
    except NotFoundAtProvider:  # it was renamed or deleted meanwhile
        address = remote.ssh_address()
    return address.host, address.port


def require_readable(lines: str) -> None:
    """Raise InvalidValue for known_hosts lines of which one cannot be read, or that trust no key of git pull's."""
    for line in lines.splitlines():
        if line.strip() and not line.lstrip().startswith("#") and not list(known_hosts.lines(line)):
            raise InvalidValue(
                "Each line is written <host> <type> <key>, as ssh-keyscan does.", field="ssh_known_hosts"
            )
    found = list(known_hosts.lines(lines))
    if found and not any(not each.marker and each.type in known_hosts.VERIFIABLE for each in found):
        raise InvalidValue(
            "None of these is a host key that git pull can verify: it takes no certificate authorities, and keys of "
            f"the types {', '.join(known_hosts.VERIFIABLE)}.",
            remedy="Paste what `ssh-keyscan <host>` prints.",
            field="ssh_known_hosts",
        )


def _changed(known: list[HostKey], offered: list[HostKey]) -> str:
    """In words what is not as it was pinned; empty if all is."""
    if not known:
        return ""  # a certificate authority, say, which a scan cannot be compared with
    if not {key.type for key in known} & {key.type for key in offered}:
        return f"it has no {' or '.join(sorted({key.type for key in known}))} any more"
    types = {key.type for key in known}
    other = [key for key in offered if key.type in types and key not in known]
    return ", ".join(f"{key.type} is now {key.fingerprint}" for key in other)


def scan(*, provider: Provider, actor: User | None = None) -> list[HostKey]:
    """Ask the server for its keys now; those that wait to be confirmed. Raises Forbidden and ProviderError.

    `actor` None is the system itself.
    """
    if actor is not None:
        policy.require(Act.CHECK_PROVIDER, user=actor, team=provider.team)
    before = provider.ssh_known_hosts
    try:
        look(provider, clients.client(provider))
    except ProviderError as error:
        # What was found before still waits: that the server cannot be asked now says nothing about its keys.
        soon = timezone.now() - CHECK_EVERY + AGAIN_AFTER
        _store(provider, before, ssh_problem=provider.ssh_problem or str(error), ssh_scanned_at=soon)
        raise
    _store(provider, before, **{field: getattr(provider, field) for field in FIELDS})
    return scanned(provider)


def _store(provider: Provider, before: str, **fields: object) -> None:
    """Save, unless somebody pinned other keys meanwhile: then the next scan compares with those."""
    Provider.objects.filter(pk=provider.pk, ssh_known_hosts=before).update(updated_at=timezone.now(), **fields)
    provider.refresh_from_db(fields=FIELDS)


def confirm(*, provider: Provider, actor: User, fingerprints: Collection[str]) -> Provider:
    """Pin exactly the scanned keys with these fingerprints, in place of what was pinned.

    Stacks know them after their next provisioning. Raises Forbidden, InvalidValue for no fingerprint at all, and
    Refused for one that was not scanned, or not last.
    """
    policy.require(Act.CONFIRM_HOST_KEYS, user=actor, team=provider.team)
    wanted = set(fingerprints)
    if not wanted:
        raise InvalidValue("Choose at least one host key.", field="fingerprints")
    with transaction.atomic():
        locked = Provider.objects.select_for_update().get(pk=provider.pk)
        waiting = {
            key.fingerprint: line
            for line in locked.ssh_scanned_keys.splitlines()
            for key in ssh.keys_in(line)
            if key.fingerprint in wanted
        }
        if set(waiting) != wanted:
            raise Refused(
                "These are not the host keys that wait to be confirmed.",
                remedy="Open the provider's page again and compare the fingerprints anew.",
                field="fingerprints",
            )
        before = [key.fingerprint for key in pinned(locked)]
        locked.ssh_known_hosts = "\n".join(waiting.values())
        locked.ssh_scanned_keys = locked.ssh_problem = ""
        locked.save(update_fields=[*FIELDS, "updated_at"])
        audit.record(
            actor=actor,
            team=locked.team,
            action="provider.confirm_host_keys",
            target=locked,
            changes={"ssh_known_hosts": [before, sorted(wanted)]},
        )
    provider.refresh_from_db(fields=FIELDS)
    return provider


def check_due(*, seconds: float = 45.0) -> int:
    """Look at the keys of providers that nobody looked at for a day; how many. Starts no further one after `seconds`.

    What is wrong with one is stored with it.
    """
    stop_at = time.monotonic() + seconds
    due = Provider.objects.filter(Q(ssh_scanned_at=None) | Q(ssh_scanned_at__lt=timezone.now() - CHECK_EVERY))
    looked = 0
    for provider in due.order_by(F("ssh_scanned_at").asc(nulls_first=True))[:50]:
        if time.monotonic() > stop_at:
            break
        looked += 1
        try:
            scan(provider=provider)
        except (ProviderError, InvalidValue) as error:
            logger.warning("provider %s: its SSH host keys cannot be read: %s", provider.pk, error)
    return looked
