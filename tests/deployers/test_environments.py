"""What the functions' environments hold, added up before Lambda does."""

import pytest

from deployers import catalog, environments, templates
from deployers.errors import ParameterRefused

GIT = catalog.GIT.template
STACK = "s" * 60
LONG = {"Paths": "p" * 1024, "IgnoredPaths": "i" * 1000}


def of(function: str, source: str = GIT, **parameters: str) -> int:
    [found] = [each for each in environments.held(source, parameters, stack_name=STACK) if each.function == function]
    return found.bytes_


@pytest.mark.parametrize("kind", catalog.KINDS.values(), ids=lambda kind: kind.kind)
def test_every_function_of_every_template_is_counted_and_has_room_by_default(kind: catalog.StackType) -> None:
    found = environments.held(kind.template, {"TemplatesUrl": "https://packages.example"}, stack_name=STACK)
    functions = {
        name
        for source in (kind.template, *kind.nested)
        for name, resource in templates.load(source)["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    assert {each.function for each in found} == functions
    assert all(each.bytes_ < environments.MAX_BYTES / 2 for each in found)


def test_names_and_values_count_in_bytes_once_for_each_function_that_has_them() -> None:
    before = {each.function: each.bytes_ for each in environments.held(GIT, {}, stack_name=STACK)}
    after = {each.function: each.bytes_ for each in environments.held(GIT, {"Paths": "\u00e9" * 10}, stack_name=STACK)}
    assert {name: after[name] - size for name, size in before.items() if after[name] != size} == {
        "WebhookReceiverFunction": 20,
        "ZipDownloadFunction": 20,
        "GitPullFunction": 20,
    }
    assert before["CreateSSHKeyFunction"] >= len("SSH_KEY_SECRET_ARN" + "KMS_KEY_ID") + 150


def test_conditions_decide_what_counts() -> None:
    without = of("GitPullFunction", ProviderCaBundle="c" * 1000)
    assert without == of("GitPullFunction")
    assert of("GitPullFunction", ProviderCaBundle="c" * 1000, Lfs="true") == without - len("false") + len(
        "true" + "PROVIDER_CA_BUNDLE" + "c" * 1000
    )


def test_values_reach_a_nested_stack_s_function_through_its_parameters() -> None:
    plain = of("ManifestFunction", catalog.ECS.template)
    longer = of("ManifestFunction", catalog.ECS.template, HealthCheckPath="/" + "h" * 99)
    assert longer - plain == 99


@pytest.mark.parametrize(
    ("source", "parameters", "function", "field"),
    [
        (GIT, {**LONG, "ProviderCaBundle": "c" * 1900}, "ZipDownload", "parameters"),
        (
            GIT,
            {"AllowedIps": "1" * 2048, "Paths": "p" * 1024, "Refs": "r" * 1024},
            "WebhookReceiver",
            "restrict_source_ips",
        ),
        (GIT, {**LONG, "IgnoredPaths": "\u00e9" * 1024, "Refs": "r" * 900}, "WebhookReceiver", "ignored_paths"),
        (catalog.ECS.template, {"HealthCheckPath": "/" + "h" * 2700}, "Manifest", "parameters"),
    ],
)
def test_what_lambda_would_refuse_is_refused_at_the_longest_value(
    source: str, parameters: dict[str, str], function: str, field: str
) -> None:
    with pytest.raises(ParameterRefused, match=f"environment of {function}Function would hold 4,") as refused:
        environments.require_room(source, parameters, stack_name=STACK)
    assert refused.value.field == field
    longest = max(parameters, key=lambda name: len(parameters[name].encode()))
    assert f"Shorten the longest values: {longest} (" in refused.value.remedy


def test_the_last_byte_still_fits() -> None:
    room = environments.MAX_BYTES - of("WebhookReceiverFunction", Paths="p" * 1024, IgnoredPaths="i" * 1024, Refs="")
    values = {"Paths": "p" * 1024, "IgnoredPaths": "i" * 1024}
    environments.require_room(GIT, {**values, "Refs": "r" * room}, stack_name=STACK)
    with pytest.raises(ParameterRefused, match="4,097 bytes"):
        environments.require_room(GIT, {**values, "Refs": "r" * (room + 1)}, stack_name=STACK)


@pytest.mark.parametrize("name", ["Paths", "IgnoredPaths", "AllowedIps", "Refs", "Repository", "SshKnownHosts"])
def test_no_value_alone_is_too_long(name: str) -> None:
    """Each parameter's MaxLength leaves room for the rest of the environment, so only several together are refused."""
    longest = templates.load(GIT)["Parameters"][name]["MaxLength"]
    environments.require_room(GIT, {name: "x" * longest}, stack_name=STACK)
