"""What Git servers say over SSH when they send no repository, judged by their own words and by real conversations."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.git_pull.probe import probe
from lambdas.git_pull.refusals import first_words, judge
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.ssh import KeyRefused
from sandbox.git_host.host import GitHost
from sandbox.git_host.ssh_words import WORDS
from tests.lambdas.conftest import GitRepository, HostedRepository, ssh_key
from tests.lambdas.git_pull.conftest import fetch
from tests.lambdas.git_pull.test_probe import secret

pytestmark = pytest.mark.usefixtures("stack")
RULER = "remote: \nremote: " + "=" * 72 + "\nremote: \n"


def framed(words: str) -> str:
    return f"{RULER}remote: {words}\n{RULER}"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("ERROR: Repository not found.\nfatal: Could not read from remote", KeyRefused, "Repository not found."),
        (
            framed(
                "ERROR: The project you were looking for could not be found or you don't have permission to view it."
            ),
            KeyRefused,
            "The project you were looking for could not be found",
        ),
        (framed("GitLab: You are not allowed to download code from this project."), KeyRefused, "You are not allowed"),
        (framed("Your SSH key has expired."), KeyRefused, "has expired there: rotate it"),
        (
            framed("This endpoint has been requested too many times. Try again later."),
            TemporaryFailure,
            "too many times",
        ),
        (framed("Internal API unreachable"), TemporaryFailure, "Internal API unreachable"),
        (framed("Git access over SSH is not allowed"), PermanentFailure, "fetch over HTTPS"),
        ("Gitea: Cannot find repository: acme/shop\n", KeyRefused, "Cannot find repository: acme/shop"),
        ("Forgejo: Cannot find repository: acme/shop\n", KeyRefused, "Cannot find repository: acme/shop"),
        (
            "Gitea: Deploy Key: 7:sluice is not authorized to read acme/shop.\n",
            KeyRefused,
            "Deploy Key: 7:sluice is not authorized to read acme/shop.",
        ),
        (
            "Gitea: Public (Deploy) Key: 7:sluice is not authorized to read acme/shop.",
            KeyRefused,
            "is not authorized to read",
        ),
        ("Gitea: Repository is being created, you could retry after it finished", TemporaryFailure, "is being created"),
        ("Gitea: Internal Server Error", TemporaryFailure, "Internal Server Error"),
        ("Gitea: SSH has been disabled", PermanentFailure, "fetch over HTTPS"),
        ("FATAL: R any shop sluice DENIED by fallthru\n(or you mis-spelled the reponame)", KeyRefused, "DENIED by"),
        ("conq: repository does not exist.", KeyRefused, "repository does not exist."),
        ("repository access denied.", KeyRefused, "repository access denied."),
        ("Repository not found\nThe requested repository does not exist, or you", KeyRefused, "Repository not found"),
        ("fatal: '/acme/shop.git' does not appear to be a git repository", KeyRefused, "does not appear to be"),
        ("fatal: mismatched algorithms: client sha1; server sha256", PermanentFailure, "use zip download"),
        ("ERROR: The 'acme' organization has an IP allow list enabled", PermanentFailure, "restricts access"),
    ],
)
def test_words_are_judged(said: str, kind: type[FetchError], words: str) -> None:
    found = judge(said)
    assert type(found) is kind
    assert words in str(found)
    assert "remote:" not in str(found)
    assert "==" not in str(found)


@pytest.mark.parametrize("said", ["", "\n", RULER, "remote: \r\nremote: ====\r\n", "Welcome to the server"])
def test_no_words_and_unknown_ones_are_no_judgement(said: str) -> None:
    assert judge(said) is None


def test_the_first_line_with_words_counts() -> None:
    assert first_words(framed("ERROR: Nothing here") + "remote: more") == "Nothing here"
    assert first_words("\r\n\nerror: fatal: x") == "x"


@pytest.fixture(params=sorted(WORDS))
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitHost]:
    """A git host that refuses with the words of another kind of server."""
    with GitHost(tmp_path / "host", ssh_words=request.param) as host:
        yield host


def moved(hosted: HostedRepository, host: GitHost) -> HostedRepository:
    host.create_repository(hosted.full_name)
    made = replace(hosted, host=host)
    made.add_deploy_key(made.key)
    made.publish()
    return made


def settings_of(host: GitHost, settings: Settings) -> Settings:
    return replace(settings, ssh_port=host.ssh_port, ssh_known_hosts=host.known_hosts_line)


def test_what_is_not_there_or_may_not_be_read_is_permanent_whoever_says_it(
    elsewhere: GitHost, hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    here, settings = moved(hosted, elsewhere), settings_of(elsewhere, stack_settings)
    assert fetch(here, settings, root).size
    elsewhere.create_repository("acme/other")
    for name in ("acme/other", "acme/nothing"):
        with pytest.raises(KeyRefused, match=r'may not read it\. It says ".*": give the SSH key'):
            fetch(replace(here, full_name=name), settings, root)
    asked = {"repository": "acme/nothing", "fingerprint": here.key.fingerprint}
    answer = probe(asked, settings=settings, key_secret=secret(current=here.key), root=root)
    assert (answer["ok"], answer["error"]) == (False, "key_refused")
    assert 'It says "' in answer["message"]


def test_a_repository_with_sha_256_names_is_told_as_that(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    bare = hosted.host.repository_path(hosted.full_name)
    work = GitRepository(tmp_path / "sha256")
    work.path.mkdir()
    work.git("init", "-q", "-b", "main", "--object-format=sha256")
    commit = work.commit("Start")
    for old in sorted(bare.rglob("*"), reverse=True):
        old.unlink() if old.is_file() or old.is_symlink() else old.rmdir()
    GitRepository(bare).git("init", "-q", "--bare", "-b", "main", "--object-format=sha256")
    work.git("push", "-q", str(bare), "main")

    with pytest.raises(PermanentFailure, match="SHA-256 object format"):
        fetch(hosted, stack_settings, root, commit=commit)
    asked = {"repository": hosted.full_name, "fingerprint": hosted.key.fingerprint}
    answer = probe(asked, settings=stack_settings, key_secret=secret(current=hosted.key), root=root)
    assert (answer["ok"], answer["error"]) == (False, "refused")
    assert "SHA-256" in answer["message"]


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitHost]:
    """A git host whose SSH server takes these algorithms only."""
    create = asyncssh.create_server

    def limited(*arguments: object, **named: object) -> object:
        return create(*arguments, **{**named, **request.param})

    monkeypatch.setattr(asyncssh, "create_server", limited)
    with GitHost(tmp_path / "odd") as host:
        yield host


@pytest.mark.parametrize(
    "odd",
    [
        {"kex_algs": ["curve448-sha512"]},
        {"server_host_keys": [asyncssh.generate_private_key("ssh-ed448")]},
    ],
    indirect=True,
    ids=["key exchange", "host key"],
)
def test_a_server_with_nothing_in_common_is_told_with_what_to_do(
    odd: GitHost, hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    with pytest.raises(PermanentFailure, match="no way in common to set up an SSH connection"):
        fetch(moved(hosted, odd), settings_of(odd, stack_settings), root)


def test_the_key_in_use_is_not_sent_to_a_server_that_is_asked_why(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    other = f"[127.0.0.1]:{hosted.host.ssh_port} {ssh_key().public_key}"
    settings = replace(stack_settings, ssh_known_hosts=other)
    with pytest.raises(PermanentFailure, match="is not the one in SshKnownHosts"):
        fetch(hosted, settings, root)
