"""Destructive acts: the consequences are listed, the name is typed, a refusal keeps the question open."""

from django.test import Client
from django.urls import reverse

from deployers.models import Operation, OperationKind
from integrations.models import Provider, Repository
from teams.models import Team
from tests import factories
from tests.web.scene import make_scene

HTMX = {"HX-Request": "true"}


def test_deleting_an_integration_asks_for_its_name_and_what_becomes_of_the_bucket(
    signed_in: Client, team: Team
) -> None:
    scene = make_scene(team)
    url = reverse("integration-delete", args=[scene.integration.pk])
    question = signed_in.get(url).content.decode()
    assert scene.stack.name in question
    assert "Type shop to confirm" in question
    for fields in ({"confirm": "Shop", "bucket": "keep"}, {"confirm": "shop"}, {"confirm": "shop", "bucket": "burn"}):
        answer = signed_in.post(url, fields)
        assert answer.status_code == 200
        assert "field-error" in answer.content.decode()
    assert not Operation.objects.filter(kind=OperationKind.DELETE).exists()
    answer = signed_in.post(url, {"confirm": "shop", "bucket": "purge"})
    operation = Operation.objects.get(kind=OperationKind.DELETE)
    assert operation.options["bucket"] == "purge"
    assert answer["Location"] == reverse("operation-detail", args=[operation.pk])


def test_in_the_dialog_an_error_stays_there_and_success_leaves_the_page(signed_in: Client, team: Team) -> None:
    provider = factories.make_provider(team=team, name="acme")
    url = reverse("provider-delete", args=[provider.pk])
    fragment = signed_in.get(url, headers=HTMX).content.decode()
    assert "<html" not in fragment
    assert 'hx-target="#dialog"' in fragment
    wrong = signed_in.post(url, {"confirm": "acm"}, headers=HTMX)
    assert wrong.status_code == 200
    assert "This is not the name" in wrong.content.decode()
    done = signed_in.post(url, {"confirm": "acme"}, headers=HTMX)
    assert done["HX-Redirect"] == reverse("provider-list")
    assert not Provider.objects.exists()


def test_a_refusal_of_the_service_is_shown_in_the_question(signed_in: Client, team: Team) -> None:
    repository = factories.make_repository(team=team)
    answer = signed_in.post(
        reverse("provider-delete", args=[repository.provider.pk]), {"confirm": repository.provider.name}
    )
    assert "still has repositories" in answer.content.decode()
    assert Provider.objects.exists()


def test_a_repository_that_no_integration_uses_is_removed(signed_in: Client, team: Team) -> None:
    repository = factories.make_repository(team=team)
    answer = signed_in.post(
        reverse("repository-delete", args=[repository.pk]), {"confirm": repository.full_name}, follow=True
    )
    assert f"{repository.full_name} removed." in answer.content.decode()
    assert not Repository.objects.exists()


def test_the_stack_of_a_deployer_that_is_not_used_any_more_is_deleted_alone(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(team=team, name="shop")
    used = factories.make_stack(integration=integration)
    stack = factories.make_stack(integration=integration, kind="codedeploy", name="sluice-shop-codedeploy")
    url = reverse("stack-delete", args=[stack.pk])
    assert url in signed_in.get(reverse("stack-detail", args=[stack.pk])).content.decode()
    assert (
        reverse("stack-delete", args=[used.pk])
        not in signed_in.get(reverse("stack-detail", args=[used.pk])).content.decode()
    )

    refused = signed_in.post(reverse("stack-delete", args=[used.pk]), {"confirm": used.name}).content.decode()
    assert "uses this stack" in refused
    answer = signed_in.post(url, {"confirm": stack.name})
    operation = Operation.objects.get()
    assert answer["Location"] == reverse("operation-detail", args=[operation.pk])
    assert (operation.kind, operation.stack, operation.options) == ("delete", stack, {"only": True})
