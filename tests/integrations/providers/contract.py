"""What every kind of provider must do, whatever its API: one set of tests, run for each kind that is registered.

A kind joins with a `FakeProvider` in `test_contract.FAKES`: it answers at the socket like the real one, from documented
payloads, with just enough state for the promises that span two calls (no twins, gone already is fine).
"""

from abc import ABC, abstractmethod
from ipaddress import ip_network
from typing import ClassVar

import pytest
import responses

from integrations.errors import (
    CredentialsRejected,
    InvalidValue,
    KeyInUse,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRateLimited,
    ProviderUnreachable,
)
from integrations.providers.base import CommitState, ProviderClient, ProviderConfig, Purpose
from integrations.providers.registry import PROVIDERS
from tests.factories import COMMIT, FINGERPRINT, PUBLIC_KEY

REPOSITORY = "acme/shop"
HOOK_URL = "https://a1b2c3.execute-api.eu-central-1.amazonaws.com/zipdl"
SECRET = "0f" * 32


class FakeProvider(ABC):
    """A provider at the socket, with one private repository `acme/shop` whose default branch is main."""

    kind: ClassVar[str]
    config: ClassVar[ProviderConfig]

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.mock = mock
        self.hooks: dict[str, dict[str, object]] = {}
        """Id to what the provider keeps of each webhook, `url` and `secret` among it."""
        self.keys: dict[str, str] = {}
        """Id to public key."""
        self.keys_elsewhere: set[str] = set()
        """Public keys that other repositories use."""
        self.pings: list[str] = []
        self.statuses: list[dict[str, object]] = []
        self.redelivered: list[str] = []
        """Ids of the deliveries that were asked for again."""
        self.install()

    @abstractmethod
    def install(self) -> None:
        """Answer like the provider does when all is well."""

    def methods(self) -> set[str]:
        """Of all calls but those that sign in."""
        return {call.request.method for call in self.mock.calls}

    @abstractmethod
    def reject_credentials(self) -> None: ...

    @abstractmethod
    def limit_rate(self, seconds: int) -> None:
        """Answer every call with the provider's way to say: come back in so many seconds."""

    may_write = True
    tells_who_may_write: ClassVar[bool] = False
    """Whether the API tells beforehand that the credentials may not mark commits."""

    def forbid_writing(self) -> None:
        """Let the credentials read the repository only, as far as the API tells of that."""
        self.may_write = False

    sends_pings: ClassVar[bool] = True
    """Whether the API can have a test delivery sent."""
    deliveries_told: ClassVar[bool] = False
    """Whether the API tells a webhook's deliveries; then the fake knows one, as in TestEveryKind below."""

    @abstractmethod
    def forbid_administration(self) -> None:
        """From now on answer calls on webhooks and deploy keys as to a token that may only read the code."""


class ProviderContract:
    """The tests; `fake` is the provider, and `remote` our client of it."""

    def test_credentials_that_work_say_whose_they_are(self, remote: ProviderClient):
        assert remote.check().login == "ada"

    def test_credentials_that_do_not_say_so(self, remote: ProviderClient, fake: FakeProvider):
        fake.reject_credentials()
        with pytest.raises(CredentialsRejected) as caught:
            remote.check()
        assert caught.value.remedy
        assert not caught.value.retryable

    def test_a_limit_tells_when_to_come_back(self, remote: ProviderClient, fake: FakeProvider):
        fake.limit_rate(90)
        with pytest.raises(ProviderRateLimited) as caught:
            remote.check()
        assert caught.value.retry_after == 90
        assert caught.value.retryable

    def test_a_provider_that_is_down_may_come_back(self, remote: ProviderClient, fake: FakeProvider):
        fake.mock.reset()
        with pytest.raises(ProviderUnreachable) as caught:
            remote.check()
        assert caught.value.retryable

    def test_repositories_are_found_by_a_part_of_their_name(self, remote: ProviderClient):
        assert [each.full_name for each in remote.search_repositories("SHO").items] == [REPOSITORY]
        assert remote.search_repositories("nothing like it").items == []

    def test_a_repository_is_described(self, remote: ProviderClient):
        repository = remote.repository(REPOSITORY)
        assert (repository.full_name, repository.default_branch, repository.private) == (REPOSITORY, "main", True)
        assert repository.web_url.startswith(remote.web_url)

    def test_a_repository_that_is_not_there_is_not_found(self, remote: ProviderClient):
        with pytest.raises(NotFoundAtProvider) as caught:
            remote.repository("acme/nothing")
        assert caught.value.field == "full_name"

    @pytest.mark.parametrize("name", ["", "shop", "../..", "acme/../user", "acme/shop?x=1", "acme//shop"])
    def test_a_name_that_is_none_never_becomes_a_call(self, remote: ProviderClient, fake: FakeProvider, name: str):
        with pytest.raises(InvalidValue) as caught:
            remote.repository(name)
        assert caught.value.field == "full_name"
        assert len(fake.mock.calls) == 0

    def test_refs_are_branches_and_tags_with_their_commits(self, remote: ProviderClient):
        refs = {ref.ref: (ref.name, ref.commit) for ref in remote.refs(REPOSITORY)}
        assert refs["refs/heads/main"] == ("main", COMMIT)
        assert refs["refs/heads/release/1"] == ("release/1", COMMIT)
        assert refs["refs/tags/v1"] == ("v1", COMMIT)

    def test_the_head_of_a_ref(self, remote: ProviderClient):
        assert remote.head(REPOSITORY, "refs/heads/main") == COMMIT
        assert remote.head(REPOSITORY, "refs/tags/v1") == COMMIT
        assert remote.head(REPOSITORY, "refs/heads/gone") is None

    def test_who_wrote_a_commit_and_what_it_says(self, remote: ProviderClient):
        words = remote.commit_words(REPOSITORY, COMMIT)
        assert (words.author, words.message) == ("Ada", "Fix it")

    def test_a_webhook_is_installed_once_and_updated_in_place(self, remote: ProviderClient, fake: FakeProvider):
        first = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret="old" * 10)
        second = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        assert (first.id, first.url, second.active) == (second.id, HOOK_URL, True)
        assert [hook["secret"] for hook in fake.hooks.values()] == [SECRET]

    def test_webhooks_of_others_are_left_alone(self, remote: ProviderClient, fake: FakeProvider):
        other = remote.install_webhook(REPOSITORY, url="https://ci.example.com/hook", secret="theirs" * 5)
        ours = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        remote.remove_webhook(REPOSITORY, ours.id)
        assert list(fake.hooks) == [other.id]

    def test_removing_a_webhook_twice_is_fine(self, remote: ProviderClient, fake: FakeProvider):
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        remote.remove_webhook(REPOSITORY, hook.id)
        remote.remove_webhook(REPOSITORY, hook.id)
        assert not fake.hooks

    def test_webhooks_are_listed(self, remote: ProviderClient):
        assert remote.webhooks(REPOSITORY) == []
        other = remote.install_webhook(REPOSITORY, url="https://ci.example.com/hook", secret="theirs" * 5)
        ours = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        assert {hook.id: hook for hook in remote.webhooks(REPOSITORY)} == {other.id: other, ours.id: ours}

    def test_nothing_stands_in_the_way_of_an_administrator(self, remote: ProviderClient, fake: FakeProvider):
        assert remote.obstacles(REPOSITORY, deploy_key=True, commit_statuses=True) == []
        assert fake.methods() == {"GET"}

    def test_what_stands_in_the_way_is_told_beforehand(self, remote: ProviderClient, fake: FakeProvider):
        fake.forbid_administration()
        found = remote.obstacles(REPOSITORY, deploy_key=True)
        assert [(each.purpose, each.page_url) for each in found] == [
            (Purpose.WEBHOOK, remote.webhook_page(REPOSITORY)),
            (Purpose.DEPLOY_KEY, remote.deploy_key_page(REPOSITORY)),
        ]
        assert all(each.message and each.remedy for each in found)
        assert [each.purpose for each in remote.obstacles(REPOSITORY, deploy_key=False)] == [Purpose.WEBHOOK]
        assert fake.methods() == {"GET"}

    def test_who_may_only_read_is_told_that_commits_cannot_be_marked(self, remote: ProviderClient, fake: FakeProvider):
        fake.forbid_writing()
        found = [each.purpose for each in remote.obstacles(REPOSITORY, deploy_key=False, commit_statuses=True)]
        assert found == ([Purpose.COMMIT_STATUSES] if fake.tells_who_may_write else [])

    def test_obstacles_of_a_repository_that_is_not_there_are_none_of_permissions(self, remote: ProviderClient):
        with pytest.raises(NotFoundAtProvider):
            remote.obstacles("acme/nothing", deploy_key=True)

    def test_a_ping_is_sent_where_the_provider_has_one(self, remote: ProviderClient, fake: FakeProvider):
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        assert remote.ping_webhook(REPOSITORY, hook.id) is fake.sends_pings
        assert fake.pings == ([hook.id] if fake.sends_pings else [])

    def test_a_deploy_key_is_added_once_and_reads_only(self, remote: ProviderClient, fake: FakeProvider):
        first = remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)
        second = remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)
        assert first == second
        assert first.fingerprint == FINGERPRINT
        assert remote.deploy_keys(REPOSITORY) == [first]

    def test_a_deploy_key_that_is_in_use_elsewhere_is_told_apart(self, remote: ProviderClient, fake: FakeProvider):
        fake.keys_elsewhere.add(PUBLIC_KEY)
        with pytest.raises(KeyInUse):
            remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)

    def test_removing_a_deploy_key_twice_is_fine(self, remote: ProviderClient, fake: FakeProvider):
        key = remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)
        remote.remove_deploy_key(REPOSITORY, key.id)
        remote.remove_deploy_key(REPOSITORY, key.id)
        assert not fake.keys

    def test_a_token_that_may_not_administrate_is_told_what_it_lacks(self, remote: ProviderClient, fake: FakeProvider):
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        key = remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY)
        fake.forbid_administration()
        calls = [
            lambda: remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET),
            *([lambda: remote.ping_webhook(REPOSITORY, hook.id)] if fake.sends_pings else []),
            lambda: remote.remove_webhook(REPOSITORY, hook.id),
            lambda: remote.add_deploy_key(REPOSITORY, title="Sluice: shop", public_key=PUBLIC_KEY),
            lambda: remote.remove_deploy_key(REPOSITORY, key.id),
        ]
        for call in calls:
            with pytest.raises(PermissionMissing) as caught:
                call()
            assert caught.value.missing
            assert caught.value.remedy

    def test_a_commit_gets_its_status(self, remote: ProviderClient, fake: FakeProvider):
        remote.set_commit_status(
            REPOSITORY,
            COMMIT,
            state=CommitState.SUCCESS,
            target_url="https://sluice.example.com/x",
            description="d" * 500,
            context="sluice/production",
        )
        assert len(fake.statuses) == 1

    def test_recent_deliveries_are_those_of_the_webhook(self, remote: ProviderClient, fake: FakeProvider):
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        deliveries = remote.recent_deliveries(REPOSITORY, hook.id)
        assert bool(deliveries) is fake.deliveries_told
        for delivery in deliveries:
            assert delivery.id
            assert delivery.event
            assert delivery.delivered_at.tzinfo
        assert sorted(each.succeeded for each in deliveries) == ([False, True] if fake.deliveries_told else [])

    def test_a_delivery_can_be_asked_for_again_where_the_provider_tells_of_it(
        self, remote: ProviderClient, fake: FakeProvider
    ):
        hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
        deliveries = remote.recent_deliveries(REPOSITORY, hook.id)
        asked = deliveries[0].id if deliveries else "1"
        assert remote.redeliver(REPOSITORY, hook.id, asked) is fake.deliveries_told
        assert fake.redelivered == ([asked] if fake.deliveries_told else [])
        assert remote.redeliver(REPOSITORY, hook.id, "999999") is False

    def test_deliveries_of_a_webhook_that_is_gone_are_not_found(self, remote: ProviderClient, fake: FakeProvider):
        if not fake.deliveries_told:
            assert remote.recent_deliveries(REPOSITORY, "999") == []
            return
        with pytest.raises(NotFoundAtProvider):
            remote.recent_deliveries(REPOSITORY, "999")

    def test_the_networks_of_webhooks_are_networks_where_they_are_published(self, remote: ProviderClient):
        published = remote.webhook_networks()
        assert published is None or published == [str(ip_network(each)) for each in published] != []

    def test_the_stack_gets_the_credentials_in_its_three_places(self, remote: ProviderClient):
        given = remote.archive_credentials()
        assert set(given) - {"app_id", "installation_id", "private_key"} == {"git_token", "oauth_key", "oauth_secret"}
        assert any(given.values())

    def test_host_keys_are_the_key_part_of_known_hosts(self, remote: ProviderClient):
        for key in remote.ssh_host_keys():
            type_, blob = key.split()
            assert type_.startswith(("ssh-", "ecdsa-"))
            assert blob

    def test_the_pages_for_doing_it_by_hand_are_the_providers(self, remote: ProviderClient):
        fields = dict(remote.webhook_fields(url=HOOK_URL, secret=SECRET))
        assert {HOOK_URL, SECRET} <= set(fields.values())
        assert PUBLIC_KEY in dict(remote.deploy_key_fields(title="t", public_key=PUBLIC_KEY)).values()
        for page in (remote.webhook_page(REPOSITORY), remote.deploy_key_page(REPOSITORY)):
            assert page.startswith(f"{remote.web_url}/")
            assert all(part in page.split("/") for part in REPOSITORY.split("/"))
        assert remote.credentials_url(remote.config.base_url).startswith("https://")

    def test_credentials_are_never_in_a_repr(self, remote: ProviderClient):
        for secret in remote.config.credentials.values():
            assert secret not in repr(remote.config)
            assert secret not in repr(remote)

    def test_the_kind_is_registered_with_what_forms_need(self, remote: ProviderClient):
        assert PROVIDERS[remote.kind] is type(remote)
        assert remote.label
        assert remote.usual_ssh_address.host
        assert {field.name for field in remote.credential_fields} >= set(remote.config.credentials)
