"""The factories make complete rows that agree with each other."""

import pytest

from integrations.models import Delivery
from teams.models import Team
from tests import factories


@pytest.mark.parametrize(
    "make",
    [factories.make_stack_event, factories.make_operation, factories.make_artifact, factories.make_ssh_key],
)
def test_a_row_alone_brings_a_complete_tree_of_one_team(db: None, make):
    row = make()
    assert type(row).objects.of(Team.objects.get()).get() == row


def test_siblings_share_the_given_parent(team: Team):
    integration = factories.make_integration(team=team)
    artifact = factories.make_artifact(integration=integration)
    assert artifact.delivery.integration == integration
    assert Delivery.objects.of(team).get() == artifact.delivery


def test_secrets_of_a_provider_survive_a_reload(team: Team):
    provider = factories.make_provider(team=team, credentials={"token": "ghp_x"})
    provider.refresh_from_db()
    assert provider.credentials == {"token": "ghp_x"}
