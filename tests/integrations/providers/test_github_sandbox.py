"""The GitHub adapter over real TLS against the sandbox's git host, with a real repository behind it."""

import subprocess
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from integrations.errors import CertificateNotTrusted, CredentialsRejected, KeyInUse, PermissionMissing
from integrations.providers.base import CommitState, ProviderConfig
from integrations.providers.github_enterprise import GitHubEnterprise
from sandbox.git_host import GitHost
from tests.factories import FINGERPRINT, PUBLIC_KEY
from tests.integrations.providers.contract import REPOSITORY, SECRET
from tests.sandbox.conftest import eventually

# Nothing listens there, and nothing but this machine is asked.
HOOK_URL = "http://127.0.0.1:9/zipdl"

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("git-host")) as host:
        yield host


@pytest.fixture(scope="module")
def commit(host: GitHost, tmp_path_factory: pytest.TempPathFactory) -> str:
    """acme/shop has this commit on main, on release/1 and, by an annotated tag, on v1."""
    host.create_repository(REPOSITORY, admins=["ada"])
    work = tmp_path_factory.mktemp("work")
    (work / "README").write_text("shop\n")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    refs = ["main", "main:refs/heads/release/1", "v1"]
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "README"],
        [*identity, "commit", "-q", "-m", "Start"],
        [*identity, "tag", "-a", "v1", "-m", "First"],
        ["push", "-q", str(host.repository_path(REPOSITORY)), *refs],
    ):
        subprocess.run(["git", *command], cwd=work, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, check=True, capture_output=True, text=True)
    return head.stdout.strip()


def connect(host: GitHost, **token) -> GitHubEnterprise:
    credentials = {"token": host.create_token("ada", **token)}
    return GitHubEnterprise(config(host, credentials=credentials))


def config(host: GitHost, **fields) -> ProviderConfig:
    fields = {"ca_bundle": host.ca_pem, "credentials": {"token": "ghp_wrong"}, **fields}
    return ProviderConfig(base_url=host.url, allowed_networks=[ip_network("127.0.0.0/8")], **fields)


def test_credentials_are_checked(host: GitHost, commit: str):
    identity = connect(host).check()
    assert (identity.login, identity.missing) == ("ada", ())
    with pytest.raises(CredentialsRejected):
        GitHubEnterprise(config(host)).check()
    with pytest.raises(CertificateNotTrusted):
        GitHubEnterprise(config(host, ca_bundle="")).check()


def test_the_repository_and_its_refs_are_read(host: GitHost, commit: str):
    remote = connect(host)
    assert [each.full_name for each in remote.search_repositories("SHOP").items] == [REPOSITORY]
    assert remote.repository(REPOSITORY).default_branch == "main"
    refs = {ref.ref: ref.commit for ref in remote.refs(REPOSITORY)}
    assert refs == dict.fromkeys(["refs/heads/main", "refs/heads/release/1", "refs/tags/v1"], commit)
    for ref in refs:
        assert remote.head(REPOSITORY, ref) == commit
    assert remote.head(REPOSITORY, "refs/heads/gone") is None


def test_an_empty_repository_has_no_head(host: GitHost):
    host.create_repository("acme/empty", admins=["ada"])
    assert connect(host).head("acme/empty", "refs/heads/main") is None


def test_a_webhook_is_installed_pinged_and_removed(host: GitHost, commit: str):
    remote = connect(host)
    first = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret="old" * 10)
    second = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    (hook,) = host.hooks(REPOSITORY)
    assert first.id == second.id == str(hook.id)
    assert (hook.url, hook.secret, hook.content_type, hook.events) == (HOOK_URL, SECRET, "json", ["push"])
    sent = len(host.hook_deliveries(REPOSITORY))
    assert remote.ping_webhook(REPOSITORY, first.id)
    eventually(lambda: len(host.hook_deliveries(REPOSITORY)) > sent)
    assert host.hook_deliveries(REPOSITORY)[0].event == "ping"
    remote.remove_webhook(REPOSITORY, first.id)
    remote.remove_webhook(REPOSITORY, first.id)
    assert host.hooks(REPOSITORY) == []


def test_a_deploy_key_is_added_once_and_removed(host: GitHost, commit: str):
    remote = connect(host)
    host.create_repository("acme/other", admins=["ada"])
    key = remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY) == key
    assert key.fingerprint == FINGERPRINT
    assert [each.read_only for each in host.deploy_keys(REPOSITORY)] == [True]
    with pytest.raises(KeyInUse):
        remote.add_deploy_key("acme/other", title="Sluice", public_key=PUBLIC_KEY)
    remote.remove_deploy_key(REPOSITORY, key.id)
    remote.remove_deploy_key(REPOSITORY, key.id)
    assert host.deploy_keys(REPOSITORY) == []


def test_an_organization_without_deploy_keys_is_told_apart(host: GitHost):
    host.create_repository("strict/shop", admins=["ada"], deploy_keys_enabled=False)
    with pytest.raises(PermissionMissing, match="does not allow deploy keys"):
        connect(host).add_deploy_key("strict/shop", title="Sluice", public_key=PUBLIC_KEY)


def test_a_token_that_may_only_read_is_told_what_it_lacks(host: GitHost, commit: str):
    remote = connect(host, permissions={"metadata": "read", "contents": "read"})
    assert "fine-grained" in remote.check().note
    for call in (
        lambda: remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET),
        lambda: remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY),
    ):
        with pytest.raises(PermissionMissing) as caught:
            call()
        assert caught.value.missing


def test_a_commit_gets_its_status(host: GitHost, commit: str):
    connect(host).set_commit_status(
        REPOSITORY,
        commit,
        state=CommitState.SUCCESS,
        target_url="https://sluice.example.com/deployments/1",
        description="Deployed to production",
        context="sluice/production",
    )
    assert [status.context for status in host.statuses(REPOSITORY, commit)] == ["sluice/production"]


def test_the_published_host_keys_are_the_hosts(host: GitHost):
    assert host.host_key in connect(host).ssh_host_keys()
