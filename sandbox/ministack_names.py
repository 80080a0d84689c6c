"""Every name of MiniStack that the sandbox reaches for, most of them private: a release that lacks one is told at once.

MiniStack promises nothing about these names, so pyproject.toml pins its version exactly. To take another release,
change the pin, run `make lock` and the tests of tests/sandbox: `check` names what is gone.
"""

import importlib

from sandbox.hooks import HookGone

NAMES = {
    "app": (
        "AUTH SERVICE_HANDLERS SERVICE_REGISTRY _MAIN_LOOP _build_persistence_save_dict _dispatch_service_request "
        "_loaded_modules _state_map main pin_request_origin"
    ),
    "core.arn": "parse_arn",
    "core.iam_actions": "SERVICE_TO_IAM_NAMESPACE _param extract_resource_arn request_tag_context",
    "core.iam_evaluator": (
        "AuthError CredentialResolutionError EvalContext EvalResult PrincipalInfo _POLICY_REQUIRED "
        "_gather_role_policies _gather_user_policies _names_condition_key _permissions_boundary _request_origin "
        "_resource_policy _verified_key caller_arn combine_resource_policy evaluate evaluate_resource_policy "
        "resolve_credential resolve_principal"
    ),
    "core.persistence": "STATE_DIR _json_default _state_format_version save_state",
    "core.responses": (
        "AccountRegionScopedDict error_response_json get_account_id get_region json_response new_uuid now_iso"
    ),
    "core.router": "SERVICE_PATTERNS",
    "services.alb": "_listeners",
    "services.autoscaling": "_ACTION_MAP _asgs _error _p _reconcile_instances _xml",
    "services.cloudformation": "_change_sets _exports _stacks load_persisted_state",
    "services.cloudformation.changesets": "_find_change_set _resolve_props_for_diff",
    "services.cloudformation.engine": (
        "_NO_VALUE _evaluate_conditions _intrinsic_references _parse_template _resolve_parameters _resolve_refs "
        "_topological_sort"
    ),
    "services.cloudformation.handlers": "_ACTION_HANDLERS _resolve_stack",
    "services.cloudformation.helpers": "_error _p _resolve_template",
    "services.cloudformation.provisioners": (
        "_NAME_SEED _RESOURCE_HANDLERS _RETAINING_POLICIES _cfn_nested_stack_deploy _delete_resource "
        "_ecs_task_def_create _nested_stack_lookup_name _physical_name _provision_resource _replacing_change "
        "_update_resource"
    ),
    "services.cloudformation.stacks": (
        "_add_event _diff_resources _resource_policy _stack_region_context _stack_tags_changed"
    ),
    "services.codebuild": "_builds _log_sink _projects",
    "services.ec2": (
        "_ACTION_MAP _DEFAULT_IGW_ID _DEFAULT_VPC_ID _ensure_defaults_initialized _init_defaults _launch_templates _p "
        "_route_tables _security_groups _subnets _xml"
    ),
    "services.ecr": "_images",
    "services.ecs": (
        "_ACTION_MAP _clusters _delete_capacity_provider _iso _put_cluster_capacity_providers _resolve_cluster_name "
        "_resolve_td_key _services _task_defs _tasks"
    ),
    "services.eventbridge": ("_apply_input_transformer _dispatch_event _invoke_target _pattern_event_view _put_events"),
    "services.iam": "_IAM_HANDLERS _error _gen_id _instance_profiles _now _p _role_xml _roles _users _xml json",
    "services.kms": "_resolve_key",
    "services.lambda_svc": (
        "CODE_BLOB_DIR _create_function _execute_function _fetch_code_from_s3 _update_config _write_code_blob"
    ),
    "services.s3": (
        "_bucket_has_versions _buckets _delete_persisted_bucket _error _fire_s3_event _get_object _parse_range"
    ),
    "services.secretsmanager": "_secrets",
    "services.sns": "_topic_by_arn_any_scope",
    "services.ssm": "_PUBLIC_AMI_PARAMETERS",
    "services.sts": "register_session",
    "services.tagging": "resource_tags",
}
"""Module within `ministack`, to the names used of it; tests/sandbox/test_ministack_names.py holds it complete."""


def missing() -> list[str]:
    """The names of `NAMES` that the installed MiniStack lacks, each with its module."""
    gone: list[str] = []
    for module, names in NAMES.items():
        try:
            found = importlib.import_module(f"ministack.{module}")
        except ImportError:
            gone.append(f"ministack.{module}")
            continue
        gone += [f"ministack.{module}.{name}" for name in names.split() if not hasattr(found, name)]
    return gone


def check() -> None:
    """Raises HookGone, naming all that is missing; call before anything is replaced."""
    if gone := missing():
        raise HookGone(f"This release of MiniStack lacks what Sluice's local AWS builds on: {', '.join(gone)}")
