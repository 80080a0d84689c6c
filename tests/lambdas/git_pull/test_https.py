"""Git pull over HTTPS, from a real `git http-backend` behind TLS."""

import base64
import logging
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pygit2
import pytest

from lambdas.common.artifacts import StoredArtifact
from lambdas.common.errors import BadCredentials, FetchError, PermanentFailure, TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.git_pull import fetch as git_pull
from lambdas.git_pull.relay import Relay
from lambdas.git_pull.repository import list_refs
from lambdas.git_pull.settings import HTTPS, Settings
from tests.lambdas.conftest import HostedRepository, make_job, stored_object
from tests.lambdas.git_pull.conftest import history_of, tree_of, unzipped
from tests.lambdas.https_server import Server, respond, serving

pytestmark = pytest.mark.usefixtures("stack")
USERS = {
    "github": "x-access-token",
    "github_enterprise": "x-access-token",
    "gitlab": "oauth2",
    "bitbucket_cloud": "x-token-auth",
    "gitea": "sluice",
}


@pytest.fixture
def stack_settings(stack_settings: Settings, hosted: HostedRepository) -> Settings:
    return replace(
        stack_settings,
        transport=HTTPS,
        git_url=hosted.host.url,
        ca_bundle=hosted.host.ca_pem,
        ssh_known_hosts="",
    )


def pull(
    hosted: HostedRepository,
    settings: Settings,
    root: Path,
    *,
    commit: str = "",
    headers: Callable[[], dict[str, str]] | None = None,
    kind: str = "github",
) -> StoredArtifact:
    return git_pull.fetch(
        make_job(hosted.full_name, commit or hosted.work.head()),
        settings=settings,
        key="",
        credentials=headers or (lambda: PROVIDERS[kind].git_credentials(ProviderSecret(git_token=hosted.token))),
        root=root,
        s3=boto3.client("s3"),
        history=history_of(settings, root),
    )


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_kind_of_provider_is_fetched_from(
    hosted: HostedRepository, stack_settings: Settings, root: Path, kind: str
) -> None:
    under = "/scm" if kind == "bitbucket_server" else ""
    settings = replace(stack_settings, provider_kind=kind, git_url=f"{hosted.host.url}{under}")

    stored = pull(hosted, settings, root, kind=kind)

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_user_name_is_the_one_that_the_provider_wants(kind: str) -> None:
    header = PROVIDERS[kind].git_credentials(ProviderSecret(git_token="tok"))["Authorization"]
    if kind == "bitbucket_server":
        assert header == "Bearer tok"
    else:
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"{USERS[kind]}:tok"
    assert PROVIDERS[kind].git_credentials(ProviderSecret()) == {}


def test_tokens_that_go_with_a_user_name() -> None:
    def sent(kind: str, token: str) -> str:
        header = PROVIDERS[kind].git_credentials(ProviderSecret(git_token=token))["Authorization"]
        return base64.b64decode(header.removeprefix("Basic ")).decode()

    assert sent("gitlab", "gitlab+deploy-token-1:gldt") == "gitlab+deploy-token-1:gldt"
    assert sent("bitbucket_cloud", "ada@example.com:ATATT") == "x-bitbucket-api-token-auth:ATATT"
    assert sent("bitbucket_server", "ada:secret") == "ada:secret"


def test_the_second_fetch_brings_only_what_changed(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    pull(hosted, stack_settings, root)
    hosted.work.write("new.txt", "new")
    commit = hosted.work.commit("Next")
    hosted.publish()

    stored = pull(hosted, stack_settings, root, commit=commit)

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)
    assert len(list((root / "git").iterdir())) == 1


def test_the_bytes_are_those_of_a_fetch_over_ssh(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    over_https = stored_object(pull(hosted, stack_settings, root).key)[0]
    ssh_settings = replace(stack_settings, transport="ssh", ssh_known_hosts=hosted.host.known_hosts_line)
    stored = git_pull.fetch(
        make_job(hosted.full_name, hosted.work.head()),
        settings=ssh_settings,
        key=hosted.key.private_key,
        root=tmp_path / "ssh",
        s3=boto3.client("s3"),
        history=history_of(ssh_settings, tmp_path / "ssh"),
    )
    assert stored_object(stored.key)[0] == over_https


def test_the_token_is_in_no_file_log_or_error(
    hosted: HostedRepository, stack_settings: Settings, root: Path, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    caplog.set_level(logging.DEBUG)
    pull(hosted, stack_settings, root)
    wrong = "ghs_wrong_canary"
    with pytest.raises(BadCredentials) as caught:
        pull(
            hosted,
            stack_settings,
            root / "other",
            headers=lambda: PROVIDERS["github"].git_credentials(ProviderSecret(git_token=wrong)),
        )
    written = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    said = caplog.text + "".join(capfd.readouterr()) + repr(caught.value) + str(caught.getrepr(style="long"))
    for token in (hosted.token, wrong):
        encoded = base64.b64encode(f"x-access-token:{token}".encode())
        assert token.encode() not in written
        assert encoded not in written
        assert encoded.decode() not in said
    assert hosted.token not in said
    assert "127.0.0.1:" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "failure", "reason"),
    [
        ({"ca_bundle": ""}, PermanentFailure, "certificate of 127.0.0.1 is not trusted"),
        ({"git_url": ""}, PermanentFailure, "GitUrl"),
        ({"git_url": "http://127.0.0.1"}, PermanentFailure, "not HTTPS"),
        ({"git_url": "https://169.254.169.254"}, PermanentFailure, "may be fetched from"),
        ({"git_url": "https://127.0.0.1:1"}, TemporaryFailure, "connection to 127.0.0.1 failed"),
        ({"git_url": "https://git.invalid"}, TemporaryFailure, "connection to git.invalid failed"),
    ],
)
def test_a_server_that_is_not_to_be_trusted_or_had(
    hosted: HostedRepository,
    stack_settings: Settings,
    root: Path,
    change: dict[str, str],
    failure: type[FetchError],
    reason: str,
) -> None:
    with pytest.raises(failure, match=reason):
        pull(hosted, replace(stack_settings, **change), root)


def test_what_the_token_may_not_see_and_what_is_not_there(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    with pytest.raises(BadCredentials, match="answered 401: the token is not valid"):
        pull(hosted, stack_settings, root, headers=dict)
    with pytest.raises(PermanentFailure, match="answered 404: there is no such repository"):
        pull(replace(hosted, full_name="acme/nothing"), stack_settings, root)
    with pytest.raises(PermanentFailure, match=r"did not send commit|is not among"):
        pull(hosted, stack_settings, root, commit="1" * 40)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def ask(server: Server, token: str = "tok") -> dict[str, str]:
    with Relay(server.url, lambda: {"Authorization": token}, tls_context(server.ca_pem)) as relay:
        try:
            return list_refs(relay.url("acme/site"), pygit2.RemoteCallbacks, lambda: relay.failure)
        finally:
            assert relay.url("acme/site").startswith("http://127.0.0.1:")


def advertisement(commit: str) -> bytes:
    def line(text: str) -> bytes:
        return b"%04x%b" % (len(text) + 4, text.encode())

    first = f"{commit} HEAD\0side-band-64k shallow allow-tip-sha1-in-want object-format=sha1 agent=git/2\n"
    return line("# service=git-upload-pack\n") + b"0000" + line(first) + line(f"{commit} refs/heads/main\n") + b"0000"


def test_a_redirect_to_another_host_gets_no_token(server: Server) -> None:
    found = respond(200, advertisement("1" * 40), Content_Type="application/x-git-upload-pack-advertisement")
    target = f"{server.other_url}/elsewhere/site.git/info/refs?service=git-upload-pack"
    moved = respond(302, Location=target)
    server.answer = lambda request: (found if "elsewhere" in request.path else moved)(request)

    assert ask(server)["refs/heads/main"] == "1" * 40
    assert server.requests == [
        ("/acme/site.git/info/refs?service=git-upload-pack", "tok"),
        ("/elsewhere/site.git/info/refs?service=git-upload-pack", ""),
    ]


@pytest.mark.parametrize(
    ("status", "headers", "failure", "reason"),
    [
        (302, {"Location": "/users/sign_in"}, PermanentFailure, "does it ask for a sign-in"),
        (302, {"Location": "http://127.0.0.1/x.git/info/refs?service=git-upload-pack"}, PermanentFailure, "not HTTPS"),
        (
            200,
            {"Content_Type": "text/html"},
            PermanentFailure,
            "does not answer as a Git server does, but with text/html",
        ),
        (401, {}, BadCredentials, "answered 401"),
        (403, {}, PermanentFailure, "answered 403"),
        (404, {}, PermanentFailure, "answered 404"),
        (429, {"Retry_After": "7"}, TemporaryFailure, "answered 429"),
        (503, {}, TemporaryFailure, "answered 503"),
    ],
)
def test_answers_that_are_no_repository(
    server: Server, status: int, headers: dict[str, str], failure: type[FetchError], reason: str
) -> None:
    server.answer = respond(status, b"", **headers)
    with pytest.raises(failure, match=reason) as caught:
        ask(server)
    if status == 429:
        assert getattr(caught.value, "retry_after", None) == 7


def test_an_answer_that_breaks_off_is_tried_again(server: Server) -> None:
    body = advertisement("1" * 40)
    kind = "application/x-git-upload-pack-advertisement"
    server.answer = respond(200, body[:60], length=len(body), Content_Type=kind)
    with pytest.raises(TemporaryFailure):
        ask(server)


def test_a_token_that_ends_meanwhile_is_renewed_between_requests(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    given: list[str] = []

    def headers() -> dict[str, str]:
        given.append(hosted.host.create_token(permissions={"metadata": "read", "contents": "read"}))
        return PROVIDERS["github"].git_credentials(ProviderSecret(git_token=given[-1]))

    assert pull(hosted, stack_settings, root, headers=headers).size
    assert len(set(given)) >= 2


def test_nobody_else_on_the_machine_can_use_the_relay(server: Server) -> None:
    server.answer = respond(200, b"secret", Content_Type="application/x-git-upload-pack-advertisement")
    with Relay(server.url, lambda: {"Authorization": "tok"}, tls_context(server.ca_pem)) as relay:
        root = relay.url("acme/site").split("/", 3)[:3]
        for path in ("x/acme/site.git/info/refs?service=git-upload-pack", "acme/site.git/info/refs", ""):
            asked = subprocess.run(
                ["git", "ls-remote", "/".join([*root, path])], check=False, capture_output=True, text=True
            )
            assert asked.returncode != 0
        own = relay.url("acme/site")
        for path in (f"{own}/git-receive-pack", f"{own}/info/refs?service=git-receive-pack", f"{own}/HEAD"):
            asked = subprocess.run(["git", "ls-remote", path], check=False, capture_output=True, text=True)
            assert asked.returncode != 0
    assert [path for path, _ in server.requests if "receive-pack" in path or "HEAD" in path] == []
