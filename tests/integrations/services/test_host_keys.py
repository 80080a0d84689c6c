"""Host keys of a provider that publishes none: scanned from a real SSH server, confirmed, and found changed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network

import asyncssh
import pytest
import responses
from django.utils import timezone
from pytest_django.fixtures import Settings

from integrations import tasks
from integrations.errors import InvalidValue, ProviderUnreachable
from integrations.models import Provider
from integrations.services import host_keys, providers
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Membership, Role, Team, User
from tests import factories
from tests.integrations.providers.fake_github import FakeGitHub, FakeGitHubEnterprise
from tests.integrations.ssh_server import new_key, ssh_server, text

pytestmark = pytest.mark.django_db
Present = Callable[..., int]


class FakeHere(FakeGitHubEnterprise):
    """On this machine, and without a word about its host keys."""

    api = "https://127.0.0.1/api/v3"
    web = "https://127.0.0.1"
    meta = {}


@pytest.fixture(autouse=True)
def _here(settings: Settings) -> Iterator[FakeHere]:
    settings.PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeHere(mock)


@pytest.fixture
def present() -> Iterator[Present]:
    """Starts the SSH server with these keys, in place of the one before on its port."""
    with ExitStack() as stack:
        port = 0

        def start(*keys: asyncssh.SSHKey) -> int:
            nonlocal port
            stack.close()
            port = stack.enter_context(ssh_server(*keys, port=port))
            return port

        yield start


def add(team: Team, admin: User, port: int, **fields: str) -> Provider:
    return providers.create(
        team=team,
        actor=admin,
        kind="github_enterprise",
        name="Here",
        base_url="https://127.0.0.1",
        credentials={"token": "ghp_" + "0" * 36},
        ssh_port=port,
        **fields,
    )


def fingerprints(keys: list[host_keys.HostKey]) -> set[str]:
    return {key.fingerprint for key in keys}


def test_keys_are_scanned_when_the_provider_is_added_and_pinned_once_confirmed(
    team: Team, admin: User, present: Present
):
    ed25519, rsa = new_key(), new_key("ssh-rsa")
    port = present(ed25519, rsa)
    provider = Provider.objects.get(pk=add(team, admin, port).pk)
    assert (provider.ssh_known_hosts, provider.ssh_problem) == ("", "")
    assert fingerprints(host_keys.scanned(provider)) == {ed25519.get_fingerprint(), rsa.get_fingerprint()}

    host_keys.confirm(provider=provider, actor=admin, fingerprints=[ed25519.get_fingerprint()])

    provider.refresh_from_db()
    assert provider.ssh_known_hosts == f"[127.0.0.1]:{port} {text(ed25519)}"
    assert host_keys.scanned(provider) == []
    entry = AuditEntry.objects.get(action="provider.confirm_host_keys")
    assert entry.changes == {"ssh_known_hosts": [[], [ed25519.get_fingerprint()]]}


def test_a_changed_key_is_told_and_never_pinned_by_itself(team: Team, admin: User, present: Present):
    old, new = new_key(), new_key()
    provider = add(team, admin, present(old))
    host_keys.confirm(provider=provider, actor=admin, fingerprints=[old.get_fingerprint()])
    pinned = provider.ssh_known_hosts
    present(new)

    host_keys.scan(provider=provider)

    provider.refresh_from_db()
    assert provider.ssh_known_hosts == pinned
    assert "changed" in provider.ssh_problem
    assert new.get_fingerprint() in provider.ssh_problem
    assert fingerprints(host_keys.scanned(provider)) == {new.get_fingerprint()}
    host_keys.confirm(provider=provider, actor=admin, fingerprints=[new.get_fingerprint()])
    assert (fingerprints(host_keys.pinned(provider)), provider.ssh_problem) == ({new.get_fingerprint()}, "")


def test_the_old_key_again_takes_the_warning_back(team: Team, admin: User, present: Present):
    old = new_key()
    provider = add(team, admin, present(old))
    host_keys.confirm(provider=provider, actor=admin, fingerprints=[old.get_fingerprint()])
    present(new_key())
    host_keys.scan(provider=provider)
    present(old)
    assert host_keys.scan(provider=provider) == []
    assert provider.ssh_problem == ""


def test_a_server_without_any_pinned_type_has_changed(team: Team, admin: User, present: Present):
    old = new_key()
    provider = add(team, admin, present(old))
    host_keys.confirm(provider=provider, actor=admin, fingerprints=[old.get_fingerprint()])
    present(new_key("ssh-rsa"))
    host_keys.scan(provider=provider)
    assert "no ssh-ed25519 any more" in provider.ssh_problem


def test_a_key_of_another_type_beside_the_pinned_one_is_no_change(team: Team, admin: User, present: Present):
    old = new_key()
    provider = add(team, admin, present(old))
    host_keys.confirm(provider=provider, actor=admin, fingerprints=[old.get_fingerprint()])
    present(old, new_key("ssh-rsa"))
    assert host_keys.scan(provider=provider) == []
    assert provider.ssh_problem == ""


def test_published_keys_that_changed_wait_for_a_word_too(provider: Provider, github: FakeGitHub):
    # github.com at the socket publishes another key than the one that was pinned.
    pinned = f"github.com {text(new_key())}"
    Provider.objects.update(ssh_known_hosts=pinned)
    provider.refresh_from_db()
    assert fingerprints(host_keys.scan(provider=provider)) >= {"SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"}
    assert (provider.ssh_known_hosts, "changed" in provider.ssh_problem) == (pinned, True)


def test_a_server_that_cannot_be_asked_is_told_and_the_provider_is_added(team: Team, admin: User, present: Present):
    provider = add(team, admin, present(new_key("ssh-ed448")))
    assert "host key" in provider.ssh_problem
    assert host_keys.scanned(provider) == []
    key = new_key()
    present(key)
    host_keys.scan(provider=provider, actor=admin)
    assert (provider.ssh_problem, fingerprints(host_keys.scanned(provider))) == ("", {key.get_fingerprint()})


def test_what_waits_stays_while_the_server_is_down(team: Team, admin: User, present: Present):
    key = new_key()
    provider = add(team, admin, present(key))
    present(new_key("ssh-ed448"))
    with pytest.raises(ProviderUnreachable):
        host_keys.scan(provider=provider)
    provider.refresh_from_db()
    assert fingerprints(host_keys.scanned(provider)) == {key.get_fingerprint()}
    assert provider.ssh_problem


def test_keys_that_a_person_entered_are_not_scanned_for(team: Team, admin: User):
    entered = f"127.0.0.1 {text(new_key())}"
    provider = add(team, admin, 1, ssh_known_hosts=entered)
    assert (provider.ssh_known_hosts, provider.ssh_problem, host_keys.scanned(provider)) == (entered, "", [])


@pytest.mark.parametrize(("given", "error"), [([], InvalidValue), (["SHA256:" + "A" * 43], Refused)])
def test_only_scanned_keys_are_confirmed(
    team: Team, admin: User, present: Present, given: list[str], error: type[Exception]
):
    provider = add(team, admin, present(new_key()))
    with pytest.raises(error):
        host_keys.confirm(provider=provider, actor=admin, fingerprints=given)
    assert Provider.objects.get().ssh_known_hosts == ""


def test_only_an_admin_confirms_and_no_stranger_scans(team: Team, admin: User, stranger: User, present: Present):
    key = new_key()
    provider = add(team, admin, present(key))
    Membership.objects.filter(user=admin).update(role=Role.OPERATOR)
    with pytest.raises(Forbidden):
        host_keys.confirm(provider=provider, actor=admin, fingerprints=[key.get_fingerprint()])
    with pytest.raises(Forbidden):
        host_keys.scan(provider=provider, actor=stranger)


def test_the_daily_check_takes_what_nobody_looked_at_and_survives_failures(team: Team, admin: User, present: Present):
    provider = add(team, admin, present(new_key()))
    unreachable = factories.make_provider(
        team=team, kind="github_enterprise", base_url="https://127.0.0.1", ssh_port=1, ssh_scanned_at=None
    )
    tasks.check_host_keys()
    unreachable.refresh_from_db()
    assert "port 1" in unreachable.ssh_problem
    assert host_keys.check_due() == 0
    now = timezone.now()
    Provider.objects.filter(pk=provider.pk).update(ssh_scanned_at=now - timedelta(days=2))
    Provider.objects.filter(pk=unreachable.pk).update(ssh_scanned_at=now)
    assert host_keys.check_due() == 1


def test_another_place_of_ssh_has_keys_of_its_own(team: Team, admin: User, present: Present):
    key = new_key()
    port = present(key)
    entered = f"[127.0.0.1]:1 {text(new_key())}"
    provider = add(team, admin, port, ssh_known_hosts=entered)
    assert fingerprints(host_keys.scan(provider=provider)) == {key.get_fingerprint()}
    assert f"Git over SSH is at [127.0.0.1]:{port}, and no pinned host key is of it" in provider.ssh_problem
    assert provider.ssh_known_hosts == entered


def test_an_ssh_host_that_a_person_gave_is_asked_for_its_keys(team: Team, admin: User, present: Present):
    key = new_key()
    provider = add(team, admin, present(key), ssh_host="localhost", ssh_user="forgejo")
    assert fingerprints(host_keys.scanned(provider)) == {key.get_fingerprint()}
    assert provider.ssh_scanned_keys.startswith("[localhost]:")


@pytest.mark.parametrize(
    "lines",
    [
        "git.example.com ssh-ed25519 AAAA",
        "git.example.com ssh-ed25519",
        f"@cert-authority *.example.com {factories.PUBLIC_KEY}",
        f"@revoked * {factories.PUBLIC_KEY}",
        "nonsense\ngit.example.com " + factories.PUBLIC_KEY,
    ],
)
def test_known_hosts_that_git_pull_could_not_use_are_refused(team: Team, admin: User, lines: str):
    with pytest.raises(InvalidValue) as caught:
        add(team, admin, 22, ssh_known_hosts=lines)
    assert caught.value.field == "ssh_known_hosts"
