"""Two people with the same settings open: the second is told who changed what, and loses nothing."""

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import Integration, Method
from teams.models import Role, Team
from tests import factories
from tests.web.conftest import client_of
from tests.web.scene import Scene, make_scene


@pytest.fixture
def scene(team: Team) -> Scene:
    return make_scene(team, method=Method.ZIP_DOWNLOAD)


def opened(client: Client, integration: Integration) -> dict[str, object]:
    """What the form of the settings would send, as somebody opened it."""
    form = client.get(reverse("integration-edit", args=[integration.pk])).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    return sent | {"refs": ", ".join(integration.refs), "parameters": "{}", "deployers": []}


def test_the_second_sees_who_changed_what_and_can_still_save(signed_in: Client, team: Team, scene: Scene) -> None:
    url = reverse("integration-edit", args=[scene.integration.pk])
    first, second = opened(signed_in, scene.integration), opened(signed_in, scene.integration)
    kim = client_of(factories.make_user(team=team, role=Role.OPERATOR, username="kim"))
    assert kim.post(url, {**first, "environment": "staging"}).status_code == 302

    answer = signed_in.post(url, {**second, "environment": "canary", "application": "till"})
    html = answer.content.decode()
    assert "kim changed environment meanwhile" in html
    assert "It is now: staging." in html
    assert 'value="canary"' in html
    assert 'value="till"' in html
    scene.integration.refresh_from_db()
    assert (scene.integration.environment, scene.integration.application) == ("staging", "shop")

    again = {
        **second,
        "environment": "canary",
        "application": "till",
        "version": answer.context["form"]["version"].value(),
    }
    assert signed_in.post(url, again).status_code == 302
    scene.integration.refresh_from_db()
    assert (scene.integration.environment, scene.integration.application) == ("canary", "till")


def test_all_that_is_wrong_is_told_at_once_and_above_the_form(signed_in: Client, scene: Scene) -> None:
    url = reverse("integration-edit", args=[scene.integration.pk])
    wrong = {"environment": "!", "application": "-", "refs": "a b", "paths": "a\\b"}
    html = signed_in.post(url, opened(signed_in, scene.integration) | wrong).content.decode()
    summary = html[html.index("data-form-errors") : html.index("</ul>", html.index("data-form-errors"))]
    for name in wrong:
        assert f'href="#id_{name}"' in summary
        assert f'id="id_{name}_error"' in html


@pytest.mark.parametrize("text", ["null", "[]", "3", '"x"'])
def test_parameters_that_are_no_object_are_refused_at_their_field(signed_in: Client, scene: Scene, text: str) -> None:
    url = reverse("integration-edit", args=[scene.integration.pk])
    html = signed_in.post(url, opened(signed_in, scene.integration) | {"parameters": text}).content.decode()
    assert 'id="id_parameters_error"' in html
