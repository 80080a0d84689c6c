"""Which values the service's stack is created or updated with.

CodePipeline's CloudFormation action takes a file of values and cannot say UsePreviousValue. What the file leaves out
goes back to the template's default, also for a stack that has another value:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Parameter.html
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1789

So what a stack has is written into the file again. That cannot be done for a NoEcho parameter, whose value nobody can
read: rather than have it reset in silence, the job fails and says so.
"""

from collections.abc import Mapping
from typing import Any

from lambdas.stage_codepipeline.job import BadJob

HIDDEN = "****"
"""What CloudFormation shows of a NoEcho value."""


def choose(
    template: Mapping[str, Any], given: Mapping[str, str], existing: Mapping[str, str], *, stack_name: str
) -> dict[str, str]:
    """Values for the template's parameters: those given, else those of the existing stack, else the defaults.

    `existing` is empty for a stack that is not there yet. Raises BadJob.
    """
    declared: Mapping[str, Mapping[str, Any]] = template.get("Parameters", {})
    if unknown := sorted(set(given) - set(declared)):
        raise BadJob(f"The service's template has no parameter {', '.join(unknown)}: update the stack of the pipeline.")
    chosen: dict[str, str] = {}
    missing: list[str] = []
    for name, declaration in declared.items():
        if name in given:
            chosen[name] = given[name]
        elif name in existing:
            chosen[name] = _kept(name, declaration, existing[name], stack_name)
        elif "Default" not in declaration:
            missing.append(name)
    if missing:
        raise BadJob(f"There is no value for {', '.join(missing)} of the service's stack.")
    return chosen


def _kept(name: str, declaration: Mapping[str, Any], value: str, stack_name: str) -> str:
    hidden = str(declaration.get("NoEcho", "")).lower() == "true"
    if hidden or value == HIDDEN:
        raise BadJob(
            f"The stack {stack_name} has a value for {name} that nobody can read (NoEcho), and CodePipeline would reset"
            f" it. Make it a plain parameter that holds a reference like {{{{resolve:secretsmanager:name}}}}."
        )
    return value
