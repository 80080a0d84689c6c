import pytest

from integrations.errors import PermissionMissing, ProviderRateLimited
from integrations.models import Integration, WebhookState
from integrations.services import webhooks
from teams.encryption import DecryptionFailed
from teams.models import User
from tests.integrations.providers.contract import HOOK_URL
from tests.integrations.providers.fake_github import FakeGitHub

OTHER_URL = "https://d4e5f6.execute-api.eu-central-1.amazonaws.com/gitpull"


def stored() -> Integration:
    return Integration.objects.get()


def test_it_is_installed_with_the_integrations_secret(integration: Integration, github: FakeGitHub):
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.INSTALLED
    (hook,) = github.hooks.values()
    assert (hook["url"], hook["secret"]) == (HOOK_URL, integration.webhook_secret)
    assert (stored().webhook_state, stored().webhook_remote_id) == (WebhookState.INSTALLED, "100")


def test_installing_it_again_makes_no_twin_and_stays_verified(integration: Integration, github: FakeGitHub):
    webhooks.install(integration=integration, url=HOOK_URL)
    webhooks.mark_verified(integration=integration)
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.VERIFIED
    assert len(github.hooks) == 1


def test_at_a_new_url_the_old_one_is_removed_and_it_counts_as_new(integration: Integration, github: FakeGitHub):
    webhooks.install(integration=integration, url=HOOK_URL)
    webhooks.mark_verified(integration=integration)
    assert webhooks.install(integration=integration, url=OTHER_URL) == WebhookState.INSTALLED
    assert [hook["url"] for hook in github.hooks.values()] == [OTHER_URL]


def test_where_the_token_may_not_a_person_has_to_and_is_told_why(
    integration: Integration, github: FakeGitHub, admin: User
):
    github.forbid_administration()
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.MANUAL
    assert "admin of acme/shop" in stored().webhook_problem
    steps = webhooks.instructions(integration=integration, url=HOOK_URL, actor=admin)
    assert steps.page_url == "https://github.com/acme/shop/settings/hooks/new"
    assert ("Payload URL", HOOK_URL) in steps.fields
    assert ("Secret", integration.webhook_secret) in steps.fields
    assert steps.concealed == {"Secret"}


def test_a_webhook_of_ours_is_not_forgotten_when_the_token_loses_its_rights(
    integration: Integration, github: FakeGitHub
):
    webhooks.install(integration=integration, url=HOOK_URL)
    github.forbid_administration()
    assert webhooks.install(integration=integration, url=OTHER_URL) == WebhookState.MANUAL
    assert stored().webhook_remote_id == "100"


def test_a_full_repository_is_for_a_person_too(integration: Integration, github: FakeGitHub):
    github.hook_limit = 0
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.MANUAL
    assert "20" in stored().webhook_problem


def test_what_passes_by_itself_is_raised_for_the_next_tick(integration: Integration, github: FakeGitHub):
    github.limit_rate(30)
    with pytest.raises(ProviderRateLimited):
        webhooks.install(integration=integration, url=HOOK_URL)
    assert stored().webhook_state == WebhookState.ABSENT


def test_a_host_that_is_no_longer_allowed_is_for_a_person(integration: Integration):
    provider = integration.repository.provider
    provider.kind, provider.base_url = "github_enterprise", "https://10.0.0.1"
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.MANUAL
    assert "a blocked address" in stored().webhook_problem


def test_a_ping_is_sent_and_noted(integration: Integration, github: FakeGitHub):
    assert webhooks.ping(integration=integration) is False
    webhooks.install(integration=integration, url=HOOK_URL)
    assert webhooks.ping(integration=integration) is True
    assert github.pings == ["100"]
    assert stored().webhook_pinged_at is not None


def test_it_is_removed_also_when_it_is_gone_already(integration: Integration, github: FakeGitHub):
    webhooks.install(integration=integration, url=HOOK_URL)
    github.hooks.clear()
    webhooks.remove(integration=integration)
    webhooks.remove(integration=integration)
    assert (stored().webhook_state, stored().webhook_remote_id) == (WebhookState.ABSENT, "")


def test_one_that_may_still_be_there_is_not_forgotten(integration: Integration, github: FakeGitHub):
    webhooks.install(integration=integration, url=HOOK_URL)
    github.forbid_administration()
    with pytest.raises(PermissionMissing):
        webhooks.remove(integration=integration)
    assert stored().webhook_remote_id == "100"


def test_one_added_by_hand_is_verified_by_what_it_sends(integration: Integration, github: FakeGitHub):
    github.forbid_administration()
    webhooks.install(integration=integration, url=HOOK_URL)
    webhooks.mark_verified(integration=integration)
    assert (stored().webhook_state, stored().webhook_problem) == (WebhookState.VERIFIED, "")


def test_a_late_delivery_does_not_bring_a_removed_one_back(integration: Integration, github: FakeGitHub):
    webhooks.install(integration=integration, url=HOOK_URL)
    stale = stored()
    webhooks.remove(integration=integration)
    webhooks.mark_verified(integration=stale)
    assert (stored().webhook_state, stored().webhook_remote_id) == (WebhookState.ABSENT, "")


def test_a_new_secret_leaves_the_one_before_valid_until_it_is_dropped(integration: Integration):
    before = integration.webhook_secret
    assert webhooks.make_secret(integration=integration)
    new = integration.webhook_secret
    assert (integration.webhook_secret_previous, new != before) == (before, True)

    assert not webhooks.make_secret(integration=integration)  # again: the step may run twice
    assert integration.webhook_secret == new

    webhooks.drop_secret(integration=integration)
    webhooks.drop_secret(integration=integration)
    assert (integration.webhook_secret, integration.webhook_secret_previous) == (new, "")


def test_a_new_secret_is_taken_back(integration: Integration):
    before = integration.webhook_secret
    webhooks.make_secret(integration=integration)
    webhooks.drop_secret(integration=integration, keep="previous")
    assert (integration.webhook_secret, integration.webhook_secret_previous) == (before, "")


def test_a_secret_that_cannot_be_read_any_more_is_replaced(integration: Integration, settings):
    integration.webhook_secret_previous = "older"
    integration.save()
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    provider = integration.repository.provider
    provider.credentials = {"token": "ghp_entered-again"}
    provider.save()
    with pytest.raises(DecryptionFailed, match="replace the secret"):
        _ = stored().webhook_secret
    assert webhooks.make_secret(integration=stored())
    assert (len(stored().webhook_secret), stored().webhook_secret_previous) == (64, "")
