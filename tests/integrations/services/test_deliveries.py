import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.errors import InvalidValue
from integrations.models import Delivery, DeliveryStatus, Integration, WebhookState
from integrations.services import deliveries
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests import factories
from tests.factories import COMMIT
from tests.integrations.providers.fake_github import FakeGitHub


def item(**fields) -> dict:
    """An item as the Lambdas write it, in the types that boto3's deserializer gives."""
    return {
        "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "feed": "deliveries",
        "provider_delivery_id": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "event": "push",
        "repository": "acme/shop",
        "ref": "refs/heads/main",
        "commit": COMMIT,
        "before": "0" * 40,
        "sender": "ada",
        "author": "Ada Lovelace",
        "message": "Compute",
        "method": "zip_download",
        "status": "queued",
        "reason": "",
        "received_at": "2026-11-23T10:00:00.000001Z",
        "updated_at": "2026-11-23T10:00:00.500000Z",
        "attempts": [],
        "request_headers": json.dumps({"x-github-event": "push"}),
        "request_body": '{"ref": "refs/heads/main"}',
        "request_body_truncated": False,
        "source_ip": "140.82.115.1",
        "expires_at": Decimal(1800000000),
        **fields,
    }


def stored_item(**fields) -> dict:
    return item(
        status="stored",
        updated_at="2026-11-23T10:00:02.250000Z",
        attempts=[{"at": "2026-11-23T10:00:01.000000Z", "duration_ms": Decimal(812), "error": ""}],
        artifact_bucket="sluice-output",
        artifact_key="acme/shop/main/shop.zip",
        artifact_version_id="3HL4kqtJlcpXroDTDmJ",
        artifact_size=Decimal(1048576),
        **fields,
    )


def test_an_item_becomes_a_row(integration: Integration):
    deliveries.upsert_from_item(integration=integration, item=stored_item())
    row = Delivery.objects.get()
    assert (row.status, row.commit, row.ref_name, row.sender) == (DeliveryStatus.STORED, COMMIT, "main", "ada")
    assert row.artifact_size == 1048576
    assert row.attempts == [{"at": "2026-11-23T10:00:01.000000Z", "duration_ms": 812, "error": ""}]
    assert row.request_headers == {"x-github-event": "push"}
    assert row.received_at.microsecond == 1
    assert row.duration_ms == 2249


def test_what_the_deployer_wrote_on_it_comes_with_it_and_is_not_counted_as_fetching(integration: Integration):
    row = deliveries.upsert_from_item(
        integration=integration,
        item=stored_item(stored_at="2026-11-23T10:00:02.250000Z"),
    )
    took = row.duration_ms

    refused = stored_item(
        stored_at="2026-11-23T10:00:02.250000Z",
        deploy_status="refused",
        deploy_reason="appspec.yml names scripts/start.sh, which is not in the artifact.",
        deployment_id="d-ABC123",
    )
    deliveries.upsert_from_item(integration=integration, item=refused | {"updated_at": "2026-11-23T10:00:09.000000Z"})

    row.refresh_from_db()
    assert (row.status, row.deploy_status, row.deployment_external_id) == ("stored", "refused", "d-ABC123")
    assert row.not_deployed.startswith("appspec.yml names")
    assert row.duration_ms == took == 2249


def test_a_deploy_status_of_a_later_version_is_left_out(integration: Integration):
    row = deliveries.upsert_from_item(integration=integration, item=stored_item(deploy_status="shipped"))

    assert row.deploy_status == ""


def test_a_newer_item_takes_its_place_and_an_older_one_does_not(integration: Integration):
    deliveries.upsert_from_item(integration=integration, item=item())
    deliveries.upsert_from_item(integration=integration, item=stored_item())
    late = deliveries.upsert_from_item(integration=integration, item=item())
    assert late.status == DeliveryStatus.STORED
    assert Delivery.objects.get().status == DeliveryStatus.STORED


def test_the_same_item_twice_is_one_row(integration: Integration):
    first = deliveries.upsert_from_item(integration=integration, item=item())
    assert deliveries.upsert_from_item(integration=integration, item=item()) == first


def test_the_same_id_in_two_integrations_is_two_rows(integration: Integration):
    second = Integration.objects.get()
    second.pk, second.name = None, "second"
    second._state.adding = True
    second.id = Integration._meta.pk.get_default()
    second.save()
    deliveries.upsert_from_item(integration=integration, item=item())
    deliveries.upsert_from_item(integration=second, item=item())
    assert Delivery.objects.count() == 2


def test_a_rejected_request_has_little_and_is_stored_all_the_same(integration: Integration):
    rejected = {
        "id": "rejected-abc=",
        "feed": "deliveries",
        "status": "rejected",
        "reason": "The signature does not match",
        "received_at": "2026-11-23T10:00:00.000001Z",
        "updated_at": "2026-11-23T10:00:00.000001Z",
        "source_ip": "not an address",
        "request_headers": "not JSON",
    }
    row = deliveries.upsert_from_item(integration=integration, item=rejected)
    row.refresh_from_db()
    assert (row.status, row.source_ip, row.request_headers, row.method) == (DeliveryStatus.REJECTED, None, {}, "")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("rejected", WebhookState.INSTALLED),
        ("ignored", WebhookState.VERIFIED),
        ("queued", WebhookState.VERIFIED),
    ],
)
def test_what_was_not_rejected_proves_that_the_webhook_works(integration: Integration, status: str, state: str):
    Integration.objects.update(webhook_state=WebhookState.INSTALLED)
    integration.refresh_from_db()
    deliveries.upsert_from_item(integration=integration, item=item(status=status))
    integration.refresh_from_db()
    assert integration.webhook_state == state


@pytest.mark.parametrize(
    "broken", [{"status": "exploded"}, {"received_at": "yesterday"}, {"updated_at": None}, {"artifact_size": "big"}]
)
def test_an_item_of_someone_else_is_refused(integration: Integration, broken: dict):
    with pytest.raises(InvalidValue):
        deliveries.upsert_from_item(integration=integration, item=item(**broken))
    assert not Delivery.objects.exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_whatever_a_webhook_carries_can_be_stored(integration: Integration, text: str):
    hostile = dict.fromkeys(["event", "repository", "ref", "commit", "sender", "author", "message"], text * 20)
    attempt = {"at": "", "duration_ms": 1, "error": text}
    row = deliveries.upsert_from_item(
        integration=integration,
        item=item(
            id=f"{len(text)}-{hash(text)}",
            request_body=text,
            request_headers=json.dumps({text: text}),
            attempts=[attempt],
            **hostile,
        ),
    )
    row.refresh_from_db()
    assert "\x00" not in row.request_body


THEIRS = "0b989ba4-242f-11e5-81e1-c7b6966d2516"


@pytest.fixture
def hooked(integration: Integration, github: FakeGitHub) -> Integration:
    """Its webhook is at the provider, which still has two deliveries of it."""
    github.hooks["7"] = {"url": "https://hook.example/zipdl"}
    integration.webhook_remote_id = "7"
    integration.save()
    return integration


@pytest.mark.parametrize("status", [DeliveryStatus.FAILED, DeliveryStatus.IGNORED, DeliveryStatus.REJECTED])
def test_the_provider_is_asked_to_send_a_delivery_again(
    hooked: Integration, github: FakeGitHub, admin: User, status: DeliveryStatus
):
    delivery = factories.make_delivery(integration=hooked, provider_delivery_id=THEIRS, status=status)
    assert deliveries.can_ask_provider(delivery)
    deliveries.ask_provider(delivery=delivery, actor=admin)
    assert github.redelivered == ["12345678"]
    assert AuditEntry.objects.get().action == "delivery.ask_provider"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": DeliveryStatus.STORED}, "is stored"),
        ({"provider_delivery_id": ""}, "no id"),
        ({"provider_delivery_id": "of-last-month"}, "any more"),
    ],
)
def test_what_the_provider_cannot_send_again_is_told(
    hooked: Integration, github: FakeGitHub, admin: User, fields: dict, why: str
):
    fields = {"provider_delivery_id": THEIRS, "status": DeliveryStatus.FAILED, **fields}
    delivery = factories.make_delivery(integration=hooked, **fields)
    with pytest.raises(Refused, match=why):
        deliveries.ask_provider(delivery=delivery, actor=admin)
    assert github.redelivered == []


def test_deliveries_of_a_webhook_added_by_hand_cannot_be_asked_for(integration: Integration, admin: User):
    delivery = factories.make_delivery(integration=integration, status=DeliveryStatus.FAILED)
    assert not deliveries.can_ask_provider(delivery)
    with pytest.raises(Refused, match="did not install"):
        deliveries.ask_provider(delivery=delivery, actor=admin)


def test_a_viewer_asks_the_provider_for_nothing(hooked: Integration, team: Team):
    delivery = factories.make_delivery(integration=hooked, provider_delivery_id=THEIRS, status=DeliveryStatus.FAILED)
    with pytest.raises(Forbidden):
        deliveries.ask_provider(delivery=delivery, actor=factories.make_user(team=team, role=Role.VIEWER))
