import pytest
from moto import mock_aws

from deployers.aws import session
from deployers.models import AwsAccount
from tests.factories import make_account, make_integration

SECRET = "canary/secret/access/key"


def test_account_is_added_without_calling_aws_and_its_secret_is_never_shown(api):
    body = {"name": "prod", "method": "keys", "access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET}
    created = api.post("/api/v1/aws-accounts/", body)
    assert created.status_code == 201, created.content
    assert AwsAccount.objects.get().secret_access_key == SECRET
    shown = [created, api.get("/api/v1/aws-accounts/"), api.get(f"/api/v1/aws-accounts/{created.json()['id']}/")]
    assert all(SECRET not in response.content.decode() for response in shown)
    assert "secret_access_key" not in created.json()


def test_role_gets_an_external_id_and_the_trust_policy_names_it(api):
    body = {"name": "prod", "method": "role", "role_arn": "arn:aws:iam::123456789012:role/sluice"}
    account = api.post("/api/v1/aws-accounts/", body).json()
    with mock_aws():
        policy = api.get(f"/api/v1/aws-accounts/{account['id']}/trust-policy/").json()
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": account["external_id"]}}


def test_external_id_is_the_panels_to_make(api):
    body = {"name": "prod", "method": "role", "external_id": "mine"}
    assert api.post("/api/v1/aws-accounts/", body).json()["errors"][0]["pointer"] == "#/external_id"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"method": "magic"}, "#/method"),
        ({"account_id": "12345"}, "#/account_id"),
        ({"account_id": "١٢٣٤٥٦٧٨٩٠١٢"}, "#/account_id"),
        ({"role_arn": "sluice"}, "#/role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:user/ada"}, "#/role_arn"),
        ({"default_region": "mars-north-1"}, "#/default_region"),
        ({"default_region": "cn-north-1"}, "#/default_region"),
        ({"name": ""}, "#/name"),
    ],
)
def test_field_that_does_not_fit_is_pointed_at(api, change, pointer):
    role = {"name": "prod", "method": "role", "role_arn": "arn:aws:iam::123456789012:role/sluice"}
    response = api.post("/api/v1/aws-accounts/", role | change)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert not AwsAccount.objects.exists()


@mock_aws
def test_check_tells_who_the_panel_is(api, team):
    account = make_account(team=team, account_id="")
    checked = api.post(f"/api/v1/aws-accounts/{account.pk}/check/").json()
    assert checked["account_id"] == "123456789012"
    assert checked["caller_arn"].startswith("arn:aws:")
    assert checked["checked_at"]


@mock_aws
def test_account_of_somebody_else_is_a_problem_that_is_kept(api, team):
    account = make_account(team=team, account_id="999999999999")
    response = api.post(f"/api/v1/aws-accounts/{account.pk}/check/")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (409, "account_id")
    assert "999999999999" in api.get(f"/api/v1/aws-accounts/{account.pk}/").json()["check_error"]


def test_account_in_use_is_not_deleted(api, team):
    account = make_integration(team=team).aws_account
    assert api.delete(f"/api/v1/aws-accounts/{account.pk}/").status_code == 409
    unused = make_account(team=team)
    assert api.patch(f"/api/v1/aws-accounts/{unused.pk}/", {"name": "spare"}).json()["name"] == "spare"
    assert api.delete(f"/api/v1/aws-accounts/{unused.pk}/").status_code == 204


@mock_aws
def test_what_an_account_offers_is_listed_for_a_region(api, viewer_api, team):
    session.forget()
    path = f"/api/v1/aws-accounts/{make_account(team=team).pk}/choices/"
    there = api.get(path, {"region": "eu-west-1"}).json()
    vpc = there["vpcs"][0]["id"]
    assert {each["vpc"] for each in there["subnets"]} == {vpc}
    assert len({each["zone"] for each in there["subnets"]}) > 1
    assert there["instance_types"]["t3.small"]
    assert there["problems"] == {}
    assert api.get(path, {"region": "eu-west-1", "vpc": "vpc-0"}).json()["subnets"] == []
    assert api.get(path, {"region": "../x"}).status_code == 400
    assert viewer_api.get(path).status_code == 403


def test_the_panels_own_credentials_are_not_for_a_teams_admin(api, team):
    body = {"name": "here", "method": "ambient"}
    assert api.post("/api/v1/aws-accounts/", body).status_code == 403
    account = make_account(team=team, method="role", role_arn="arn:aws:iam::123456789012:role/sluice")
    assert api.patch(f"/api/v1/aws-accounts/{account.pk}/", {"method": "ambient"}).status_code == 403
    account.refresh_from_db()
    assert account.method == "role"


def test_a_closed_account_says_what_to_do_and_gives_nothing_away(api, team):
    account = make_account(team=team, method="keys", access_key_id="AKIA1", secret_access_key="x", proven_way="")
    assert api.get(f"/api/v1/aws-accounts/{account.pk}/").json()["connected"] is False
    there = api.get(f"/api/v1/aws-accounts/{account.pk}/choices/").json()
    assert there["vpcs"] is None
    assert "Press Check" in there["problems"]["vpcs"]
    integration = make_integration(team=team, aws_account=account)
    refused = api.post(f"/api/v1/integrations/{integration.pk}/provision/")
    assert (refused.status_code, refused.json()["code"]) == (409, "account_closed")
    assert "Press Check" in refused.json()["remedy"]
