"""Requests, parameters, causes and templates: plain values in, plain values out."""

import dataclasses
import json
import re
import uuid
from dataclasses import dataclass

import pytest

from deployers import catalog, causes, requests, templates
from deployers.errors import ParameterRefused

OPERATION = uuid.UUID("0b54ab3c-95ef-4f8b-8f0e-1f4f0ce2d6aa")


@dataclass(frozen=True)
class Event:
    logical_id: str
    status: str
    reason: str
    resource_type: str = "AWS::S3::Bucket"


def source(**fields: str) -> catalog.GitSource:
    values = {
        "provider_kind": "github",
        "api_url": "https://api.github.com",
        "ca_bundle": "",
        "repository": "octocat/shop",
        "ssh_host": "github.com",
        "ssh_user": "git",
        "ssh_known_hosts": "github.com ssh-ed25519 AAAA",
        "webhook_secret": "secret-one",
        "webhook_secret_previous": "",
        "git_token": "secret-two",
        "oauth_key": "",
        "oauth_secret": "",
        **fields,
    }
    return catalog.GitSource(refs=("main", "tags:v*"), ssh_port=22, **values)


PACKAGES = catalog.Packages("packages", "git_intgrtn_aws_s3/abc", "python3.13", "arm64")


def test_every_parameter_that_is_sent_is_one_of_the_template() -> None:
    parameters = catalog.git_parameters(source=source(), packages=PACKAGES, chosen={})
    assert set(parameters) <= templates.parameter_names(catalog.GIT.template)
    assert catalog.GIT.settable <= templates.parameter_names(catalog.GIT.template) - set(parameters)
    assert parameters["Refs"] == "main,tags:v*"


def test_the_secrets_are_parameters_that_cloudformation_never_shows() -> None:
    parameters = catalog.git_parameters(source=source(), packages=PACKAGES, chosen={})
    secret = templates.secret_parameters(catalog.GIT.template)
    assert {name for name, value in parameters.items() if value.startswith("secret-")} <= secret
    assert "secret-" not in repr(source())


def test_the_private_key_of_an_app_is_one_line_that_its_pattern_takes() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/o=\n-----END RSA PRIVATE KEY-----\n"
    app = source(app_id="7", app_installation_id="8", app_private_key=key)
    given = catalog.git_parameters(source=app, packages=PACKAGES, chosen={})
    parameter = templates.load(catalog.GIT.template)["Parameters"]["AppPrivateKey"]
    assert re.fullmatch(parameter["AllowedPattern"], given["AppPrivateKey"])
    assert json.loads(f'"{given["AppPrivateKey"]}"') == key
    assert (given["AppId"], given["AppInstallationId"]) == ("7", "8")
    assert "AppPrivateKey" in templates.secret_parameters(catalog.GIT.template)
    assert "MIIE" not in repr(app)


@pytest.mark.parametrize("kind", catalog.KINDS.values(), ids=lambda kind: kind.kind)
def test_no_parameter_that_people_set_is_a_secret(kind: catalog.StackType) -> None:
    assert not kind.settable & templates.secret_parameters(kind.template)


@pytest.mark.parametrize("name", ["ApiSecret", "LambdaArtifactS3Bucket", "Repository", "NoSuchParameter"])
def test_people_cannot_set_what_the_panel_knows_itself(name: str) -> None:
    with pytest.raises(ParameterRefused) as refused:
        catalog.git_parameters(source=source(), packages=PACKAGES, chosen={name: "x"})
    assert name in refused.value.message
    assert refused.value.field == "parameters"


def test_the_packages_of_the_catalog_are_those_that_the_template_names() -> None:
    text = templates.render(catalog.GIT.template).decode()
    assert set(re.findall(r"\$\{LambdaArtifactPrefix\}/(\w+)\.zip", text)) == set(catalog.GIT.packages)


@pytest.mark.parametrize("name", ["shop", "a" * 200, "with_under.scores", "-odd-"])
def test_stack_names_are_valid(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", requests.stack_name(name, "git"))


def test_a_change_set_sends_no_secret_that_stays_as_it_is() -> None:
    request = requests.change_set(
        stack="sluice-shop-git",
        name=requests.change_set_name(OPERATION),
        create=False,
        template_url="https://s3/template",
        capabilities=["CAPABILITY_IAM"],
        parameters={"ApiSecret": "canary", "Refs": "main"},
        unchanged_secrets={"ApiSecret"},
        stack_tags={"sluice:integration": "1"},
        description="Update by ada",
    )
    assert request["Parameters"] == [
        {"ParameterKey": "ApiSecret", "UsePreviousValue": True},
        {"ParameterKey": "Refs", "ParameterValue": "main"},
    ]
    assert "canary" not in json.dumps(request)
    assert request["ClientToken"] == request["ChangeSetName"]


def test_names_and_tokens_of_an_operation_are_always_the_same_and_valid() -> None:
    assert requests.token(OPERATION, "execute") == requests.token(OPERATION, "execute")
    assert requests.token(OPERATION, "execute") != requests.token(OPERATION, "clear")
    for made in (requests.token(OPERATION, "watch-deletion-3"), requests.change_set_name(OPERATION)):
        assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", made)


def test_tags_are_of_characters_that_aws_takes() -> None:
    tags = requests.tags(
        integration_id=OPERATION, integration_name="shop", team="R&D <Zürich>", panel_url="https://panel.example?x"
    )
    assert tags[requests.OWNER_TAG] == str(OPERATION)
    assert tags["sluice:team"] == "R-D -Zürich-"
    assert all(re.fullmatch(r"[\w .:/=+\-@]{0,256}", value) for value in tags.values())


def test_the_digest_of_secrets_depends_on_its_key_and_on_every_value() -> None:
    digest = requests.parameters_digest({"A": "1", "B": "2"}, key=b"k")
    assert digest == requests.parameters_digest({"B": "2", "A": "1"}, key=b"k")
    assert digest != requests.parameters_digest({"A": "1", "B": "3"}, key=b"k")
    assert digest != requests.parameters_digest({"A": "1", "B": "2"}, key=b"other")


def test_the_first_cause_is_the_first_failure_that_is_no_cancellation() -> None:
    events = [
        Event("Queue", "CREATE_IN_PROGRESS", ""),
        Event("Api", "CREATE_FAILED", "Resource creation cancelled"),
        Event("Bucket", "CREATE_FAILED", "shop already exists"),
        Event("Table", "CREATE_FAILED", "Some later trouble"),
        Event("stack", "CREATE_FAILED", "The following resource(s) failed", "AWS::CloudFormation::Stack"),
    ]
    found = causes.first_cause(events)
    assert found is not None
    assert found.message == "Bucket (S3 Bucket) failed: shop already exists"
    assert "rename" in found.remedy


def test_without_a_resource_that_failed_the_stack_itself_is_the_cause() -> None:
    found = causes.first_cause([Event("stack", "CREATE_FAILED", "no", "AWS::CloudFormation::Stack")])
    assert found is not None
    assert found.logical_id == "stack"
    assert causes.first_cause([Event("Bucket", "CREATE_COMPLETE", "")]) is None


@pytest.mark.parametrize(
    ("reason", "words", "remedy"),
    [
        (
            'Resource handler returned message: "User is not authorized to perform: kms:CreateKey" (RequestToken: 7f9)',
            "User is not authorized to perform: kms:CreateKey",
            "Let the AWS account",
        ),
        ("Limit exceeded (Service: Lambda, Status Code: 429, Request ID: 1)", "Limit exceeded", "raise this quota"),
        ("", "AWS gave no reason", "press Retry"),
        *(
            (reason, reason, remedy)
            for reason, remedy in (
                ("Received 2 FAILURE signal(s) out of 2.", "way to the internet"),
                ("At least two subnets in two different Availability Zones must be specified", "two zones"),
                ("The subnet ID 'subnet-0' does not exist", "VPC and its subnets"),
                ("The key pair 'office' does not exist", "key pair"),
                ("Certificate ARN 'arn:1' is not valid", "issued certificate"),
                (
                    "Unable to assume the service linked role. Please verify that it exists.",
                    "first cluster of an account",
                ),
                ("ECS Service Linked Role does not exist.", "aws iam create-service-linked-role"),
                ("Your requested instance type (t9.huge) is not supported in eu-west-1a", "type of instances"),
                ("We currently do not have sufficient t3.small capacity", "no room"),
                ("You have requested more vCPU capacity than your current vCPU limit of 1", "raise this quota"),
            )
        ),
    ],
)
def test_reasons_lose_what_only_support_can_read_and_get_a_remedy(reason: str, words: str, remedy: str) -> None:
    found = causes.Cause("Key", "AWS::KMS::Key", reason)
    assert found.message == f"Key (KMS Key) failed: {words}"
    assert remedy in found.remedy


def test_a_rendered_template_is_plain_json_and_the_same_every_time() -> None:
    first = templates.render(catalog.GIT.template)
    templates.load.cache_clear()
    assert templates.render(catalog.GIT.template) == first
    template = json.loads(first)
    assert template["AWSTemplateFormatVersion"] == "2010-09-09"
    assert template["Outputs"]["PublicSSHKey"]["Value"] == {"Fn::GetAtt": ["SSHKey", "PublicKey"]}
    assert len(first) < 1_000_000


def test_filters_reach_the_template() -> None:
    chosen = dataclasses.replace(source(), paths=("src/**", "*.md"), ignored_paths=("docs",), skip_ci=False)
    parameters = catalog.git_parameters(source=chosen, packages=PACKAGES, chosen={})
    assert parameters["Paths"] == "src/**,*.md"
    assert (parameters["IgnoredPaths"], parameters["SkipCi"]) == ("docs", "false")


def test_git_lfs_reaches_the_template_with_what_the_function_can_hold() -> None:
    chosen = dataclasses.replace(source(), lfs=True, ca_bundle="c" * 2000, ssh_known_hosts="k" * 500)
    assert catalog.git_parameters(source=chosen, packages=PACKAGES, chosen={})["Lfs"] == "true"

    more = dataclasses.replace(chosen, ssh_known_hosts="k" * 1000)
    with pytest.raises(ParameterRefused, match="more than git pull can hold") as refused:
        catalog.git_parameters(source=more, packages=PACKAGES, chosen={})
    assert refused.value.field == "lfs"
    without = dataclasses.replace(more, lfs=False)
    assert catalog.git_parameters(source=without, packages=PACKAGES, chosen={})["Lfs"] == "false"


def test_the_providers_networks_join_those_that_people_allow() -> None:
    restricted = dataclasses.replace(source(), networks=("10.0.0.0/9", "10.128.0.0/9", "2a0a:a440::/29"))
    parameters = catalog.git_parameters(
        source=restricted, packages=PACKAGES, chosen={"AllowedIps": "192.0.2.7/32,10.1.0.0/16"}
    )
    assert parameters["AllowedIps"] == "10.0.0.0/8,192.0.2.7/32,2a0a:a440::/29"


@pytest.mark.parametrize(
    ("networks", "own", "field"),
    [
        (tuple(f"10.{n}.{n}.0/24" for n in range(1, 250)), "", "restrict_source_ips"),
        (("10.0.0.0/8",), "everywhere", "parameters"),
    ],
)
def test_networks_that_a_stack_cannot_take_are_refused(networks: tuple[str, ...], own: str, field: str) -> None:
    restricted = dataclasses.replace(source(), networks=networks)
    with pytest.raises(ParameterRefused) as refused:
        catalog.git_parameters(source=restricted, packages=PACKAGES, chosen={"AllowedIps": own})
    assert refused.value.field == field


def test_a_long_reason_is_read_in_one_pass() -> None:
    blanks = " " * 1_000_000  # quadratic, this takes hours

    found = causes.Cause("Key", "AWS::KMS::Key", f"no{blanks}key (RequestToken: 1)")

    assert found.message == f"Key (KMS Key) failed: no{blanks}key"
