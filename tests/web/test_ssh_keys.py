"""The page of SSH keys: what it lists, and what may be asked on it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.models import Operation, OperationKind
from deployers.services import key_rotation
from integrations.models import Integration, Method, SSHKey
from teams.models import Membership, Role, Team, User
from tests import factories
from tests.web.conftest import client_of

LIST = "/ssh-keys/"
OUTPUTS = {"CreateSSHKeyFunction": "create", "GitPullFunction": "pull", "OutputBucketName": "b"}


def key_of(team: Team, name: str, *, days: int = 0, **fields: Any) -> SSHKey:
    integration = factories.make_integration(team=team, name=name, method=Method.GIT_PULL)
    factories.make_stack(integration=integration, outputs=OUTPUTS)
    fields.setdefault("fingerprint", f"SHA256:{name}")
    key = factories.make_ssh_key(integration=integration, **fields)
    SSHKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - timedelta(days=days))
    return key


def shown(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"{LIST}{query}")
    return [key.integration.name for key in answer.context["page"].rows]


def test_it_is_sorted_filtered_and_searched(signed_in: Client, team: Team, settings: Settings) -> None:
    settings.SSH_KEY_ROTATE_DAYS = 300
    key_of(team, "api", days=10, remote_state="missing")
    key_of(team, "shop", days=400, remote_state="present", last_used_at=timezone.now())
    key_of(team, "gone", days=500, state="retired", in_stack=False, remote_state="missing")

    assert shown(signed_in) == ["api", "shop"]
    assert shown(signed_in, "?state=all") == ["api", "gone", "shop"]
    assert shown(signed_in, "?state=retired") == ["gone"]
    assert shown(signed_in, "?sort=oldest") == ["shop", "api"]
    assert shown(signed_in, "?sort=unused") == ["api", "shop"]
    assert shown(signed_in, "?sort=next") == ["shop", "api"]
    assert shown(signed_in, "?at_provider=missing") == ["api"]
    assert shown(signed_in, "?age=365") == shown(signed_in, "?age=late") == ["shop"]
    assert shown(signed_in, "?q=SHA256:shop") == ["shop"]
    assert shown(signed_in, "?q=ap") == ["api"]
    assert shown(signed_in, "?sort=none&state=none&at_provider=none&age=none") == ["api", "shop"]
    assert "Overdue" in signed_in.get(LIST).content.decode()


def test_an_old_key_that_is_nowhere_any_more_is_not_missed(signed_in: Client, team: Team) -> None:
    key_of(team, "old", state="retired", in_stack=False, remote_state="missing")
    page = signed_in.get(f"{LIST}?state=retired").content.decode()
    assert "Removed" in page
    assert "status-bad" not in page


def test_more_than_are_rotated_at_once_are_told(signed_in: Client, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "MOST_AT_ONCE", 1)
    key_of(team, "api", days=91)
    key_of(team, "shop", days=95)
    answer = signed_in.post(reverse("ssh-key-rotate-many"), {"older": "1", "days": "90"}, follow=True)
    assert "Not started: 1 more, as 1 are rotated at once." in answer.content.decode()
    assert Operation.objects.get().integration.name == "shop"


def test_a_selection_is_rotated_and_followed(signed_in: Client, team: Team) -> None:
    chosen, other = key_of(team, "api"), key_of(team, "shop")

    answer = signed_in.post(reverse("ssh-key-rotate-many"), {"key": [str(chosen.pk), "nonsense"]})

    operation = Operation.objects.get()
    assert (operation.kind, operation.integration) == (OperationKind.ROTATE_KEY, chosen.integration)
    assert answer["Location"] == reverse("ssh-key-batch", args=[operation.batch])
    page = signed_in.get(answer["Location"]).content.decode()
    assert "0 rotated, 0 not, 1 to go" in page
    assert other.integration.name not in page
    assert operation.target in signed_in.get(LIST).content.decode()


def test_the_button_of_a_row_rotates_that_one_whatever_is_selected(signed_in: Client, team: Team) -> None:
    key, other = key_of(team, "api"), key_of(team, "shop")
    signed_in.post(reverse("ssh-key-rotate-many"), {"only": str(key.pk), "key": str(other.pk)})
    assert Operation.objects.get().integration == key.integration


def test_all_that_are_old_are_rotated(signed_in: Client, team: Team) -> None:
    old = key_of(team, "api", days=91)
    key_of(team, "shop", days=89)

    signed_in.post(reverse("ssh-key-rotate-many"), {"older": "1", "days": "90"})

    assert Operation.objects.get().integration == old.integration


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Select the current keys"),
        ({"older": "1", "days": "-1"}, "greater than or equal to 0"),
        ({"older": "1", "days": "90"}, "No SSH key is older than 90 days"),
    ],
)
def test_nothing_to_rotate_is_said(signed_in: Client, team: Team, sent: dict[str, str], words: str) -> None:
    key_of(team, "api")
    assert words in signed_in.post(reverse("ssh-key-rotate-many"), sent, follow=True).content.decode()
    assert not Operation.objects.exists()


def test_only_admins_rotate_many_and_revoke(operator: Client, team: Team) -> None:
    key = key_of(team, "api")
    assert operator.post(reverse("ssh-key-rotate-many"), {"key": [str(key.pk)]}).status_code == 403
    assert operator.post(reverse("ssh-key-revoke", args=[key.pk]), {"confirm": "api"}).status_code == 403
    assert not Operation.objects.exists()


def test_a_batch_of_another_team_is_not_there(signed_in: Client, strange: Client, team: Team) -> None:
    key = key_of(team, "api")
    answer = signed_in.post(reverse("ssh-key-rotate-many"), {"key": [str(key.pk)]})
    assert strange.get(answer["Location"]).status_code == 404


def test_the_integration_shows_what_to_paste_while_its_rotation_waits(signed_in: Client, team: Team) -> None:
    key = key_of(team, "api", remote_state="present")
    new = factories.make_ssh_key(
        integration=key.integration,
        state="pending",
        fingerprint="SHA256:new",
        remote_state="manual",
        problem="No leave.",
    )
    page = signed_in.get(reverse("integration-detail", args=[key.integration.pk])).content.decode()
    assert "The rotation goes on by itself" in page
    assert new.problem in page
    assert 'id="rotate-key"' not in page


def test_revoking_tells_what_it_holds_up(signed_in: Client, team: Team) -> None:
    key = key_of(team, "api")
    Integration.objects.filter(pk=key.integration.pk).update(deployers=["codedeploy"], deploy_ref="main")
    factories.make_delivery(integration=key.integration, status="fetching")

    page = signed_in.get(reverse("ssh-key-revoke", args=[key.pk])).content.decode()

    assert "1 push that is being fetched now" in page
    assert "gets no deployment of main" in page


@pytest.fixture
def root(db: None) -> User:
    """May open Django's admin, and is a member of no team yet."""
    return User.objects.create_superuser("root")


def test_the_admin_rotates_and_revokes_through_the_same_services(root: User, team: Team, settings: Settings) -> None:
    key, client, url = key_of(team, "api"), client_of(root), reverse("admin:integrations_sshkey_changelist")
    asked = {"action": "rotate", "_selected_action": [str(key.pk)]}

    assert "This needs the role" in client.post(url, asked, follow=True).content.decode()
    assert not Operation.objects.exists()

    Membership.objects.create(team=team, user=root, role=Role.ADMIN)
    assert "Rotating the key of api" in client.post(url, asked, follow=True).content.decode()
    assert Operation.objects.get().kind == OperationKind.ROTATE_KEY
    assert reverse("ssh-key-list") in client.get(url).content.decode()

    sure = client.post(url, asked | {"action": "revoke"}).content.decode()
    assert key.fingerprint in sure
    key.refresh_from_db()
    assert key.state == "current"

    root.set_password("correct horse battery")
    root.save()
    client.force_login(root)
    settings.CONFIRMATION_MINUTES = 0
    for action in ("rotate", "revoke"):
        answer = client.post(
            url, asked | {"action": action, "revoke": "Revoke"}, headers={"Referer": f"http://testserver{url}"}
        )
        assert answer["Location"] == f"/confirm-password/?next={url.replace('/', '%2F')}"


@pytest.mark.parametrize(("sent", "kept"), [("", None), ("0", 0), ("45", 45)])
def test_an_integration_has_its_own_schedule(signed_in: Client, team: Team, sent: str, kept: int | None) -> None:
    integration = key_of(team, "api").integration
    Integration.objects.filter(pk=integration.pk).update(rotate_every=7)
    url = reverse("integration-edit", args=[integration.pk])
    form = signed_in.get(url).context["form"]
    filled = {"method": "zip_download", "refs": "**", "application": "shop", "environment": "test", "skip_ci": "on"}
    assert form["rotate_every"].value() == 7

    answer = signed_in.post(url, filled | {"rotate_every": sent, "parameters": "{}"})

    assert answer.status_code == 302
    integration.refresh_from_db()
    assert integration.rotate_every == kept


def test_the_overview_tells_admins_of_keys_that_need_somebody(
    signed_in: Client, operator: Client, team: Team, settings: Settings
) -> None:
    settings.SSH_KEY_ROTATE_DAYS = 90
    key_of(team, "late", days=91)
    key_of(team, "soon", days=85)
    key_of(team, "lost", days=1, remote_state="missing")

    page = signed_in.get("/").content.decode()

    for words in ("missing at the provider", "overdue for rotation", "rotated within a week"):
        assert words in page
        assert words not in operator.get("/").content.decode()
