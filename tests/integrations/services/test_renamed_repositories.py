"""Repositories that were renamed or transferred: noticed, told, and followed."""

import json
import re

import pytest

from integrations.errors import InvalidValue
from integrations.models import Integration, Repository
from integrations.services import deliveries, repositories
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests import factories
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub, reply

NEW = "acme-inc/store"


@pytest.fixture
def repository(integration: Integration) -> Repository:
    return integration.repository


def rename(github: FakeGitHub, *, id_: int = 1296269) -> None:
    """As GitHub does it: the old name leads to an address by id, which tells the new name.

    https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
    """
    moved = {"message": "Moved Permanently", "url": f"{github.api}/repositories/{id_}"}
    there = {**github.repository(), "id": id_, "full_name": NEW}
    github.mock.reset()
    serve = github.mock.add_callback
    old = re.compile(rf"^{re.escape(github.api)}/repos/{REPOSITORY}$")
    serve("GET", old, callback=lambda _: reply(301, moved, Location=f"{github.api}/repositories/{id_}"))
    for path in (f"/repositories/{id_}", f"/repos/{NEW}"):
        serve("GET", f"{github.api}{path}", callback=lambda _: (200, {}, json.dumps(there)))


def test_one_that_is_called_the_same_is_left_alone(repository: Repository, github: FakeGitHub):
    assert repositories.look(repository=repository) is False
    repository.refresh_from_db()
    assert (repository.remote_id, repository.new_name) == ("1296269", "")


def test_another_name_is_noticed_and_told(repository: Repository, github: FakeGitHub):
    repositories.look_due()
    rename(github)
    Repository.objects.update(looked_at=None)
    assert repositories.look_due() == 1
    repository.refresh_from_db()
    assert (repository.new_name, repository.full_name) == (NEW, REPOSITORY)
    assert repositories.look_due() == 0, "not before a while"


def test_it_is_followed(repository: Repository, admin: User, github: FakeGitHub):
    rename(github)
    repositories.follow(repository=repository, actor=admin)
    repository.refresh_from_db()
    assert (repository.full_name, repository.new_name) == (NEW, "")
    assert repository.web_url == f"https://github.com/{NEW}"
    entry = AuditEntry.objects.get(action="repository.follow")
    assert entry.changes == {"full_name": [REPOSITORY, NEW]}


def test_another_repository_under_the_old_name_is_never_followed(
    repository: Repository, admin: User, github: FakeGitHub
):
    repositories.look(repository=repository)
    rename(github, id_=666)
    assert repositories.look(repository=repository) is True
    assert "another repository by now" in repository.moved_problem
    with pytest.raises(Refused, match="another repository"):
        repositories.follow(repository=repository, actor=admin)
    repository.refresh_from_db()
    assert (repository.full_name, repository.remote_id) == (REPOSITORY, "1296269")


def test_one_that_was_added_under_both_names(repository: Repository, admin: User, github: FakeGitHub):
    factories.make_repository(provider=repository.provider, full_name=NEW)
    rename(github)
    with pytest.raises(Refused, match="a repository of its own"):
        repositories.follow(repository=repository, actor=admin)


def test_nothing_is_followed_that_has_its_name_still(repository: Repository, admin: User, github: FakeGitHub):
    with pytest.raises(Refused, match="still"):
        repositories.follow(repository=repository, actor=admin)


def test_a_viewer_follows_nothing(repository: Repository, team: Team, github: FakeGitHub):
    with pytest.raises(Forbidden):
        repositories.follow(repository=repository, actor=factories.make_user(team=team, role=Role.VIEWER))


def test_a_webhook_with_another_name_has_it_looked_at_at_once(integration: Integration, github: FakeGitHub):
    repositories.look_due()
    item = {
        "id": "d-1",
        "status": "rejected",
        "method": "zip_download",
        "received_at": "2026-11-28T10:00:00+00:00",
        "updated_at": "2026-11-28T10:00:00+00:00",
        "repository": NEW,
        "reason": f"This stack mirrors {REPOSITORY}, not {NEW}",
    }
    deliveries.upsert_from_item(integration=integration, item=item)
    integration.repository.refresh_from_db()
    assert integration.repository.looked_at is None
    assert integration.repository.new_name == "", "a webhook's word is not taken for it"


def test_another_repository_is_not_added_in_place_of_the_first(repository: Repository, admin: User, github: FakeGitHub):
    """A name that became free is anybody's: who takes it must not be taken for the one that was added."""
    Repository.objects.update(remote_id="7")
    with pytest.raises(InvalidValue, match="another repository") as refused:
        repositories.add(team=repository.team, actor=admin, provider=repository.provider, full_name=REPOSITORY)
    assert refused.value.field == "full_name"
    repository.refresh_from_db()
    assert repository.remote_id == "7"
