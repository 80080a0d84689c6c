"""Finds policies that count on the whole name of a stack where CloudFormation cuts it.

CloudFormation names what has no name `<stack>-<logical id>-<suffix>`. Where that is longer than the type's names may
be, the stack's name is cut, and a policy on `<stack>-*` matches nothing.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployers.policies.statements import statements

# By how the resource's part of the ARN begins: the longest name, which a stack's name of 128 characters passes.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
LONGEST = {
    "function:": 64,
    "loadbalancer/app/": 32,
    "policy/": 128,
    "role/": 64,
    "sqs:": 80,
    "targetgroup/": 32,
}
_CUT = re.compile(rf"({'|'.join(map(re.escape, LONGEST))})(?:[^\"]*:)?\$\{{(AWS::StackName|\w*StackName)\}}-")


def faults(source: str, template: Mapping[str, Any]) -> list[str]:
    """What matches nothing for stacks with long names, one line each."""
    found = []
    for name, resource in template["Resources"].items():
        for statement in statements(resource.get("Properties", {})):
            for text in _texts(statement.get("Resource", [])):
                if cut := _CUT.search(text):
                    line = (
                        f"{source} {name}: {text} counts on the stack's name, which CloudFormation cuts where a name"
                        f" passes {LONGEST[cut[1]]} characters"
                    )
                    if line not in found:
                        found.append(line)
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
