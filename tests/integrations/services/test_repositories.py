import pytest

from integrations.errors import InvalidValue, NotFoundAtProvider
from integrations.models import Provider, Repository
from integrations.services import repositories
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Membership, Role, Team, User
from tests import factories
from tests.integrations.providers.fake_github import FakeGitHub


def test_a_repository_is_described_by_its_provider(team: Team, admin: User, provider: Provider, github: FakeGitHub):
    repository = repositories.add(team=team, actor=admin, provider=provider, full_name=" acme/shop ")
    repository.refresh_from_db()
    assert (repository.full_name, repository.default_branch, repository.private) == ("acme/shop", "main", True)
    assert repository.web_url == "https://github.com/acme/shop"
    assert AuditEntry.objects.get().action == "repository.add"


def test_adding_it_twice_is_one_row_with_the_newest_facts(
    team: Team, admin: User, provider: Provider, github: FakeGitHub
):
    old = factories.make_repository(provider=provider, full_name="acme/shop", default_branch="master")
    again = repositories.add(team=team, actor=admin, provider=provider, full_name="acme/shop")
    assert again.pk == old.pk
    assert Repository.objects.get().default_branch == "main"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("name", "error"), [("acme/nothing", NotFoundAtProvider), ("shop", InvalidValue)])
def test_a_name_that_leads_nowhere_is_shown_at_its_field(
    team: Team, admin: User, provider: Provider, github: FakeGitHub, name: str, error: type
):
    with pytest.raises(error) as caught:
        repositories.add(team=team, actor=admin, provider=provider, full_name=name)
    assert caught.value.field == "full_name"


def test_a_provider_of_another_team_cannot_be_used(provider: Provider, stranger: User):
    other = Team.objects.get(slug="globex")
    with pytest.raises(InvalidValue) as caught:
        repositories.add(team=other, actor=stranger, provider=provider, full_name="acme/shop")
    assert caught.value.field == "provider"


def test_a_viewer_may_not_add_nor_an_operator_delete(team: Team, admin: User, provider: Provider):
    repository = factories.make_repository(provider=provider)
    Membership.objects.filter(user=admin).update(role=Role.VIEWER)
    with pytest.raises(Forbidden):
        repositories.add(team=team, actor=admin, provider=provider, full_name="acme/shop")
    Membership.objects.filter(user=admin).update(role=Role.OPERATOR)
    with pytest.raises(Forbidden):
        repositories.delete(repository=repository, actor=admin)


def test_a_repository_with_integrations_stays(admin: User, integration):
    with pytest.raises(Refused, match="has integrations"):
        repositories.delete(repository=integration.repository, actor=admin)
    integration.delete()
    repositories.delete(repository=integration.repository, actor=admin)
    assert not Repository.objects.exists()
