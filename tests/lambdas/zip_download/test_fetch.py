import base64
import http.server
import io
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace

import boto3
import pytest

from lambdas.common.artifacts import PART_SIZE, StoredArtifact
from lambdas.common.errors import BadCredentials, FetchError, NotWanted, PermanentFailure, TemporaryFailure
from lambdas.common.https import tls_context
from lambdas.common.paths import PathFilter
from lambdas.common.provider_secret import ProviderSecret
from lambdas.zip_download import fetch as zip_download
from lambdas.zip_download.settings import Settings
from tests.lambdas.conftest import BUCKET, GitRepository, HostedRepository, make_job, stored_object, versions_of
from tests.lambdas.https_server import Server, respond, serving

pytestmark = pytest.mark.usefixtures("stack")


def settings_for(api_url: str, ca_pem: str) -> Settings:
    return Settings(
        deliveries_table="deliveries",
        provider_secret_arn="unused",
        provider_kind="github_enterprise",
        api_url=api_url,
        ca_bundle=ca_pem,
        output_bucket=BUCKET,
        queue_url="unused",
        max_receive_count=5,
    )


def settings_of(server: Server) -> Settings:
    return settings_for(server.url, server.ca_pem)


def fetch(
    settings: Settings, repository: str, commit: str, *, token: str = "a token", seconds: float = 60
) -> StoredArtifact:
    return zip_download.fetch(
        make_job(repository, commit, seconds=seconds),
        settings=settings,
        secret=ProviderSecret(git_token=token),
        tls=tls_context(settings.ca_bundle),
        s3=boto3.client("s3"),
    )


def fetch_hosted(hosted: HostedRepository, **options: str) -> StoredArtifact:
    settings = settings_for(hosted.host.api_url, hosted.host.ca_pem)
    return fetch(settings, hosted.full_name, hosted.work.head(), **{"token": hosted.token, **options})  # type: ignore[arg-type]


def test_the_artifact_is_what_git_archives(hosted: HostedRepository) -> None:
    stored = fetch_hosted(hosted)

    data, metadata, version = stored_object(f"{hosted.full_name}/main/{hosted.full_name.split('/')[1]}.zip")
    assert data == hosted.work.git("archive", "--format=zip", "HEAD")
    assert (stored.version_id, stored.size) == (version, len(data))
    assert metadata["commit"] == hosted.work.head()
    assert metadata["content-digest"] == stored.content_digest


def test_the_same_tree_makes_no_new_version(hosted: HostedRepository) -> None:
    first = fetch_hosted(hosted)
    hosted.work.commit("The same files again")
    hosted.publish()
    second = fetch_hosted(hosted)

    assert versions_of(first.key) == [first.version_id] == [second.version_id]
    assert second.reason.startswith("The content has not changed")


def test_content_that_only_a_checksum_takes_for_the_same_is_stored(hosted: HostedRepository) -> None:
    """CRC-32 and size of the two are equal: whoever may push can make such a pair."""
    hosted.work.write("app.py", "plumless")
    hosted.work.commit("One")
    hosted.publish()
    before = fetch_hosted(hosted)
    hosted.work.write("app.py", "buckeroo")
    hosted.work.commit("Another")
    hosted.publish()

    after = fetch_hosted(hosted)

    assert after.content_digest != before.content_digest
    assert after.version_id != before.version_id


def test_an_archive_of_many_parts(hosted: HostedRepository) -> None:
    hosted.work.write(
        "noise.bin",
        subprocess.run(["head", "-c", str(3 * PART_SIZE), "/dev/urandom"], capture_output=True, check=True).stdout,
    )
    hosted.work.commit("Noise")
    hosted.publish()

    stored = fetch_hosted(hosted)

    assert stored_object(stored.key)[0] == hosted.work.git("archive", "--format=zip", "HEAD")
    assert boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_token_that_is_not_valid(hosted: HostedRepository) -> None:
    with pytest.raises(PermanentFailure, match="token is not valid"):
        fetch_hosted(hosted, token="revoked")


def test_a_repository_that_is_not_there(hosted: HostedRepository) -> None:
    with pytest.raises(PermanentFailure, match="no such repository or commit"):
        fetch_hosted(replace(hosted, full_name="acme/nothing"))


def test_an_authority_that_is_not_trusted(hosted: HostedRepository) -> None:
    settings = settings_for(hosted.host.api_url, "")

    with pytest.raises(PermanentFailure, match=r"certificate of 127\.0\.0\.1 is not trusted"):
        fetch(settings, hosted.full_name, hosted.work.head())


@pytest.mark.parametrize("text", ["not a certificate", "Főtanúsítvány"])
def test_a_bundle_without_certificates(text: str) -> None:
    with pytest.raises(PermanentFailure, match="no PEM certificates"):
        tls_context(text)


def test_remarks_between_certificates_may_be_in_any_language(server: Server) -> None:
    plain, remarked = (tls_context(f"{remark}{server.ca_pem}") for remark in ("", "# Főtanúsítvány\n"))
    assert remarked.get_ca_certs() == plain.get_ca_certs() != tls_context("").get_ca_certs()


def test_plain_http_is_refused() -> None:
    with pytest.raises(PermanentFailure, match="not HTTPS"):
        fetch(settings_for("http://127.0.0.1:1", ""), "acme/site", "a" * 40)


def test_a_server_that_is_down() -> None:
    with pytest.raises(TemporaryFailure, match="connection to 127"):
        fetch(settings_for("https://127.0.0.1:1", ""), "acme/site", "a" * 40)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def zip_of(repository: GitRepository) -> bytes:
    return repository.git("archive", "--format=zip", "--prefix=acme-site-1/", "HEAD")


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_token_is_dropped_when_a_redirect_leaves_the_host(
    server: Server, repository: GitRepository, elsewhere: bool
) -> None:
    archive = respond(200, zip_of(repository))
    target = f"{server.other_url if elsewhere else server.url}/archive?sig=1"

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        (archive if request.path.startswith("/archive") else respond(302, Location=target))(request)

    server.answer = answer
    commit = repository.head()
    fetch(settings_of(server), "acme/site", commit)

    assert server.requests == [
        (f"/repos/acme/site/zipball/{commit}", "Bearer a token"),
        ("/archive?sig=1", "" if elsewhere else "Bearer a token"),
    ]


CONSUMER = ProviderSecret(oauth_key="key", oauth_secret="very-secret")


def fetch_as_consumer(server: Server, commit: str) -> StoredArtifact:
    settings = replace(settings_of(server), provider_kind="bitbucket_cloud", api_url=f"{server.url}/2.0")
    return zip_download.fetch(
        make_job("acme/site", commit),
        settings=settings,
        secret=CONSUMER,
        tls=tls_context(settings.ca_bundle),
        s3=boto3.client("s3"),
    )


def test_an_oauth_consumer_gets_a_token_and_fetches_with_it(server: Server, repository: GitRepository) -> None:
    archive, token = respond(200, zip_of(repository)), respond(200, b'{"access_token": "short-lived"}')
    server.answer = lambda request: (token if request.command == "POST" else archive)(request)

    fetch_as_consumer(server, repository.head())

    basic = "Basic " + base64.b64encode(b"key:very-secret").decode()
    assert server.requests == [
        ("/site/oauth2/access_token", basic),
        (f"/acme/site/get/{repository.head()}.zip", "Bearer short-lived"),
    ]
    assert server.bodies == [b"grant_type=client_credentials"]


@pytest.mark.parametrize(
    ("answer", "failure", "words"),
    [
        ((401, b"{}"), BadCredentials, "key or secret is not valid"),
        ((400, b"{}"), BadCredentials, "key or secret is not valid"),
        ((503, b""), TemporaryFailure, "answered 503"),
        ((200, b"<html>"), TemporaryFailure, "access token"),
        ((200, b"[]"), TemporaryFailure, "access token"),
        ((302, b""), PermanentFailure, "answered 302"),
    ],
)
def test_a_consumer_that_gets_no_token(
    server: Server, answer: tuple[int, bytes], failure: type[FetchError], words: str
) -> None:
    server.answer = respond(*answer, Location="https://127.0.0.1:1/")

    with pytest.raises(failure, match=words) as caught:
        fetch_as_consumer(server, "a" * 40)
    assert "very-secret" not in f"{caught.value!r} {caught.value.__context__!r}"
    assert len(server.requests) == 1


@pytest.mark.parametrize(("ref", "refused"), [("refs/heads/main", True), ("refs/tags/v1", False)])
def test_only_an_annotated_tag_may_have_another_id_than_its_commit(
    server: Server, repository: GitRepository, ref: str, refused: bool
) -> None:
    server.answer = respond(200, zip_of(repository))
    job, settings = make_job("acme/site", "a" * 40, ref=ref), settings_of(server)
    arguments = {"settings": settings, "secret": CONSUMER, "tls": tls_context(settings.ca_bundle)}

    if refused:
        with pytest.raises(PermanentFailure, match="in place of"):
            zip_download.fetch(job, s3=boto3.client("s3"), **arguments)  # type: ignore[arg-type]
    else:
        assert zip_download.fetch(job, s3=boto3.client("s3"), **arguments).size  # type: ignore[arg-type]


def test_an_archive_whose_comment_is_no_commit_is_stored(server: Server, repository: GitRepository) -> None:
    archive = bytearray(zip_of(repository))
    archive[-40:] = b"made by another program than git archive"
    server.answer = respond(200, bytes(archive))

    assert fetch(settings_of(server), "acme/site", repository.head()).reason == "Stored"


def test_a_commit_that_changes_no_file_that_counts_is_not_stored(server: Server, repository: GitRepository) -> None:
    settings = replace(settings_of(server), paths=PathFilter.parse("app", ""))
    server.answer = respond(200, zip_of(repository))
    first = fetch(settings, "acme/site", repository.head())
    repository.write("README.md", "Changed\n")
    repository.commit("Next")
    server.answer = respond(200, zip_of(repository))

    with pytest.raises(NotWanted, match="the one changed file matches none of the paths `app`"):
        zip_download.fetch(
            replace(make_job("acme/site", repository.head()), check_paths=True),
            settings=settings,
            secret=CONSUMER,
            tls=tls_context(settings.ca_bundle),
            s3=boto3.client("s3"),
        )
    assert versions_of(first.key) == [first.version_id]


def test_a_redirect_to_plain_http_is_not_followed(server: Server) -> None:
    server.answer = respond(302, Location="http://127.0.0.1:1/archive")

    with pytest.raises(PermanentFailure, match="not HTTPS"):
        fetch(settings_of(server), "acme/site", "a" * 40)


def test_redirects_come_to_an_end(server: Server) -> None:
    server.answer = respond(302, Location="/again")

    with pytest.raises(PermanentFailure, match="redirected more than 5 times"):
        fetch(settings_of(server), "acme/site", "a" * 40)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("answer", "failure", "retry_after"),
    [
        (respond(500), TemporaryFailure, None),
        (respond(503, Retry_After="90"), TemporaryFailure, 90),
        (respond(429, Retry_After="7"), TemporaryFailure, 7),
        (respond(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), TemporaryFailure, None),
        (respond(403, X_RateLimit_Remaining="0"), TemporaryFailure, None),
        (respond(403), PermanentFailure, None),
        (respond(410), PermanentFailure, None),
    ],
)
def test_what_the_providers_answer_means(
    server: Server,
    answer: Callable[[http.server.BaseHTTPRequestHandler], None],
    failure: type[FetchError],
    retry_after: int | None,
) -> None:
    server.answer = answer

    with pytest.raises(failure) as caught:
        fetch(settings_of(server), "acme/site", "a" * 40)
    assert getattr(caught.value, "retry_after", None) == retry_after


def test_a_download_that_breaks_off_leaves_nothing_behind(server: Server, repository: GitRepository) -> None:
    repository.write(
        "noise.bin",
        subprocess.run(["head", "-c", str(2 * PART_SIZE), "/dev/urandom"], capture_output=True, check=True).stdout,
    )
    commit = repository.commit("Noise")
    archive = zip_of(repository)
    server.answer = respond(200, archive[: PART_SIZE + 1000], length=len(archive))

    with pytest.raises(TemporaryFailure):
        fetch(settings_of(server), "acme/site", commit)
    assert versions_of("acme/site") == []
    assert boto3.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_another_commit_than_the_pushed_one_is_not_stored(server: Server, repository: GitRepository) -> None:
    server.answer = respond(200, zip_of(repository))

    with pytest.raises(PermanentFailure, match="in place of aaaaaaaaaaaa"):
        fetch(settings_of(server), "acme/site", "a" * 40)
    assert versions_of("acme/site") == []


def test_no_time_left_is_said_before_lambda_ends_the_function(server: Server, repository: GitRepository) -> None:
    server.answer = respond(200, zip_of(repository))

    with pytest.raises(TemporaryFailure, match="longer than the function may run"):
        fetch(settings_of(server), "acme/site", repository.head(), seconds=-1)


def test_the_token_is_in_no_message(server: Server) -> None:
    server.answer = respond(401)

    with pytest.raises(PermanentFailure) as caught:
        fetch(settings_of(server), "acme/site", "a" * 40, token="gh-very-secret")
    assert "gh-very-secret" not in f"{caught.value!r} {caught.value.__context__!r}"


def test_unpacked_it_is_a_zip_that_python_reads(hosted: HostedRepository) -> None:
    stored = fetch_hosted(hosted)

    assert zipfile.ZipFile(io.BytesIO(stored_object(stored.key)[0])).testzip() is None
