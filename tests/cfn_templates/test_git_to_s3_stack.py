"""git_intgrtn_aws_s3_main.yaml on a local AWS that enforces its policies, with the real functions."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployers import templates
from lambdas.add_s3_notification import handler as add_s3_notification
from sandbox.aws import Aws
from tests.cfn_templates.stack import GIT_TO_S3, Answer, Stack

pytestmark = pytest.mark.sandbox

NewStack = Callable[..., Stack]
COMMIT = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
SECRET_IS_READ_AGAIN_SECONDS = 10
# Nothing listens there: what is fetched fails at once.
NOWHERE = {"ProviderApiUrl": "https://127.0.0.1:9", "SshHost": "127.0.0.1", "SshPort": "9"}


def push(stack: Stack, output: str, secret: str, delivery: str, ref: str = "refs/heads/main") -> Answer:
    """A push as GitHub sends it."""
    body = json.dumps(
        {
            "ref": ref,
            "before": "0" * 40,
            "after": COMMIT,
            "created": False,
            "deleted": False,
            "forced": False,
            "repository": {"full_name": "octo-org/octo-repo"},
            "sender": {"login": "octocat"},
            "head_commit": {
                "id": COMMIT,
                "message": "Fix all the bugs",
                "author": {"name": "Octo", "email": "o@x.org"},
            },
            "commits": [],
        }
    ).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return stack.post(output, body, headers)


def objects(stack: Stack, output: str) -> list[dict[str, Any]]:
    """All versions in one of the stack's buckets."""
    found: list[dict[str, Any]] = (
        stack.aws.client("s3").list_object_versions(Bucket=stack.outputs[output]).get("Versions", [])
    )
    return found


def fill(stack: Stack, output: str) -> None:
    """Two versions of an object, behind a delete marker where versions are kept."""
    s3 = stack.aws.client("s3")
    for body in (b"1", b"2"):
        s3.put_object(Bucket=stack.outputs[output], Key="octo-org/octo-repo/main/octo-repo.zip", Body=body)


def test_creates_everything_and_says_where_it_is(new_stack: NewStack) -> None:
    stack = new_stack()

    assert set(stack.outputs) == set(templates.load(GIT_TO_S3)["Outputs"])
    assert stack.outputs["PublicSSHKey"].startswith("ssh-ed25519 AAAA")
    assert stack.outputs["SSHKeyFingerprint"].startswith("SHA256:")


def test_stacks_can_share_a_key_and_leave_it_when_they_are_deleted(new_stack: NewStack, aws: Aws) -> None:
    kms = aws.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    stack = new_stack(KmsKeyArn=arn, MaximumConcurrency="5")

    assert stack.outputs["KMSKeyArn"] == arn
    secret = aws.client("secretsmanager").describe_secret(SecretId=stack.outputs["SSHKeySecretArn"])
    assert secret["KmsKeyId"] == arn
    resources = aws.client("cloudformation").list_stack_resources(StackName=stack.id)["StackResourceSummaries"]
    assert "AWS::KMS::Key" not in {each["ResourceType"] for each in resources}
    sources = aws.client("lambda").list_event_source_mappings(FunctionName=stack.outputs["GitPullFunction"])
    assert [each["ScalingConfig"] for each in sources["EventSourceMappings"]] == [{"MaximumConcurrency": 5}]
    assert stack.delete() == "DELETE_COMPLETE"
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"


def test_the_private_key_is_only_in_secrets_manager(new_stack: NewStack) -> None:
    stack = new_stack()

    secret = stack.aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["SSHKeySecretArn"])
    current = json.loads(secret["SecretString"])["current"]
    assert current["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert current["public_key"] == stack.outputs["PublicSSHKey"]


def test_the_provider_secret_holds_what_was_given(new_stack: NewStack) -> None:
    awkward = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
    stack = new_stack(ApiSecret=awkward, GitToken="token", OauthKey="key", OauthSecret="secret")

    secret = stack.aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["ProviderSecretArn"])
    assert json.loads(secret["SecretString"]) == {
        "webhook_secret": awkward,
        "webhook_secret_previous": "",
        "git_token": "token",
        "oauth_key": "key",
        "oauth_secret": "secret",
        "kind": "",
        "app_id": "",
        "installation_id": "",
        "private_key": "",
    }


def test_the_provider_secret_holds_the_app_that_signs_in(new_stack: NewStack) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\\nMIIE+/o=\\n-----END RSA PRIVATE KEY-----\\n"
    stack = new_stack(AppId="7", AppInstallationId="8", AppPrivateKey=key)

    secret = stack.aws.client("secretsmanager").get_secret_value(SecretId=stack.outputs["ProviderSecretArn"])
    held = json.loads(secret["SecretString"])
    assert {name: held[name] for name in ("kind", "app_id", "installation_id")} == {
        "kind": "github_app",
        "app_id": "7",
        "installation_id": "8",
    }
    assert held["private_key"] == key.replace("\\n", "\n")


@pytest.mark.parametrize("secret", ['quo"te', "back\\slash", "white space", "tab\t", "umläut"])
def test_a_secret_that_would_break_the_json_is_refused(new_stack: NewStack, secret: str) -> None:
    with pytest.raises(ClientError, match="must be printable ASCII"):
        new_stack(ApiSecret=secret)


@pytest.mark.parametrize(
    ("output", "method"), [("ZipDownloadWebHookApi", "zip_download"), ("GitPullWebHookApi", "git_pull")]
)
def test_a_signed_push_is_recorded_queued_and_reaches_its_worker(new_stack: NewStack, output: str, method: str) -> None:
    stack = new_stack(ApiSecret="right", GitToken="token", Repository="octo-org/octo-repo", **NOWHERE)

    answer = push(stack, output, "right", "72d3162e")

    assert (answer.status, answer.body["delivery"]) == (202, "72d3162e")
    delivery = stack.delivery_once("72d3162e", "retrying" if method == "zip_download" else "failed")
    assert delivery["method"] == method
    assert delivery["commit"] == COMMIT
    assert delivery["reason"]


def test_takes_certificates_and_host_keys_of_several_lines(new_stack: NewStack) -> None:
    certificate = f"-----BEGIN CERTIFICATE-----\n{'MIIB' * 400}\n-----END CERTIFICATE-----\n"
    host_keys = "[git.example.com]:2222 ssh-ed25519 AAAA\ngit.example.com ssh-rsa AAAA"

    stack = new_stack(ProviderCaBundle=certificate, SshKnownHosts=host_keys)

    functions = stack.aws.client("lambda").get_paginator("list_functions").paginate()
    variables = [
        each["Environment"]["Variables"]
        for page in functions
        for each in page["Functions"]
        if each["FunctionName"].startswith(stack.name[:20]) and "Environment" in each
    ]
    assert [each["PROVIDER_CA_BUNDLE"] for each in variables if "PROVIDER_CA_BUNDLE" in each] == [certificate]
    assert [each["SSH_KNOWN_HOSTS"] for each in variables if "SSH_KNOWN_HOSTS" in each] == [host_keys]


def test_a_push_signed_with_another_secret_is_refused(new_stack: NewStack) -> None:
    stack = new_stack(ApiSecret="right")

    assert push(stack, "ZipDownloadWebHookApi", "wrong", "72d3162e").status == 401
    assert stack.delivery("72d3162e") == {}


def test_without_a_webhook_secret_every_push_is_refused(new_stack: NewStack) -> None:
    stack = new_stack()

    assert push(stack, "ZipDownloadWebHookApi", "", "72d3162e").status == 401


def test_both_webhook_secrets_are_valid_while_one_replaces_the_other(new_stack: NewStack) -> None:
    stack = new_stack(ApiSecret="old", Refs="none", **NOWHERE)
    assert push(stack, "ZipDownloadWebHookApi", "old", "1").status == 200

    stack.update(ApiSecret="new", ApiSecretPrevious="old")

    deadline = time.monotonic() + SECRET_IS_READ_AGAIN_SECONDS
    while push(stack, "ZipDownloadWebHookApi", "new", "2").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert push(stack, "ZipDownloadWebHookApi", "old", "3").status == 200
    assert push(stack, "ZipDownloadWebHookApi", "never", "4").status == 401


def test_an_update_keeps_the_ssh_key_the_buckets_and_what_is_in_them(new_stack: NewStack) -> None:
    stack = new_stack()
    fill(stack, "OutputBucketName")
    fill(stack, "CacheBucketName")
    before = stack.outputs

    stack.update(LambdaArtifactPrefix="second", Refs="main", BucketOnDelete="purge")

    assert stack.outputs == before
    assert len(objects(stack, "OutputBucketName")) == 2
    assert len(objects(stack, "CacheBucketName")) == 1


def test_an_update_keeps_the_notifications_that_others_have_on_the_bucket(new_stack: NewStack) -> None:
    """Twenty other stacks add theirs at once; then this one writes its bucket anew."""
    stack = new_stack(BucketOnDelete="purge")
    bucket, arn = (
        stack.outputs["OutputBucketName"],
        stack.aws.client("lambda").list_functions()["Functions"][0]["FunctionArn"],
    )

    def add(number: int) -> None:
        key = f"acme/site/b{number:02}/site.zip"
        properties = {"Bucket": bucket, "NotificationId": f"n{number:02}", "FunctionArn": arn, "Key": key}
        request = {"RequestType": "Create", "ResourceProperties": properties}
        add_s3_notification.apply(stack.aws.client("s3"), request, deadline=time.monotonic() + 60)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(add, range(20)))
    stack.update(NoncurrentVersionDays="7")

    found = stack.aws.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    assert sorted(each["Id"] for each in found["LambdaFunctionConfigurations"]) == [f"n{n:02}" for n in range(20)]
    assert found["EventBridgeConfiguration"] == {}
    assert objects(stack, "OutputBucketName") == []


def test_switching_back_to_keep_purges_nothing(new_stack: NewStack) -> None:
    stack = new_stack(BucketOnDelete="purge")
    fill(stack, "OutputBucketName")

    stack.update(BucketOnDelete="keep")

    assert len(objects(stack, "OutputBucketName")) == 2


def test_deletion_stops_at_artifacts_that_are_to_be_kept(new_stack: NewStack) -> None:
    stack = new_stack(BucketOnDelete="keep")
    bucket = stack.outputs["OutputBucketName"]
    fill(stack, "OutputBucketName")
    fill(stack, "CacheBucketName")

    assert stack.delete() == "DELETE_FAILED"
    assert "OutputBucket: The bucket you tried to delete is not empty" in " ".join(stack.failures())
    assert stack.delete(retain=["OutputBucket"]) == "DELETE_COMPLETE"
    assert len(stack.aws.client("s3").list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_deletion_takes_artifacts_along_when_told(new_stack: NewStack) -> None:
    stack = new_stack(BucketOnDelete="purge", OutputBucketName="artifacts-to-purge")
    fill(stack, "OutputBucketName")
    stack.aws.client("s3").delete_object(Bucket="artifacts-to-purge", Key="octo-org/octo-repo/main/octo-repo.zip")

    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Not Found"):
        stack.aws.client("s3").head_bucket(Bucket="artifacts-to-purge")


def test_deletion_leaves_nothing_that_costs_money(new_stack: NewStack) -> None:
    stack = new_stack()
    outputs = stack.outputs

    assert stack.delete() == "DELETE_COMPLETE"

    client = stack.aws.client
    assert outputs["DeliveriesTableName"] not in client("dynamodb").list_tables()["TableNames"]
    assert not [
        each for each in client("logs").describe_log_groups()["logGroups"] if stack.name in each["logGroupName"]
    ]
    assert not [each for each in client("sqs").list_queues().get("QueueUrls", []) if each == outputs["GitPullQueueUrl"]]
    assert client("kms").describe_key(KeyId=outputs["KMSKeyArn"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_the_buckets_can_be_emptied_before_the_stack_is_deleted(new_stack: NewStack) -> None:
    stack = new_stack()
    fill(stack, "OutputBucketName")

    answer = stack.aws.client("lambda").invoke(
        FunctionName=stack.outputs["DeleteBucketContentsFunction"],
        Payload=json.dumps({"bucket": stack.outputs["OutputBucketName"]}),
    )

    assert "FunctionError" not in answer
    assert objects(stack, "OutputBucketName") == []
    assert stack.delete() == "DELETE_COMPLETE"


def test_no_other_bucket_can_be_emptied(new_stack: NewStack) -> None:
    stack = new_stack()
    s3 = stack.aws.client("s3")
    s3.create_bucket(Bucket="somebody-elses")
    s3.put_object(Bucket="somebody-elses", Key="a", Body=b"1")

    answer = stack.aws.client("lambda").invoke(
        FunctionName=stack.outputs["DeleteBucketContentsFunction"], Payload=json.dumps({"bucket": "somebody-elses"})
    )

    assert b"AccessDenied" in answer["Payload"].read()
    assert s3.head_object(Bucket="somebody-elses", Key="a")
