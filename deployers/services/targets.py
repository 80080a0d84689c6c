"""Whether the parameters of a deployer's stack fit together and fit the account, before CloudFormation sees them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployers import catalog, environments, fargate
from deployers.aws import ec2
from deployers.errors import ParameterRefused
from deployers.models import AwsAccount, StackKind
from deployers.services import choices
from deployers.services.choices import Choices

_NETWORK = {"VPC": "a VPC", "Subnets": "subnets in at least two zones"}
CHECKED: dict[str, dict[str, str]] = {
    StackKind.CODEDEPLOY: {**_NETWORK, "HealthCheckPort": "the application's port"},
    StackKind.ECS: _NETWORK,
}
"""Kinds of stacks whose parameters are checked; what each of them cannot do without, in words."""
DEFAULTS = {
    "ContainerInstanceType": "t3.medium",
    "DesiredCapacity": "2",
    "InstanceType": "t3.micro",
    "LaunchType": "EC2",
    "MaxSize": "4",
    "MinSize": "2",
    "TaskCpu": "256",
    "TaskMemory": "512",
}
"""As the template has them."""
# The letter g among the options: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
_GRAVITON = re.compile(r"a1\.|[a-z]+\d+(?=[a-fh-z]*g)[a-z-]*\.")
_STACK_NAME = 64
"""Characters of the longest name that the panel gives a stack."""
_CERTIFICATE_REGION = re.compile(r"arn:[a-z-]+:acm:([a-z0-9-]+):")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one parameter, and what to do."""

    parameter: str
    message: str


def problems(*, kind: str, parameters: Mapping[str, object], account: AwsAccount, region: str) -> list[Problem]:
    """What CloudFormation would refuse, or fail at minutes later; at most one problem a parameter.

    AWS is asked what there is. What it does not tell is not checked.
    """
    if kind not in CHECKED:
        return []
    values = {name: str(value).strip() for name, value in parameters.items()}
    there = choices.of(account, region)
    found = [
        *_not_settable(kind, values),
        *(Problem(name, f"Choose {what}.") for name, what in CHECKED[kind].items() if not values.get(name)),
        *_network(values, there),
        *_way_out(values, there),
        *_certificate(values, there, region),
        *_ranges(values),
        *_environments(kind, values),
    ]
    if kind == StackKind.CODEDEPLOY:
        found += [
            *_sizes(values),
            *_instance_type("InstanceType", values, there),
            *_key_pair("KeyName", values, there, region),
            *_domain(values, there),
        ]
    elif _value("LaunchType", values) == "FARGATE":
        found += _task(values)
    else:
        found += [
            *_instance_type("ContainerInstanceType", values, there),
            *_key_pair("ContainerInstanceKeyPair", values, there, region),
        ]
    return list({each.parameter: each for each in reversed(found)}.values())[::-1]


def _not_settable(kind: str, values: Mapping[str, str]) -> Iterator[Problem]:
    settable = catalog.KINDS[kind].settable
    for name in sorted(set(values) - settable):
        yield Problem(name, f"This cannot be set here. Possible are {', '.join(sorted(settable))}.")


def _environments(kind: str, values: Mapping[str, str]) -> Iterator[Problem]:
    """Values that no function's environment holds; the panel's own parameters come on top, at provisioning."""
    known = {name: value for name, value in values.items() if name in catalog.KINDS[kind].settable}
    try:
        environments.require_room(catalog.KINDS[kind].template, known, stack_name="x" * _STACK_NAME)
    except ParameterRefused as error:
        longest = max(known, key=lambda name: len(known[name].encode()))
        yield Problem(longest, str(error))


def _sizes(values: Mapping[str, str]) -> Iterator[Problem]:
    sizes: dict[str, int] = {}
    for name in ("MinSize", "DesiredCapacity", "MaxSize"):
        text = values.get(name) or DEFAULTS[name]
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
            yield Problem(name, "Write a number of instances, at least 1.")
        else:
            sizes[name] = int(text)
    if len(sizes) < 3:
        return
    if sizes["MinSize"] > sizes["MaxSize"]:
        yield Problem("MaxSize", f"At most {sizes['MaxSize']} is less than at least {sizes['MinSize']} instances.")
    elif not sizes["MinSize"] <= sizes["DesiredCapacity"] <= sizes["MaxSize"]:
        yield Problem("DesiredCapacity", f"Write a number from {sizes['MinSize']} to {sizes['MaxSize']}.")


def _ranges(values: Mapping[str, str]) -> Iterator[Problem]:
    port = values.get("HealthCheckPort", "")
    if port and not (re.fullmatch(r"[1-9][0-9]{0,4}", port) and int(port) < 65536):
        yield Problem("HealthCheckPort", "Write a port, from 1 to 65535.")
    if (path := values.get("HealthCheckPath", "")) and not re.fullmatch(r"/\S*", path):
        yield Problem("HealthCheckPath", "A path begins with a slash and has no blanks.")
    if (image := values.get("PinnedImageId", "")) and not re.fullmatch(r"ami-[0-9a-f]{8,17}", image):
        yield Problem("PinnedImageId", "Write the id of an image, such as ami-0123456789abcdef0, or leave this empty.")


def _network(values: Mapping[str, str], there: Choices) -> Iterator[Problem]:
    vpc, wanted = values.get("VPC", ""), split(values.get("Subnets", ""))
    if vpc and there.vpcs is not None and vpc not in {each.id for each in there.vpcs}:
        yield Problem("VPC", f"There is no VPC {vpc} in this account and region.")
        return
    if not wanted or there.subnets is None:
        return
    known = {each.id: each for each in there.subnets}
    if missing := [each for each in wanted if each not in known]:
        yield Problem("Subnets", f"There is no subnet {', '.join(missing)} in this account and region.")
    elif vpc and (strange := [each for each in wanted if known[each].vpc != vpc]):
        yield Problem("Subnets", f"{', '.join(strange)} lies in another VPC than {vpc}.")
    elif len(zones := {known[each].zone for each in wanted}) < 2:
        yield Problem("Subnets", f"A load balancer needs two zones; these are all in {', '.join(zones)}. Add another.")


def _way_out(values: Mapping[str, str], there: Choices) -> Iterator[Problem]:
    """Instances and tasks fetch packages and images. Nothing can be told of subnets whose routes AWS does not tell."""
    known = {each.id: each for each in there.subnets or ()}
    wanted = [known[each] for each in split(values.get("Subnets", "")) if each in known]
    if shut := [each.id for each in wanted if each.way_out == ec2.NO_WAY]:
        yield Problem(
            "Subnets",
            f"No route leads from {', '.join(shut)} to the internet. Choose public subnets, or such with NAT.",
        )
    # Fargate tasks are given public addresses, whatever their subnet does.
    elif _value("LaunchType", values) != "FARGATE" and (
        shut := [each.id for each in wanted if each.way_out == ec2.GATEWAY and not each.public]
    ):
        yield Problem(
            "Subnets",
            f"{', '.join(shut)} gives instances no public address, and has no NAT: they would reach nothing. Choose"
            " other subnets, or have these give addresses.",
        )


def _task(values: Mapping[str, str]) -> Iterator[Problem]:
    if found := fargate.problem(_value("TaskCpu", values), _value("TaskMemory", values)):
        yield Problem(*found)


def _value(name: str, values: Mapping[str, str]) -> str:
    return values.get(name) or DEFAULTS[name]


def _instance_type(parameter: str, values: Mapping[str, str], there: Choices) -> Iterator[Problem]:
    name = _value(parameter, values)
    if there.instance_types:
        if name not in there.instance_types:
            yield Problem(parameter, f"This region has no {name}.")
            return
        known = {each.id: each.zone for each in there.subnets or ()}
        zones = {known[each] for each in split(values.get("Subnets", "")) if each in known}
        if without := sorted(zones - set(there.instance_types[name])):
            yield Problem(parameter, f"{name} is not offered in {', '.join(without)}. Choose another type or zone.")
            return
    if not _GRAVITON.match(name):
        return
    if parameter == "ContainerInstanceType":
        yield Problem(parameter, f"{name} is a Graviton type, and images are built for x86-64. Choose another type.")
    elif not values.get("ImageId", "").endswith("arm64"):
        yield Problem(
            parameter,
            f"{name} is a Graviton type, and the image is for x86-64. Choose another type, or an ImageId that ends with"
            " -arm64 among the template parameters.",
        )


def _key_pair(parameter: str, values: Mapping[str, str], there: Choices, region: str) -> Iterator[Problem]:
    name = values.get(parameter, "")
    if name and there.key_pairs is not None and name not in there.key_pairs:
        yield Problem(
            parameter, f"There is no key pair {name} in {region}. Make it in the EC2 console, or leave this empty."
        )


def _certificate(values: Mapping[str, str], there: Choices, region: str) -> Iterator[Problem]:
    arn = values.get("ACMARN", "")
    if not arn:
        return
    match = _CERTIFICATE_REGION.match(arn)
    if match is None:
        yield Problem("ACMARN", "Write the ARN of a certificate: arn:aws:acm:…:certificate/…")
    elif match[1] != region:
        yield Problem("ACMARN", f"That certificate is in {match[1]}; a load balancer takes those of {region} only.")
    elif there.certificates is not None:
        status = next((each.status or "ISSUED" for each in there.certificates if each.arn == arn), None)
        if status is None:
            yield Problem("ACMARN", f"There is no issued certificate of that ARN in {region}.")
        elif status != "ISSUED":
            yield Problem("ACMARN", "That certificate is not issued yet. Validate it in the ACM console first.")


def _domain(values: Mapping[str, str], there: Choices) -> Iterator[Problem]:
    zone, domain = values.get("HostedZoneId", ""), values.get("DomainName", "")
    if domain and not zone:
        yield Problem("HostedZoneId", f"Choose the hosted zone that {domain} is made in.")
    elif zone and not domain:
        yield Problem("DomainName", "Write the name to make in the hosted zone, or choose none.")
    elif zone and there.hosted_zones is not None:
        name = next((each.name for each in there.hosted_zones if each.id == zone), None)
        if name is None:
            yield Problem("HostedZoneId", f"There is no public hosted zone {zone} in this account.")
        elif domain != name and not domain.endswith(f".{name}"):
            yield Problem("DomainName", f"{domain} is not in that hosted zone: it has names that end with {name}.")


def split(text: str) -> Sequence[str]:
    """Ids separated by commas, each once, in their order."""
    return tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
