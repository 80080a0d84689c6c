"""Artifacts are looked into where they lie."""

import io
import zipfile

import boto3
import pytest
from moto.s3.responses import S3Response

from lambdas.deploy.appspec import MAX_SIZE, Findings
from lambdas.deploy.inspection import inspect
from tests.lambdas.conftest import BUCKET
from tests.lambdas.deploy.conftest import APPSPEC, SOUND, make_zip

pytestmark = pytest.mark.usefixtures("stack")


def look(data: bytes) -> Findings:
    s3 = boto3.client("s3")
    version = s3.put_object(Bucket=BUCKET, Key="a.zip", Body=data)["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="a.zip", Body=b"a newer version, which is no zip")
    return inspect(s3, bucket=BUCKET, key="a.zip", version_id=version, size=len(data))


def test_only_the_end_and_the_file_are_fetched_of_a_large_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[str] = []
    get_object = S3Response.get_object

    def noting(self: S3Response) -> object:
        ranges.append(self.headers.get("Range", "all"))
        return get_object(self)

    monkeypatch.setattr(S3Response, "get_object", noting)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("appspec.yml", APPSPEC)
        archive.writestr("large.bin", bytes(8_000_000))
        archive.writestr("scripts/start.sh", "#!/bin/sh\n")

    assert look(buffer.getvalue()).problems == []
    assert 1 <= len(ranges) <= 4
    fetched = [[int(each) for each in one.removeprefix("bytes=").split("-")] for one in ranges]
    assert sum(last - first + 1 for first, last in fetched) < 1_000_000


def test_directories_need_no_entries_of_their_own() -> None:
    spec = "version: 0.0\nos: linux\nfiles:\n- source: a/b\n  destination: /srv\n"
    assert look(make_zip({"appspec.yml": spec, "a/b/c/d.txt": ""})).problems == []


def test_an_archive_with_more_entries_than_plain_zip_can_count_is_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(65_536):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
        for name, content in SOUND.items():
            archive.writestr(name, content)

    assert look(buffer.getvalue()).problems == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "has no appspec.yml at its root: add one"),
        ({"web/appspec.yml": APPSPEC, "x": ""}, "web/appspec.yml has to be called appspec.yml and lie at the root"),
        ({"appspec.yaml": APPSPEC}, "appspec.yaml has to be called appspec.yml"),
        ({"appspec.yml": "#" * (MAX_SIZE + 1)}, f"appspec.yml has {MAX_SIZE + 1} bytes"),
        ({"appspec.yml": APPSPEC}, "names scripts/start.sh, which is not in the artifact."),
    ],
)
def test_what_is_missing_is_named(files: dict[str, str], said: str) -> None:
    [problem] = look(make_zip(files)).problems
    assert said in problem


def test_one_directory_around_an_appspec_is_stripped_as_the_agent_does() -> None:
    assert look(make_zip({f"web/{name}": content for name, content in SOUND.items()})).problems == []


def test_links_are_followed() -> None:
    spec = APPSPEC.replace("scripts/start.sh", "run/start.sh")
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name, content, mode in (
            ("deploy/appspec.yml", spec, 0o100644),
            ("appspec.yml", "deploy/appspec.yml", 0o120777),
            ("scripts/start.sh", "#!/bin/sh\n", 0o100755),
            ("run", "scripts", 0o120777),
        ):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    assert look(buffer.getvalue()) == Findings()


@pytest.mark.parametrize(
    "data", [b"", b"no zip", make_zip(SOUND)[:-30], make_zip(SOUND).replace(b"version", b"VERSION")]
)
def test_what_is_no_sound_zip_is_said(data: bytes) -> None:
    assert len(look(data).problems) == 1


def test_an_appspec_that_unpacks_to_more_than_it_says_is_not_unpacked() -> None:
    data = bytearray(make_zip({"appspec.yml": "#" * 10_000_000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.rindex(signature) + offset
        data[at : at + 4] = (100).to_bytes(4, "little")

    assert len(look(bytes(data)).problems) == 1
