"""Both Bitbucket adapters over real TLS against the sandbox's git host, with a real repository behind it."""

import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from integrations.errors import CertificateNotTrusted, CredentialsRejected, PermissionMissing
from integrations.providers.base import CommitState, ProviderClient, ProviderConfig
from integrations.providers.registry import PROVIDERS
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
def commits(host: GitHost, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """acme/shop has the second commit on main, on release/1 and, by an annotated tag, on v1."""
    host.create_repository(REPOSITORY, admins=["ada"])
    work = tmp_path_factory.mktemp("work")
    git(work, "init", "-q", "-b", "main")
    (work / "README").write_text("shop\n")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "Start")
    (work / "README").rename(work / "LIESMICH")
    (work / "src").mkdir()
    (work / "src" / "ä b.py").write_text("1\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "Go on")
    git(work, "tag", "-a", "v1", "-m", "First")
    # As people push, so that the host notices.
    url = f"https://ada:{host.create_token('ada')}@{host.url.removeprefix('https://')}/{REPOSITORY}.git"
    git(work, "push", "-q", url, "main", "main:refs/heads/release/1", "v1", GIT_SSL_CAINFO=str(host.ca_file))
    return git(work, "rev-parse", "HEAD~1"), git(work, "rev-parse", "HEAD")


def git(work: Path, *command: str, **environment: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(
        ["git", *identity, *command],
        cwd=work,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture(params=["bitbucket_cloud", "bitbucket_server"])
def remote(request: pytest.FixtureRequest, host: GitHost, commits: tuple[str, str]) -> ProviderClient:
    return connect(host, request.param, **credentials(host, request.param))


def credentials(host: GitHost, kind: str) -> dict[str, str]:
    return {"token": host.create_token("ada")} | ({"email": "ada@example.com"} if kind == "bitbucket_cloud" else {})


def connect(host: GitHost, kind: str, ca_bundle: str | None = None, **credentials: str) -> ProviderClient:
    return PROVIDERS[kind](
        ProviderConfig(
            base_url=host.url,
            credentials=credentials,
            ca_bundle=host.ca_pem if ca_bundle is None else ca_bundle,
            allowed_networks=[ip_network("127.0.0.0/8")],
        )
    )


def test_credentials_are_checked(remote: ProviderClient, host: GitHost):
    assert remote.check().login
    with pytest.raises(CredentialsRejected):
        connect(host, remote.kind, token="wrong").check()
    with pytest.raises(CertificateNotTrusted):
        connect(host, remote.kind, ca_bundle="", token="wrong").check()


def test_an_access_token_and_an_oauth_consumer_sign_in_too(host: GitHost, commits: tuple[str, str]):
    key, secret = host.store.create_oauth_consumer("ada")
    for given in ({"token": host.create_token("ada")}, {"oauth_key": key, "oauth_secret": secret}):
        remote = connect(host, "bitbucket_cloud", **given)
        assert remote.check().login
        assert remote.check().missing == ()
        assert remote.head(REPOSITORY, "refs/heads/main") == commits[1]
        assert [each.full_name for each in remote.search_repositories("acme/sho").items] == [REPOSITORY]


def test_the_published_host_key_is_the_hosts(host: GitHost):
    assert host.host_key in connect(host, "bitbucket_cloud", token="any").ssh_host_keys()


def test_the_repository_and_its_refs_are_read(remote: ProviderClient, commits: tuple[str, str]):
    assert [each.full_name for each in remote.search_repositories("SHOP").items] == [REPOSITORY]
    assert remote.repository(REPOSITORY).default_branch == "main"
    refs = {ref.ref: ref.commit for ref in remote.refs(REPOSITORY)}
    assert refs == dict.fromkeys(["refs/heads/main", "refs/heads/release/1", "refs/tags/v1"], commits[1])
    for ref in refs:
        assert remote.head(REPOSITORY, ref) == commits[1]
    assert remote.head(REPOSITORY, "refs/heads/gone") is None


def test_an_empty_repository_has_no_head(remote: ProviderClient, host: GitHost):
    name = f"acme/empty-{remote.kind.replace('_', '-')}"
    host.create_repository(name, admins=["ada"])
    assert remote.head(name, "refs/heads/main") is None
    assert remote.repository(name).full_name == name


def test_a_webhook_is_installed_updated_and_removed(remote: ProviderClient, host: GitHost):
    first = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret="old" * 10)
    second = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert first.id == second.id
    (hook,) = host.hooks(REPOSITORY)
    assert (hook.url, hook.secret, hook.active) == (HOOK_URL, SECRET, True)
    remote.remove_webhook(REPOSITORY, first.id)
    remote.remove_webhook(REPOSITORY, first.id)
    assert host.hooks(REPOSITORY) == []


def test_data_center_sends_a_ping_and_tells_where_ssh_is(host: GitHost, commits: tuple[str, str]):
    remote = connect(host, "bitbucket_server", **credentials(host, "bitbucket_server"))
    hook = remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET)
    assert remote.ping_webhook(REPOSITORY, hook.id) is True
    eventually(lambda: host.hook_deliveries(REPOSITORY))
    assert host.hook_deliveries(REPOSITORY)[0].event == "diagnostics:ping"
    remote.remove_webhook(REPOSITORY, hook.id)
    assert str(remote.ssh_address()) == f"git@127.0.0.1:{host.ssh_port}"


def test_a_deploy_key_is_added_once_and_removed(remote: ProviderClient, host: GitHost):
    key = remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY)
    assert remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY) == key
    assert key.fingerprint == FINGERPRINT
    assert [each.read_only for each in host.deploy_keys(REPOSITORY)] == [True]
    remote.remove_deploy_key(REPOSITORY, key.id)
    remote.remove_deploy_key(REPOSITORY, key.id)
    assert host.deploy_keys(REPOSITORY) == []


@pytest.mark.parametrize("kind", ["bitbucket_cloud", "bitbucket_server"])
def test_a_token_that_may_only_read_is_told_what_it_lacks(host: GitHost, commits: tuple[str, str], kind: str):
    token = host.create_token("ada", permissions={"metadata": "read", "contents": "read"})
    remote = connect(host, kind, **{**credentials(host, kind), "token": token})
    for call in (
        lambda: remote.install_webhook(REPOSITORY, url=HOOK_URL, secret=SECRET),
        lambda: remote.add_deploy_key(REPOSITORY, title="Sluice", public_key=PUBLIC_KEY),
    ):
        with pytest.raises(PermissionMissing) as caught:
            call()
        assert caught.value.missing
    assert remote.head(REPOSITORY, "refs/heads/main") == commits[1]


def test_a_commit_gets_its_status(remote: ProviderClient, host: GitHost, commits: tuple[str, str]):
    remote.set_commit_status(
        REPOSITORY,
        commits[1],
        state=CommitState.SUCCESS,
        target_url="https://sluice.example.com/deployments/1",
        description="Deployed to production",
        context=f"sluice/{remote.kind}",
    )
    assert f"sluice/{remote.kind}" in [status.context for status in host.statuses(REPOSITORY, commits[1])]
