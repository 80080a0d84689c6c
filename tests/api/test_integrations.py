import pytest
from moto import mock_aws

from deployers.aws import session
from deployers.models import Operation
from integrations.models import Integration
from tests.factories import (
    PUBLIC_KEY,
    make_account,
    make_delivery,
    make_integration,
    make_operation,
    make_repository,
    make_ssh_key,
    make_stack,
)

OUTPUTS = {
    "ZipDownloadWebHookApi": "https://api.example.com/zipdl",
    "GitPullWebHookApi": "https://api.example.com/gitpull",
    "OutputBucketName": "sluice-output",
}


@pytest.fixture
def body(team):
    return {
        "name": "shop",
        "repository": str(make_repository(team=team).pk),
        "aws_account": str(make_account(team=team).pk),
        "region": "eu-central-1",
        "application": "shop",
        "environment": "production",
    }


def test_integration_needs_only_what_cannot_be_guessed(api, body):
    response = api.post("/api/v1/integrations/", body)
    assert response.status_code == 201, response.content
    shown = response.json()
    assert {**shown, **body} == shown
    assert (shown["method"], shown["refs"], shown["deployers"], shown["parameters"]) == ("zip_download", ["**"], [], {})
    assert (shown["status"], shown["webhook_url"], shown["webhook_urls"]) == ("not_provisioned", "", {})
    assert (shown["ssh_public_key"], shown["output_bucket"], shown["stacks"]) == ("", "", [])
    assert Integration.objects.get().webhook_secret not in response.content.decode()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Not A Name"}, "#/name"),
        ({"refs": []}, "#/refs"),
        ({"refs": "main"}, "#/refs"),
        ({"paths": ["a,b"]}, "#/paths"),
        ({"ignored_paths": "docs/**"}, "#/ignored_paths"),
        ({"submodules": True}, "#/submodules"),
        ({"lfs": True}, "#/lfs"),
        ({"skip_ci": "perhaps"}, "#/skip_ci"),
        ({"method": "carrier_pigeon"}, "#/method"),
        ({"region": "mars"}, "#/region"),
        ({"deployers": ["ftp"]}, "#/deployers/0"),
        ({"parameters": {"codedeploy": 1}}, "#/parameters/codedeploy"),
        ({"repository": "nonsense"}, "#/repository"),
        ({"aws_account": None}, "#/aws_account"),
        ({"status": "ready"}, "#/status"),
    ],
)
def test_field_that_does_not_fit_is_pointed_at(api, body, change, pointer):
    response = api.post("/api/v1/integrations/", {**body, **change})
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert not Integration.objects.exists()


def test_filters_and_what_the_provider_is_told_are_kept_and_shown(api, body, team):
    chosen = {
        "paths": ["services/shop/**"],
        "ignored_paths": ["docs/**"],
        "skip_ci": False,
        "transport": "ssh",
        "submodules": False,
        "lfs": False,
        "commit_statuses": True,
    }
    shown = api.post("/api/v1/integrations/", {**body, **chosen}).json()
    assert {**shown, **chosen} == shown
    changed = api.patch(f"/api/v1/integrations/{shown['id']}/", {"paths": [], "skip_ci": True}).json()
    assert (changed["paths"], changed["ignored_paths"], changed["skip_ci"]) == ([], ["docs/**"], True)


def test_source_addresses_can_be_restricted_where_the_provider_publishes_them(api, body, team):
    integration = make_integration(team=team, applied_networks=["192.30.252.0/22"])
    provider = integration.repository.provider
    provider.webhook_networks = ["192.30.252.0/22", "2606:50c0::/32"]
    provider.save()
    url = f"/api/v1/integrations/{integration.pk}/"
    shown = api.patch(url, {"restrict_source_ips": True}).json()
    assert (shown["restrict_source_ips"], shown["applied_networks"]) == (True, ["192.30.252.0/22"])


def test_what_the_background_checks_stumble_over_is_shown(api, team):
    integration = make_integration(
        team=team, heads_problem="GitHub does not answer.", commit_status_problem="The token may not write statuses."
    )
    shown = api.get(f"/api/v1/integrations/{integration.pk}/").json()
    assert (shown["heads_problem"], shown["heads_checked_at"]) == ("GitHub does not answer.", None)
    assert shown["commit_status_problem"] == "The token may not write statuses."


def test_what_the_stack_made_is_shown(api, team):
    integration = make_integration(team=team, method="git_pull")
    stack = make_stack(integration=integration, outputs=OUTPUTS)
    make_ssh_key(integration=integration)
    shown = api.get(f"/api/v1/integrations/{integration.pk}/").json()
    assert shown["status"] == "ready"
    assert shown["webhook_url"] == OUTPUTS["GitPullWebHookApi"]
    assert shown["webhook_urls"] == {
        "zip_download": OUTPUTS["ZipDownloadWebHookApi"],
        "git_pull": OUTPUTS["GitPullWebHookApi"],
    }
    assert (shown["ssh_public_key"], shown["output_bucket"]) == (PUBLIC_KEY, "sluice-output")
    assert [(each["id"], each["state"]) for each in shown["stacks"]] == [(str(stack.pk), "ready")]


def test_what_to_add_by_hand_is_shown_to_admins_with_the_secret(api, viewer_api, team):
    integration = make_integration(team=team, method="git_pull", webhook_secret="canary-webhook-secret")
    url = f"/api/v1/integrations/{integration.pk}/manual-steps/"
    assert api.get(url).json() == {"webhook": None, "ssh_key": None}
    make_stack(integration=integration, outputs=OUTPUTS)
    make_ssh_key(integration=integration, remote_state="manual", problem="The token may not add keys.")
    answer = api.get(url)
    assert answer["Cache-Control"] == "no-store"
    steps = answer.json()
    assert steps["webhook"]["page_url"].startswith(integration.repository.web_url)
    values = [field["value"] for field in steps["webhook"]["fill_in"]]
    assert {OUTPUTS["GitPullWebHookApi"], "canary-webhook-secret"} <= set(values)
    assert PUBLIC_KEY in [field["value"] for field in steps["ssh_key"]["fill_in"]]
    assert viewer_api.get(url).status_code == 403
    shown = api.get(f"/api/v1/integrations/{integration.pk}/").json()
    assert (shown["ssh_key_state"], shown["ssh_key_problem"]) == ("manual", "The token may not add keys.")


@pytest.mark.parametrize(
    ("aws_status", "kind", "status", "expected"),
    [
        ("", "create", "queued", "provisioning"),
        ("CREATE_IN_PROGRESS", "create", "running", "provisioning"),
        ("CREATE_COMPLETE", "update", "waiting", "waiting"),
        ("CREATE_COMPLETE", "update", "failed", "failed"),
        ("CREATE_COMPLETE", "update", "cancelled", "ready"),
        ("UPDATE_ROLLBACK_COMPLETE", "update", "succeeded", "rolled_back"),
        ("CREATE_COMPLETE", "delete", "running", "deleting"),
    ],
)
def test_status_is_of_the_newest_operation_then_of_the_stacks(api, team, aws_status, kind, status, expected):
    integration = make_integration(team=team)
    stack = make_stack(integration=integration, aws_status=aws_status)
    make_operation(stack=stack, kind="create", status="succeeded")
    make_operation(stack=stack, kind=kind, status=status)
    assert api.get(f"/api/v1/integrations/{integration.pk}/").json()["status"] == expected


def test_change_keeps_what_is_not_given_and_refuses_what_cannot_change(api, team):
    integration = make_integration(team=team, refs=["main"])
    url = f"/api/v1/integrations/{integration.pk}/"
    changed = api.patch(url, {"deploy_ref": "main"}).json()
    assert (changed["deploy_ref"], changed["refs"]) == ("main", ["main"])
    refused = api.patch(url, {"region": "eu-west-1", "repository": str(make_repository(team=team).pk)})
    assert {error["pointer"] for error in refused.json()["errors"]} == {"#/region", "#/repository"}


def test_provision_answers_the_operation_and_refuses_a_second_one(api, team):
    integration = make_integration(team=team)
    response = api.post(f"/api/v1/integrations/{integration.pk}/provision/")
    assert response.status_code == 202, response.content
    operation = Operation.objects.get()
    assert (response.json()["id"], response.json()["kind"]) == (str(operation.pk), "create")
    assert response.json()["requested_by"] == "ada"
    assert api.get(f"/api/v1/operations/{operation.pk}/").json()["status"] == "queued"
    again = api.post(f"/api/v1/integrations/{integration.pk}/provision/")
    assert again.status_code == 409
    assert again["Content-Type"] == "application/problem+json"


def test_deletion_answers_an_operation_that_knows_what_becomes_of_the_bucket(api, team):
    integration = make_integration(team=team)
    make_stack(integration=integration)
    response = api.delete(f"/api/v1/integrations/{integration.pk}/?bucket=purge")
    assert response.status_code == 202, response.content
    assert response.json()["kind"] == "delete"
    assert "purge" in str(Operation.objects.get().options)
    assert api.get(f"/api/v1/integrations/{integration.pk}/").json()["status"] == "deleting"


@pytest.mark.parametrize("query", ["bucket=burn", "buckett=purge"])
def test_deletion_that_is_not_understood_deletes_nothing(api, team, query):
    integration = make_integration(team=team)
    response = api.delete(f"/api/v1/integrations/{integration.pk}/?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"), [("delete", ""), ("post", "provision/"), ("patch", "")], ids=["delete", "provision", "change"]
)
def test_viewer_changes_nothing(viewer_api, team, method, path):
    integration = make_integration(team=team)
    response = getattr(viewer_api, method)(f"/api/v1/integrations/{integration.pk}/{path}")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert viewer_api.get(f"/api/v1/integrations/{integration.pk}/").status_code == 200


def test_viewer_cannot_have_a_change_delivered_again(viewer_api, team):
    delivery = make_delivery(integration=make_integration(team=team))
    assert viewer_api.post(f"/api/v1/deliveries/{delivery.pk}/redeliver/").status_code == 403


def test_queued_operation_is_cancelled_and_a_failed_one_retried(api, team):
    queued = make_operation(integration=make_integration(team=team))
    cancelled = api.post(f"/api/v1/operations/{queued.pk}/cancel/")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    failed = make_operation(integration=make_integration(team=team), status="failed")
    retried = api.post(f"/api/v1/operations/{failed.pk}/retry/")
    assert retried.status_code == 202, retried.content
    assert retried.json()["status"] == "queued"


@mock_aws
def test_parameters_that_do_not_fit_the_account_are_refused_each_at_its_field(api, body):
    session.forget()
    chosen = {"VPC": "vpc-0", "HealthCheckPort": "8080", "MinSize": "5"}
    answer = api.post(
        "/api/v1/integrations/",
        {**body, "deployers": ["codedeploy"], "deploy_ref": "main", "parameters": {"codedeploy": chosen}},
    )
    assert answer.status_code == 400
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {f"parameters.codedeploy.{name}" for name in ("VPC", "Subnets", "MaxSize")}
    assert not Integration.objects.exists()

    created = api.post("/api/v1/integrations/", body).json()
    changed = api.patch(f"/api/v1/integrations/{created['id']}/", {"deployers": ["codedeploy"]})
    assert {each["field"] for each in changed.json()["errors"]} == {
        f"parameters.codedeploy.{name}" for name in ("VPC", "Subnets", "HealthCheckPort")
    }


LONG = {
    "refs": [f"release/{number:03}-{'r' * 85}" for number in range(9)],
    "paths": [f"{number}{'p' * 254}" for number in range(4)],
    "ignored_paths": [f"{number}{'é' * 254}" for number in range(4)],
}
"""Each field fits; together they are more than the environment of a function holds."""


def test_filters_that_are_together_more_than_a_function_holds_are_refused_at_the_longest(api, body):
    refused = api.post("/api/v1/integrations/", {**body, **LONG})
    assert refused.status_code == 422
    assert "environment of WebhookReceiverFunction would hold" in refused.json()["detail"]
    assert [each["field"] for each in refused.json()["errors"]] == ["ignored_paths"]

    made = api.post("/api/v1/integrations/", {**body, "paths": LONG["paths"], "refs": LONG["refs"]})
    assert made.status_code == 201, made.json()
    url = f"/api/v1/integrations/{made.json()['id']}/"
    refused = api.patch(url, {"ignored_paths": LONG["ignored_paths"]})
    assert refused.status_code == 422
    assert api.get(url).json()["ignored_paths"] == []


def test_change_of_what_somebody_else_changed_is_refused_and_says_who(api, team):
    integration = make_integration(team=team, environment="production")
    url = f"/api/v1/integrations/{integration.pk}/"
    seen = api.get(url)["ETag"]
    changed = api.patch(url, {"environment": "staging"}, headers={"If-Match": seen})
    assert (changed.status_code, changed["ETag"] != seen) == (200, True)

    refused = api.patch(url, {"environment": "canary"}, headers={"If-Match": seen})
    assert (refused.status_code, refused.json()["code"]) == (412, "changed")
    assert "changed environment meanwhile" in refused.json()["detail"]
    assert api.get(url).json()["environment"] == "staging"
    assert api.patch(url, {"application": "x"}, headers={"If-Match": f"W/{changed['ETag']}"}).status_code == 412
    assert api.patch(url, {"application": "x"}, headers={"If-Match": "nonsense"}).status_code == 412
    for good in (f'"other", {changed["ETag"]}', "*"):
        changed = api.patch(url, {"application": f"app-{len(good)}"}, headers={"If-Match": good})
        assert changed.status_code == 200
    assert api.patch(url, {"environment": "last wins"}).status_code == 200


def test_the_version_hangs_on_the_settings_alone(api, team):
    integration = make_integration(team=team)
    url = f"/api/v1/integrations/{integration.pk}/"
    before = api.get(url)["ETag"]
    make_operation(integration=integration)
    integration.webhook_problem = "The token may not add webhooks."
    integration.save()
    assert api.get(url)["ETag"] == before


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "parameters"),
        ([], "parameters"),
        ({"codedeploy": None}, "parameters.codedeploy"),
        ({"codedeploy": {"VPC": None}}, "parameters.codedeploy.VPC"),
    ],
)
def test_parameters_that_are_none_are_refused_at_their_field(api, team, body, value, field):
    integration = make_integration(
        team=team, name="there", parameters={"git_intgrtn_aws_s3": {"LogRetentionDays": "30"}}
    )
    for answer in (
        api.post("/api/v1/integrations/", {**body, "parameters": value}),
        api.patch(f"/api/v1/integrations/{integration.pk}/", {"parameters": value}),
    ):
        assert answer.status_code == 400, answer.content
        assert answer.json()["errors"][0]["field"] == field


def test_everything_that_is_wrong_is_told_at_once(api, body):
    answer = api.post("/api/v1/integrations/", {**body, "name": "9 lives", "refs": ["a b"], "environment": "!"})
    assert answer.status_code == 400
    assert {each["field"] for each in answer.json()["errors"]} == {"name", "refs", "environment"}
