"""Repositories: picked at a provider, or typed."""

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from integrations.errors import InvalidValue, ProviderError
from integrations.models import Provider, Repository
from integrations.services import clients
from teams import policy
from teams.errors import Refused
from teams.models import Team, User
from teams.policy import Act
from teams.services import audit


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
    facts = {"default_branch": remote.default_branch, "private": remote.private, "web_url": remote.web_url}
    with transaction.atomic():
        try:
            # A savepoint of its own, as two people may add it at the same time.
            with transaction.atomic():
                repository = Repository.objects.create(
                    team=team, provider=provider, full_name=remote.full_name, **facts
                )
        except IntegrityError:
            repository = Repository.objects.select_for_update().get(provider=provider, full_name=remote.full_name)
            for field, value in facts.items():
                setattr(repository, field, value)
            repository.save(update_fields=[*facts, "updated_at"])
        else:
            audit.record(actor=actor, team=team, action="repository.add", target=repository)
    return repository


def delete(*, repository: Repository, actor: User) -> None:
    """Forget a repository. Raises Refused while an integration uses it."""
    policy.require(Act.DELETE_REPOSITORY, user=actor, team=repository.team)
    try:
        with transaction.atomic():
            audit.record(actor=actor, team=repository.team, action="repository.delete", target=repository)
            repository.delete()
    except ProtectedError:
        raise Refused(f"{repository} has integrations.", remedy="Delete its integrations first.") from None
