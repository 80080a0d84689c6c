"""Packages and templates in S3, and the commands."""

import itertools
import json
from pathlib import Path

import pytest
from botocore.stub import Stubber
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from deployers import catalog, templates
from deployers.aws import s3, session
from deployers.aws.session import Access
from deployers.errors import AlreadyExistsAtAws, PackagesMissing
from deployers.services import publish
from lambdas import package
from sandbox.aws import ACCOUNT_ID, Aws

pytestmark = pytest.mark.sandbox

REGION = "eu-central-1"
_number = itertools.count(1)


@pytest.fixture
def bucket() -> str:
    """A bucket's name that no other test uses."""
    return f"packages-of-publishing-{next(_number)}"


def written(aws: Aws, bucket: str) -> list[str]:
    """The keys in the order they were first written, one for each time."""
    listed = aws.client("s3").list_object_versions(Bucket=bucket)
    return sorted(each["Key"] for each in listed.get("Versions", []))


def published(bucket: str = "") -> publish.Published:
    return publish.publish(kind=catalog.GIT, region=REGION, bucket=bucket)


def test_publishing_makes_a_private_bucket_with_all_that_a_stack_needs(local_aws: Aws, stub_packages: Path) -> None:
    found = published()

    assert found.bucket == f"sluice-artifacts-{ACCOUNT_ID}-{REGION}"
    assert {f"{found.prefix}/{name}.zip" for name in catalog.GIT.packages} < set(written(local_aws, found.bucket))
    s3 = local_aws.client("s3")
    key = found.template_url.split(f"{found.bucket}/", 1)[1]
    assert key.endswith("/git_intgrtn_aws_s3_main.json")
    assert "Resources" in json.loads(s3.get_object(Bucket=found.bucket, Key=key)["Body"].read())
    blocked = s3.get_public_access_block(Bucket=found.bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=found.bucket)["Policy"]
    assert s3.get_bucket_location(Bucket=found.bucket)["LocationConstraint"] == REGION


def test_publishing_again_writes_nothing(local_aws: Aws, stub_packages: Path, bucket: str) -> None:
    local_aws.client("s3").create_bucket(Bucket=bucket)
    local_aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, keys = published(bucket), written(local_aws, bucket)
    (stub_packages / "git_pull.zip").touch()

    assert published(bucket) == first

    assert written(local_aws, bucket) == keys


def test_other_packages_get_another_prefix(local_aws: Aws, stub_packages: Path, bucket: str) -> None:
    first = published(bucket)
    (stub_packages / "git_pull.zip").write_bytes(b"newer")
    second = published(bucket)

    assert second.prefix != first.prefix
    assert second.template_url == first.template_url
    assert f"{first.prefix}/git_pull.zip" in written(local_aws, bucket)


def test_an_upload_that_was_cut_short_is_completed(local_aws: Aws, stub_packages: Path, bucket: str) -> None:
    found = published(bucket)
    for name in ("manifest.json", "zip_download.zip"):
        local_aws.client("s3").delete_object(Bucket=bucket, Key=f"{found.prefix}/{name}")

    published(bucket)

    assert f"{found.prefix}/zip_download.zip" in written(local_aws, bucket)


def test_a_bucket_of_another_account_is_not_used() -> None:
    """Our name for a bucket can be guessed, so somebody may have made it first: S3 is told whose it must be."""
    access = Access("ambient", REGION)
    with Stubber(session.client(access, "s3")) as answers:
        answers.add_client_error(
            "head_bucket",
            "403",
            http_status_code=403,
            expected_params={"Bucket": "guessed", "ExpectedBucketOwner": ACCOUNT_ID},
        )
        with pytest.raises(AlreadyExistsAtAws) as refused:
            s3.ensure_private_bucket(access, bucket="guessed", owner=ACCOUNT_ID, partition="aws")
    assert "another AWS account" in refused.value.message


def test_missing_packages_are_told_with_what_to_do(local_aws: Aws, tmp_path: Path, settings: Settings) -> None:
    settings.LAMBDA_PACKAGES = tmp_path / "nowhere"
    with pytest.raises(PackagesMissing) as missing:
        published()
    assert "lambdas.package" in missing.value.remedy


@pytest.mark.django_db
def test_the_command_says_where_it_published(
    local_aws: Aws, stub_packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("publish_artifacts", region="eu-central-1")
    said = capsys.readouterr().out
    assert f"sluice-artifacts-{ACCOUNT_ID}-eu-central-1" in said
    assert "git_intgrtn_aws_s3_main.json" in said


@pytest.mark.django_db
def test_the_command_ends_with_two_when_it_cannot_publish(local_aws: Aws, tmp_path: Path, settings: Settings) -> None:
    settings.LAMBDA_PACKAGES = tmp_path / "nowhere"
    with pytest.raises(CommandError) as failed:
        call_command("publish_artifacts", region="eu-central-1")
    assert failed.value.returncode == 2
    with pytest.raises(CommandError) as failed:
        call_command("publish_artifacts", region="eu-central-1", account="nobody")
    assert failed.value.returncode == 2


def test_templates_are_exported_as_json(tmp_path: Path) -> None:
    call_command("export_templates", tmp_path / "out")
    exported = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json")}
    launched = {templates.published_name(kind.template) for kind in catalog.KINDS.values()}
    nested = {templates.published_name(each) for kind in catalog.KINDS.values() for each in kind.nested}
    handed_on = {templates.published_name(template) for _, template in package.TEMPLATES.values()}
    assert exported >= launched | nested | handed_on
    written = {
        path.relative_to(templates.DIRECTORY).with_suffix(".json") for path in templates.DIRECTORY.rglob("*.yaml")
    }
    assert exported == {path.as_posix() for path in written}
    assert all("Resources" in json.loads((tmp_path / "out" / name).read_bytes()) for name in exported)


def test_nested_templates_lie_where_their_main_one_looks(local_aws: Aws, stub_packages: Path, bucket: str) -> None:
    local_aws.client("s3").create_bucket(Bucket=bucket)
    found = publish.publish(kind=catalog.CODEDEPLOY, region=REGION, bucket=bucket)
    keys = set(written(local_aws, bucket))
    folder = found.templates_url.split(f"{bucket}/", 1)[1]
    assert found.template_url == f"{found.templates_url}/codedeploy_main.json"
    assert {f"{folder}/{templates.published_name(each)}" for each in catalog.CODEDEPLOY.nested} < keys
    assert {f"{found.prefix}/{name}.zip" for name in catalog.CODEDEPLOY.packages} < keys


def test_an_export_to_where_no_directory_can_be_ends_with_two(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError) as failed:
        call_command("export_templates", tmp_path / "file")
    assert failed.value.returncode == 2
