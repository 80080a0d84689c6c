"""Who sees what: strangers nothing, viewers all and change nothing, everybody only after signing in."""

from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from integrations.models import Integration, Provider
from teams.models import Membership, Role, Team, User
from tests.factories import make_team
from tests.web.conftest import client_of
from tests.web.scene import FOR_ADMINS, LISTS, make_scene


@pytest.mark.parametrize("name", LISTS)
def test_a_visitor_is_sent_to_sign_in_and_back(name: str, db: None) -> None:
    answer = Client().get(reverse(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse(settings.LOGIN_URL))
    assert answer["Location"].endswith(f"next={reverse(name)}")


@pytest.mark.parametrize("name", LISTS)
def test_lists_open_for_a_viewer_but_those_for_admins(name: str, viewer: Client, team: Team) -> None:
    make_scene(team)
    assert viewer.get(reverse(name)).status_code == (403 if name in FOR_ADMINS else 200)
    assert (reverse(name) in viewer.get(reverse("overview")).content.decode()) is (name not in FOR_ADMINS)


@pytest.mark.parametrize("name", LISTS)
def test_empty_lists_open(name: str, signed_in: Client) -> None:
    assert signed_in.get(reverse(name)).status_code == 200


def test_every_page_about_an_object_opens_for_an_admin(signed_in: Client, team: Team) -> None:
    statuses = {name: signed_in.get(url).status_code for name, url in make_scene(team).about().items()}
    assert set(statuses.values()) == {200}, statuses


def test_nothing_of_a_team_exists_for_a_stranger(strange: Client, team: Team) -> None:
    scene = make_scene(team)
    seen = {name: strange.get(url).status_code for name, url in scene.about().items()}
    fragments = {
        "artifact-download": scene.artifact,
        "integration-setup": scene.integration,
        "operation-live": scene.operation,
    }
    seen |= {name: strange.get(reverse(name, args=[row.pk])).status_code for name, row in fragments.items()}
    done = {name: strange.post(url).status_code for name, url in scene.actions().items()}
    assert set(seen.values()) == {404}, seen
    assert set(done.values()) == {404}, done


def test_lists_hold_only_rows_of_the_team(strange: Client, team: Team) -> None:
    make_scene(team, name="secret-project")
    for name in LISTS:
        url = reverse(name)
        assert "secret-project" not in strange.get(url, {"q": "secret"}).content.decode(), name


def test_a_viewer_may_not_open_forms_that_change_things(viewer: Client, team: Team) -> None:
    scene = make_scene(team)
    forms = {name: url for name, url in scene.about().items() if name.endswith("-delete")}
    forms |= {name: reverse(name) for name in ("provider-add", "repository-add", "account-add", "integration-add")}
    statuses = {name: viewer.get(url).status_code for name, url in forms.items()}
    assert set(statuses.values()) == {403}, statuses


def test_a_viewer_may_start_nothing(viewer: Client, team: Team) -> None:
    scene = make_scene(team)
    statuses = {name: viewer.post(url, {"action": "show"}).status_code for name, url in scene.actions().items()}
    # The services decide who may; those that look at the state first refuse with a message.
    assert statuses.pop("operation-retry") in {302, 403}
    assert set(statuses.values()) == {403}, statuses


def test_a_viewer_is_offered_nothing_to_change(viewer: Client, team: Team) -> None:
    page = viewer.get(reverse("integration-detail", args=[make_scene(team).integration.pk])).content.decode()
    assert "Update stack" not in page
    assert "Danger zone" not in page
    assert reverse("integration-add") not in page


def test_an_operator_may_not_see_the_values_of_a_webhook(operator: Client, team: Team) -> None:
    scene = make_scene(team)
    answer = operator.post(reverse("integration-webhook", args=[scene.integration.pk]), {"action": "show"})
    assert answer.status_code == 403
    assert scene.integration.webhook_secret not in answer.content.decode()


def test_a_user_without_a_team_is_told_so(db: None) -> None:
    answer = client_of(User.objects.create_user("new")).get(reverse("overview"))
    assert answer.status_code == 403
    assert "You are in no team yet" in answer.content.decode()


def test_switching_the_team_changes_what_lists_show(admin: User, team: Team) -> None:
    other = make_team(slug="globex")
    Membership.objects.create(team=other, user=admin, role=Role.VIEWER)
    make_scene(other, name="theirs")
    client = client_of(admin)
    assert "theirs" not in client.get(reverse("integration-list")).content.decode()
    client.post(reverse("team-switch"), {"team": other.pk})
    page = client.get(reverse("integration-list")).content.decode()
    assert "theirs" in page
    assert "Globex · Viewer" in page


def test_a_link_into_another_of_my_teams_shows_that_team_and_my_role_in_it(admin: User, team: Team) -> None:
    other = make_team(slug="globex")
    Membership.objects.create(team=other, user=admin, role=Role.VIEWER)
    scene = make_scene(other)
    page = client_of(admin).get(reverse("integration-detail", args=[scene.integration.pk])).content.decode()
    assert "Globex · Viewer" in page
    assert "Danger zone" not in page


def test_switching_to_a_team_that_is_not_mine_is_not_found(signed_in: Client) -> None:
    assert signed_in.post(reverse("team-switch"), {"team": make_team(slug="globex").pk}).status_code == 404


def test_no_page_shows_a_secret(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    account = scene.account
    account.secret_access_key = "canary-secret-access-key"
    account.save()
    secrets = (
        Provider.objects.get(pk=scene.provider.pk).credentials["token"],
        Integration.objects.get(pk=scene.integration.pk).webhook_secret,
        "canary-secret-access-key",
    )
    pages = [*scene.about().values(), *(reverse(name) for name in LISTS)]
    for url in pages:
        answer = signed_in.get(url)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[arg-type]
        assert not [secret for secret in secrets if secret in body.decode()], url


def test_a_form_whose_session_ended_says_so_and_leads_back_to_its_page(client: Client, team: Team) -> None:
    scene = make_scene(team)
    page = reverse("integration-edit", args=[scene.integration.pk])
    for url, referer, then in (
        (page, f"http://testserver{page}", page),
        # An action without a page of its own: to the one with the button, as opening the action is a 405.
        (reverse("integration-provision", args=[scene.integration.pk]), f"http://testserver{page}?a=1", f"{page}?a=1"),
        (page, "http://elsewhere.example.com/", page),
    ):
        answer = client.post(url, {"environment": "staging"}, headers={"Referer": referer})
        assert answer["Location"] == f"{reverse('sign-in')}?next={quote(then)}"
        assert "Your session had ended, so nothing was saved." in client.get(answer["Location"]).content.decode()
    assert "Your session had ended" not in client.get(client.get(page)["Location"]).content.decode()
