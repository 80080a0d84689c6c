"""The git host as each kind of provider: what the product's clients, parsers and archive readers make of it."""

import io
import ssl
import zipfile
from pathlib import Path
from typing import Any

import pytest

from integrations.errors import CredentialsRejected, KeyInUse, NotFoundAtProvider, PermissionMissing
from integrations.providers.base import CommitState
from integrations.providers.public_keys import fingerprint
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.comparisons import NotTold
from lambdas.common.providers.webhooks import PushEvent, WebhookRequest
from lambdas.zip_download.compare import asker
from lambdas.zip_download.download import authorized, open_archive
from lambdas.zip_download.rewrite import strip_leading_folder
from sandbox.git_host import GitHost
from tests.sandbox.conftest import Clone, Received, Receiver, eventually, make_key
from tests.sandbox.dialects import KINDS, Place, credentials_of, make_place

pytestmark = pytest.mark.sandbox
SECRETS = {"gitlab": "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}
LIMITED = {"metadata": "read", "contents": "read"}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, host: GitHost) -> Place:
    return make_place(host, request.param)


@pytest.fixture
def clone(place: Place, ada_key: Path, tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", place.host, ada_key)
    made.git("remote", "add", "origin", place.host.ssh_url(place.full_name))
    return made


def install(place: Place, receiver: Receiver) -> str:
    """Have pushes sent to the receiver; returns the secret."""
    secret = SECRETS.get(place.kind, "a secret of the webhook")
    place.client().install_webhook(place.full_name, url=receiver.url(), secret=secret)
    receiver.requests.clear()
    return secret


def read(place: Place, received: Received, secret: str) -> WebhookRequest:
    """What the product's parser understands, after it has checked the signature."""
    headers = {name.lower(): value for name, value in received.headers.items()}
    PROVIDERS[place.kind].webhooks.verify(headers, received.body, [secret])
    return PROVIDERS[place.kind].webhooks.parse(headers, received.body)


def pushed(place: Place, receiver: Receiver, secret: str, count: int) -> list[PushEvent]:
    """The first `count` changes that arrive, in the order of their refs."""

    def look() -> list[PushEvent]:
        seen = [read(place, one, secret) for one in list(receiver.requests)]
        changes = [change for one in seen if not one.is_ping for change in one.changes]
        return changes if len(changes) >= count else []

    return sorted(eventually(look), key=lambda change: change.ref)


def test_credentials_are_whose_they_are(place: Place) -> None:
    identity = place.client().check()
    assert (identity.login, identity.missing) == ("ada", ())
    with pytest.raises(CredentialsRejected):
        place.client({"token": "wrong", "email": "ada@example.com"}).check()


def test_repositories_are_found_by_a_part_of_their_name(place: Place) -> None:
    found = place.client().search_repositories(place.full_name.rpartition("/")[2][2:])
    assert [one.full_name for one in found.items] == [place.full_name]
    assert place.client().repository(place.full_name).private
    stranger = place.client(credentials_of(place.host, place.kind, "mallory"))
    with pytest.raises((NotFoundAtProvider, PermissionMissing)):
        stranger.repository(place.full_name)


def test_branches_and_tags_with_slashes_and_annotations(place: Place, clone: Clone) -> None:
    first, head = clone.commit("a"), clone.commit("b")
    clone.git("tag", "--annotate", "--message", "One", "v1/final", first)
    clone.git("push", "--quiet", "origin", "main", "main:feature/x", "v1/final")
    client = place.client()
    eventually(lambda: client.repository(place.full_name).default_branch == "main")
    assert {(one.ref, one.commit) for one in client.refs(place.full_name)} == {
        ("refs/heads/main", head),
        ("refs/heads/feature/x", head),
        ("refs/tags/v1/final", first),
    }
    assert client.head(place.full_name, "refs/heads/feature/x") == head
    assert client.head(place.full_name, "refs/tags/v1/final") == first
    assert client.head(place.full_name, "refs/heads/gone") is None


def test_branches_are_read_past_the_first_page(place: Place, clone: Clone) -> None:
    clone.commit("a")
    names = {f"b{number}" for number in range(101)}
    clone.git("push", "--quiet", "origin", *(f"main:refs/heads/{name}" for name in names))
    found = place.client().refs(place.full_name)
    assert len(found) == len(names)
    assert {one.name for one in found} == names


def test_a_webhook_is_made_once_changed_and_removed(place: Place, host: GitHost, receiver: Receiver) -> None:
    client, secret = place.client(), SECRETS.get(place.kind, "first")
    made = client.install_webhook(place.full_name, url=receiver.url(), secret=secret)
    again = client.install_webhook(place.full_name, url=receiver.url(), secret=secret)
    assert (made.id, made.url, made.active) == (again.id, receiver.url(), True)
    assert len(host.hooks(place.full_name)) == 1
    client.remove_webhook(place.full_name, made.id)
    client.remove_webhook(place.full_name, made.id)
    assert host.hooks(place.full_name) == []


def test_a_push_arrives_signed_and_is_understood(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    first = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    [made] = pushed(place, receiver, secret, 1)
    assert (made.repository, made.ref, made.commit, made.before) == (place.full_name, "refs/heads/main", first, "")
    assert (made.sender, made.author, made.message) == ("ada", "ada@example.com", "Add a")
    receiver.requests.clear()
    second = clone.commit("a", "changed")
    clone.git("push", "--quiet", "origin", "main")
    [moved] = pushed(place, receiver, secret, 1)
    assert (moved.before, moved.commit) == (first, second)


def test_several_refs_an_annotated_tag_and_deletions(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    head = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main", "main:docs")
    assert [(one.ref, one.commit) for one in pushed(place, receiver, secret, 2)] == [
        ("refs/heads/docs", head),
        ("refs/heads/main", head),
    ]
    receiver.requests.clear()
    clone.git("tag", "--annotate", "--message", "One", "v1")
    clone.git("push", "--quiet", "origin", "v1")
    [tag] = pushed(place, receiver, secret, 1)
    assert (tag.ref, tag.commit) == ("refs/tags/v1", head)
    receiver.requests.clear()
    clone.git("push", "--quiet", "origin", ":refs/tags/v1")
    [gone] = pushed(place, receiver, secret, 1)
    assert (gone.ref, gone.commit) == ("refs/tags/v1", None)


def test_the_archive_is_one_folder_over_the_commits_tree(place: Place, clone: Clone) -> None:
    (clone.directory / "lib").mkdir()
    commit = clone.commit("lib/é.txt", "contents")
    clone.git("push", "--quiet", "origin", "main")
    assert zip_of(place, commit, place.client().archive_credentials()) == {"lib/é.txt": b"contents"}


def zip_of(place: Place, commit: str, credentials: dict[str, str]) -> dict[str, bytes]:
    """The files that the zip download function would store."""
    tls = ssl.create_default_context(cafile=str(place.host.ca_file))
    source = PROVIDERS[place.kind].archive(
        place.client().api_url, place.full_name, commit, ProviderSecret(**credentials)
    )
    written = io.BytesIO()
    with open_archive(authorized(source, tls), tls) as response:
        rewritten = strip_leading_folder(response.read, written.write)
    assert rewritten.comment == commit
    with zipfile.ZipFile(written) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def test_a_deploy_key_is_added_found_again_and_removed(place: Place, host: GitHost, tmp_path: Path) -> None:
    client, key = place.client(), make_key(tmp_path / "key")
    made = client.add_deploy_key(place.full_name, title="Sluice", public_key=key)
    assert client.add_deploy_key(place.full_name, title="Sluice", public_key=key) == made
    assert client.deploy_keys(place.full_name) == [made]
    assert made.fingerprint == fingerprint(key)
    assert [one.read_only for one in host.deploy_keys(place.full_name)] == [True]
    elsewhere = make_place(host, place.kind)
    with pytest.raises(KeyInUse):
        elsewhere.client().add_deploy_key(elsewhere.full_name, title="Sluice", public_key=key)
    client.remove_deploy_key(place.full_name, made.id)
    client.remove_deploy_key(place.full_name, made.id)
    assert host.deploy_keys(place.full_name) == []


def test_credentials_that_may_only_read_are_told_so(place: Place, receiver: Receiver, tmp_path: Path) -> None:
    client = place.client(credentials_of(place.host, place.kind, "ada", permissions=LIMITED))
    with pytest.raises(PermissionMissing):
        client.install_webhook(place.full_name, url=receiver.url(), secret=SECRETS.get(place.kind, "s"))
    with pytest.raises(PermissionMissing):
        client.add_deploy_key(place.full_name, title="Sluice", public_key=make_key(tmp_path / "key"))
    assert place.host.hooks(place.full_name) == []


def test_a_commit_status_is_kept_and_may_be_told_twice(place: Place, host: GitHost, clone: Clone) -> None:
    commit = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    told: dict[str, Any] = {"target_url": "https://sluice.example.com/1", "description": "Stored", "context": "sluice"}
    for state in (CommitState.PENDING, CommitState.PENDING, CommitState.SUCCESS):
        place.client().set_commit_status(place.full_name, commit, state=state, **told)
    newest = host.statuses(place.full_name, commit)[0]
    assert newest.state.lower().startswith("success")
    assert (newest.context, newest.target_url, newest.description) == ("sluice", told["target_url"], "Stored")


def test_changed_files_are_told_between_two_commits(place: Place, clone: Clone) -> None:
    first = clone.commit("a")
    clone.commit("ä b.py")
    last = clone.commit("a", "changed")
    clone.git("push", "--quiet", "origin", "main")
    kind, api_url = PROVIDERS[place.kind], place.client().api_url
    tls = ssl.create_default_context(cafile=str(place.host.ca_file))
    secret = ProviderSecret(**place.client().archive_credentials())
    ask = asker(api_url, authorized(kind.archive(api_url, place.full_name, last, secret), tls), tls)
    assert kind.changed_files(ask, place.full_name, first, last) == {"a", "ä b.py"}
    with pytest.raises(NotTold, match="answered 404"):
        kind.changed_files(ask, place.full_name, "e" * 40, last)
