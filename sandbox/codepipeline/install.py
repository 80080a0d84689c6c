"""Puts CodePipeline into MiniStack: routing, authorization, persistence, rules and CloudFormation resources."""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import contextvars
import json
import logging
import sys
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import new_uuid
from ministack.services import codebuild, eventbridge, s3

from sandbox.cloudformation_names import physical_name

_SERVICE = "codepipeline"
_log = logging.getLogger("sluice.codepipeline")


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack import app
    from ministack.core import iam_actions, router
    from ministack.services.cloudformation import provisioners

    from sandbox.codepipeline import service

    sys.modules[f"ministack.services.{_SERVICE}"] = service
    app.SERVICE_REGISTRY[_SERVICE] = {"module": _SERVICE}
    app.SERVICE_HANDLERS[_SERVICE] = service.handle_request
    app._loaded_modules[_SERVICE] = service
    app._state_map[_SERVICE] = _SERVICE
    router.SERVICE_PATTERNS[_SERVICE] = {
        "target_prefixes": [service.PREFIX],
        "host_patterns": [r"codepipeline\."],
        "credential_scope": _SERVICE,
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE[_SERVICE] = _SERVICE
    _name_resources(iam_actions, service)
    _tell_rules_the_version()
    _start_from_rules()
    _keep_log_groups(provisioners)
    provisioners._RESOURCE_HANDLERS["AWS::CodePipeline::Pipeline"] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def _name_resources(iam_actions: Any, service: Any) -> None:
    """Policies name pipelines, their stages and actions."""
    extract = iam_actions.extract_resource_arn

    def with_codepipeline(name: str, *request: Any) -> Any:
        if name == _SERVICE:
            _method, _path, _headers, body, _query, region, account = request
            return service.resource_arn(body, region, account)
        return extract(name, *request)

    iam_actions.extract_resource_arn = with_codepipeline


_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("version", default=None)


def _tell_rules_the_version() -> None:
    """`Object Created` names the version, as S3's does; MiniStack's does not.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_and_note(*arguments: Any, **more: Any) -> None:
        noted = _version.set(more.get("version_id"))
        try:
            fire(*arguments, **more)
        finally:
            _version.reset(noted)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> Any:
        version = _version.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event["Detail"] = json.dumps(detail)
        return dispatch(event, view)

    s3._fire_s3_event = fire_and_note
    eventbridge._dispatch_event = dispatch_with_version


def _start_from_rules() -> None:
    """A rule's target may be a pipeline, started under the target's role."""
    invoke = eventbridge._invoke_target

    def invoke_or_start(target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None) -> Any:
        arn = target.get("Arn", "").split(":")
        if arn[2:3] != [_SERVICE]:
            return invoke(target, event, rule, view)
        payload = target.get("Input") or "{}"
        if target.get("InputTransformer"):
            found = view or eventbridge._pattern_event_view(event)
            payload = eventbridge._apply_input_transformer(target["InputTransformer"], rule, found)
        # Under its role means a request, which the thread that serves requests must not wait for.
        context = contextvars.copy_context()
        arguments = (arn[5], target.get("RoleArn", ""), payload, rule.get("Arn", ""))
        threading.Thread(target=context.run, args=(_start, *arguments), daemon=True).start()
        return None

    eventbridge._invoke_target = invoke_or_start


def _start(name: str, role: str, payload: str, rule_arn: str) -> None:
    from sandbox import aws_roles
    from sandbox.codepipeline import store

    try:
        revisions = json.loads(payload).get("sourceRevisions", [])
        client = aws_roles.client(_SERVICE, role, "events")
        started = client.start_pipeline_execution(name=name, sourceRevisions=revisions)["pipelineExecutionId"]
        store.executions[started]["trigger"] = {"triggerType": "CloudWatchEvent", "triggerDetail": rule_arn}
    except (ClientError, BotoCoreError, ValueError, AttributeError):
        _log.exception("the rule's target %s was not started", name)


def _keep_log_groups(provisioners: Any) -> None:
    """A build project keeps where its builds log; MiniStack forgets it."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::CodeBuild::Project"]

    def keep(answer: tuple[str, Any], properties: dict[str, Any]) -> tuple[str, Any]:
        codebuild._projects[answer[0]]["logsConfig"] = _lowered(properties.get("LogsConfig") or {})
        return answer

    create, update = handler["create"], handler["update"]
    handler["create"] = lambda logical, properties, stack: keep(create(logical, properties, stack), properties)
    handler["update"] = lambda name, old, new, stack: keep(update(name, old, new, stack), new)


def _lowered(value: Any) -> Any:
    """A template's property names as the API writes them; an action's configuration is its own."""
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: each if name == "Configuration" else _lowered(each)
            for name, each in value.items()
        }
    return [_lowered(each) for each in value] if isinstance(value, list) else value


def _definition(properties: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = _lowered(properties)
    found.pop("restartExecutionOnUpdate", None)
    for stage in found["stages"]:
        for action in stage["actions"]:
            action["runOrder"] = int(action.get("runOrder", 1))
            action["configuration"] = {key: str(value) for key, value in action.get("configuration", {}).items()}
    return {**found, "name": name}


def _create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    from sandbox.codepipeline import service

    name = properties.get("Name") or physical_name(stack_name, logical_id, most=100, seed=new_uuid())
    service.create_pipeline({"pipeline": _definition(properties, name)})
    return name, {"Version": "1"}


def _update(
    physical_id: str, _old: dict[str, Any], properties: dict[str, Any], _stack_name: str
) -> tuple[str, dict[str, Any]]:
    from sandbox.codepipeline import service

    made = service.update_pipeline({"pipeline": _definition(properties, physical_id)})["pipeline"]
    return physical_id, {"Version": str(made["version"])}


def _delete(physical_id: str, _properties: dict[str, Any]) -> None:
    from sandbox.codepipeline import service

    service.delete_pipeline({"name": physical_id})
