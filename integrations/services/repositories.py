"""Repositories: picked at a provider, or typed."""

import time
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError, Q
from django.utils import timezone

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Provider, Repository
from integrations.providers.records import RemoteRepository
from integrations.services import clients, pauses
from teams import policy
from teams.errors import Refused
from teams.models import Team, User
from teams.policy import Act
from teams.services import audit

EVERY = timedelta(hours=6)
"""How often a provider is asked what it calls a repository; a webhook with another name asks at once."""


def add(*, team: Team, actor: User, provider: Provider, full_name: str) -> Repository:
    """Add a repository that the provider has, under the name that the provider gives it.

    One that was added before is returned as it is, with what the provider says now. Raises Forbidden, InvalidValue and
    ProviderError, with the field to look at.
    """
    policy.require(Act.ADD_REPOSITORY, user=actor, team=team)
    if provider.team_id != team.pk:
        raise InvalidValue("That provider belongs to another team.", field="provider")
    try:
        remote = clients.client(provider).repository(full_name.strip())
    except ProviderError as error:
        error.field = error.field if error.field in {"full_name", "provider"} else "full_name"
        raise
    facts = _facts(remote)
    with transaction.atomic():
        try:
            # A savepoint of its own, as two people may add it at the same time.
            with transaction.atomic():
                repository = Repository.objects.create(
                    team=team, provider=provider, full_name=remote.full_name, **facts
                )
        except IntegrityError:
            repository = Repository.objects.select_for_update().get(provider=provider, full_name=remote.full_name)
            _require_same(repository, remote)
            for field, value in facts.items():
                setattr(repository, field, value)
            repository.save(update_fields=[*facts, "updated_at"])
        else:
            audit.record(actor=actor, team=team, action="repository.add", target=repository)
    return repository


def _require_same(repository: Repository, remote: RemoteRepository) -> None:
    """Another repository never takes the place of the one that was added. Raises InvalidValue."""
    if repository.remote_id and remote.id and repository.remote_id != remote.id:
        raise InvalidValue(
            f"{remote.full_name} is another repository than the one that was added under this name.",
            remedy="Delete the old one first.",
            field="full_name",
        )


def look(*, repository: Repository) -> bool:
    """Ask the provider what it calls the repository now, and note it; whether that is another name than ours.

    Providers lead from an old name to the new one; the id tells a renamed repository from another one that took its
    name. Raises ProviderError.
    """
    remote = clients.client(repository.provider).repository(repository.full_name)
    new_name = problem = ""
    if repository.remote_id and remote.id and remote.id != repository.remote_id:
        problem = f"{repository.full_name} is another repository by now: the one that was added was renamed or deleted."
    elif remote.full_name.lower() != repository.full_name.lower():
        new_name = remote.full_name
    repository.remote_id = repository.remote_id or remote.id
    repository.new_name, repository.moved_problem, repository.looked_at = new_name, problem, timezone.now()
    repository.save(update_fields=["remote_id", "new_name", "moved_problem", "looked_at", "updated_at"])
    return bool(new_name or problem)


def look_due(*, seconds: float = 20.0) -> int:
    """Look at the repositories with integrations that nobody looked at for EVERY; returns at how many.

    Starts no further look after `seconds`. A provider that cannot be asked is asked again the next time.
    """
    stop_at, looked = time.monotonic() + seconds, 0
    due = Q(looked_at=None) | Q(looked_at__lt=timezone.now() - EVERY)
    rows = Repository.objects.filter(due, integrations__isnull=False).distinct().select_related("provider")
    for repository in rows.order_by(F("looked_at").asc(nulls_first=True))[:50]:
        if time.monotonic() > stop_at:
            break
        if pauses.paused(repository.provider):
            continue
        looked += 1
        try:
            look(repository=repository)
        except (ProviderError, InvalidValue) as error:
            if isinstance(error, ProviderError):
                pauses.note(repository.provider, error)
            repository.looked_at = timezone.now()
            repository.save(update_fields=["looked_at"])
    return looked


def follow(*, repository: Repository, actor: User) -> Repository:
    """Take over the name that the provider gives it now; the stacks of its integrations have to follow.

    Raises Forbidden, Refused where it has no other name, or was added under it too, and ProviderError.
    """
    policy.require(Act.PROVISION, user=actor, team=repository.team)
    if not look(repository=repository) or not repository.new_name:
        raise Refused(
            repository.moved_problem or f"The provider calls it {repository.full_name} still.",
            remedy="Add the repository that is meant, if it is another one." if repository.moved_problem else "",
        )
    remote = clients.client(repository.provider).repository(repository.new_name)
    _require_same(repository, remote)
    before = repository.full_name
    repository.full_name, repository.new_name = remote.full_name, ""
    for field, value in _facts(remote).items():
        setattr(repository, field, value)
    try:
        with transaction.atomic():
            repository.save()
            changes = {"full_name": [before, repository.full_name]}
            audit.record(
                actor=actor, team=repository.team, action="repository.follow", target=repository, changes=changes
            )
    except IntegrityError:
        raise Refused(
            f"{remote.full_name} was added as a repository of its own.",
            remedy="Delete that one, if no integration needs it, and follow then.",
        ) from None
    return repository


def _facts(remote: RemoteRepository) -> dict[str, Any]:
    return {
        "default_branch": remote.default_branch,
        "private": remote.private,
        "web_url": remote.web_url,
        "remote_id": remote.id,
    }


def delete(*, repository: Repository, actor: User) -> None:
    """Forget a repository. Raises Refused while an integration uses it."""
    policy.require(Act.DELETE_REPOSITORY, user=actor, team=repository.team)
    try:
        with transaction.atomic():
            audit.record(actor=actor, team=repository.team, action="repository.delete", target=repository)
            repository.delete()
    except ProtectedError:
        raise Refused(f"{repository} has integrations.", remedy="Delete its integrations first.") from None
