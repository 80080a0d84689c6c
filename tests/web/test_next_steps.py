"""What a page offers as the next step: roll back, push for the first time, rotate a secret with open eyes."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Deployment, StackKind
from deployers.states import OperationStatus
from integrations.models import Delivery, WebhookState
from panel.web.progress import usual_duration
from teams.models import Team
from tests import factories
from tests.web.scene import Scene, make_scene


@pytest.fixture
def scene(team: Team) -> Scene:
    return make_scene(team)


def page(client: Client, name: str, pk: object) -> str:
    return client.get(reverse(name, args=[pk])).content.decode()


def test_a_failed_deployment_offers_the_way_back_first(signed_in: Client, viewer: Client, scene: Scene) -> None:
    Deployment.objects.all().delete()
    now = timezone.now()
    earlier = factories.make_artifact(integration=scene.integration, commit="a" * 40)
    factories.make_deployment(
        artifact=earlier, steps=False, status="deployed", problem="", created_at=now - timedelta(hours=2)
    )
    broken = factories.make_deployment(artifact=scene.artifact, created_at=now - timedelta(hours=1))
    html = page(signed_in, "deployment-detail", broken.pk)
    roll_back = html.index("Roll back to aaaaaaa")
    assert 'class="btn btn-primary"' in html[html.rindex("<a", 0, roll_back) : roll_back]
    assert roll_back < html.index("Redeploy")
    assert "Roll back to" not in page(viewer, "deployment-detail", broken.pk)
    factories.make_deployment(artifact=scene.artifact, status="deployed", problem="", steps=False)
    assert "Roll back to" not in page(signed_in, "deployment-detail", broken.pk), "a newer one followed"


def test_what_is_ready_says_how_to_push_until_something_came(signed_in: Client, scene: Scene) -> None:
    shown = page(signed_in, "integration-detail", scene.integration.pk)
    assert "Ready: now push" not in shown
    Delivery.objects.all().delete()
    shown = page(signed_in, "integration-detail", scene.integration.pk)
    assert "git clone https://github.com/acme/shop" in shown
    assert "git push origin main" in shown
    scene.integration.refs = ["release/*"]
    scene.integration.save()
    shown = page(signed_in, "integration-detail", scene.integration.pk)
    assert "matches release/*" in shown
    assert "git push origin" not in shown


def test_a_branch_with_a_hostile_name_is_quoted_for_the_shell(signed_in: Client, scene: Scene) -> None:
    Delivery.objects.all().delete()
    scene.repository.default_branch = "main;reboot"
    scene.repository.save()
    scene.integration.refs = ["**"]
    scene.integration.save()
    assert "git push origin &#x27;main;reboot&#x27;" in page(signed_in, "integration-detail", scene.integration.pk)


@pytest.mark.parametrize(
    ("state", "words"),
    [(WebhookState.INSTALLED, "gets the new secret by its API"), (WebhookState.MANUAL, "You paste the new secret at")],
)
def test_rotating_a_secret_says_what_will_happen_and_asks(
    operator: Client, scene: Scene, state: WebhookState, words: str
) -> None:
    scene.integration.webhook_state = state
    scene.integration.save()
    url = scene.actions()["integration-rotate-secret"]
    assert f'href="{url}"' in page(operator, "integration-detail", scene.integration.pk)
    asked = operator.get(url).content.decode()
    assert words in asked
    assert scene.integration.operations.count() == 1, "asking changes nothing"
    operator.post(url)
    assert scene.integration.operations.filter(kind="rotate_secret").count() == 1


def test_usually_takes_is_of_the_same_kind_on_the_same_stacks(scene: Scene) -> None:
    now = timezone.now()

    def done(minutes: int, **options: object) -> None:
        factories.make_operation(
            stack=scene.stack,
            status=OperationStatus.SUCCEEDED,
            started_at=now - timedelta(minutes=minutes),
            finished_at=now,
            options=options,
        )

    scene.integration.operations.all().delete()
    for minutes in (2, 4):
        done(minutes)
    done(30, took={StackKind.ECS: 600})
    alone = factories.make_operation(stack=scene.stack, status=OperationStatus.RUNNING)
    assert usual_duration(alone) == timedelta(minutes=3)
    alone.options = {"then": [StackKind.ECS]}
    assert usual_duration(alone) == timedelta(minutes=30)
    alone.options = {"then": [StackKind.CODEDEPLOY]}
    assert usual_duration(alone) is None
    alone.options, alone.kind = {}, "update"
    assert usual_duration(alone) is None


def test_nothing_is_counted_out_of_nothing(signed_in: Client, scene: Scene) -> None:
    type(scene.stack).objects.update(resources_done=0, resources_total=0)
    for name, pk in (("integration-detail", scene.integration.pk), ("stack-detail", scene.stack.pk)):
        assert "0 of 0" not in page(signed_in, name, pk)
    assert "0 of 0" not in signed_in.get(reverse("stack-list")).content.decode()


@pytest.mark.parametrize(("ready", "button"), [(True, "Update stack"), (False, "Provision")])
def test_saving_names_the_button_that_is_there(signed_in: Client, scene: Scene, *, ready: bool, button: str) -> None:
    if not ready:
        scene.integration.operations.all().delete()
        scene.stack.delete()
    url = reverse("integration-edit", args=[scene.integration.pk])
    form = signed_in.get(url).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    sent |= {"refs": "main", "parameters": "{}", "deployers": [], "method": "zip_download", "environment": "staging"}
    answer = signed_in.post(url, sent, follow=True)
    html = answer.content.decode()
    assert answer.redirect_chain, answer.context["form"].errors
    assert f"press {button}." in html
    assert f"{button}</button>" in html
