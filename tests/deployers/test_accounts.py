"""AWS accounts: validated, proven by STS, and their secrets kept."""

import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from deployers.aws.session import Access
from deployers.errors import CredentialsRefused, ExternalIdIgnored
from deployers.models import AwsAccount
from deployers.services import accounts
from deployers.services.accounts.way import unproven
from integrations.errors import InvalidValue
from sandbox.aws import Aws
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests.factories import make_account, make_integration, make_user

ROLE_ARN = "arn:aws:iam::123456789012:role/sluice"


def create(team: Team, admin: User, **fields: Any) -> AwsAccount:
    return accounts.create(
        team=team, actor=admin, **{"name": "production", "method": "role", "role_arn": ROLE_ARN, **fields}
    )


def test_an_account_is_made_with_an_external_id_of_its_own(moto: None, team: Team, admin: User) -> None:
    one = create(team, admin, method="role", role_arn=ROLE_ARN)
    two = create(team, admin, name="other", method="role", role_arn=ROLE_ARN)

    assert one.external_id != two.external_id
    statement = accounts.trust_policy(account=one, actor=admin)["Statement"][0]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": one.external_id}}
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"method": "magic"}, "method"),
        ({"account_id": "12345"}, "account_id"),
        ({"role_arn": "sluice"}, "role_arn"),
        ({"role_arn": ""}, "role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:role/"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:user/sluice"}, "role_arn"),
        ({"role_arn": "arn:aws:sts::123456789012:assumed-role/sluice/x"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::12345678901:role/sluice"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/sluice"}, "role_arn"),
        ({"role_arn": "arn:aws:iam:us-east-1:123456789012:role/sluice"}, "role_arn"),
        ({"role_arn": "arn:aws-moon:iam::123456789012:role/sluice"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:role/slu ice"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:role/slu\nice"}, "role_arn"),
        ({"role_arn": "arn:aws:iam::123456789012:role//sluice"}, "role_arn"),
        ({"role_arn": f"arn:aws:iam::123456789012:role/{'x' * 65}"}, "role_arn"),
        ({"role_arn": f"arn:aws:iam::123456789012:role/{'p' * 512}/sluice"}, "role_arn"),
        ({"account_id": "999999999999"}, "role_arn"),
        ({"method": "keys", "secret_access_key": "x"}, "access_key_id"),
        ({"method": "keys", "access_key_id": "AKIA"}, "secret_access_key"),
        ({"default_region": ""}, "default_region"),
        ({"default_region": "eu-west-9"}, "default_region"),
        ({"default_region": "aws-global"}, "default_region"),
        ({"default_region": "cn-north-1"}, "default_region"),
        ({"role_arn": "arn:aws-us-gov:iam::123456789012:role/sluice", "default_region": "us-east-1"}, "default_region"),
    ],
)
def test_what_cannot_work_is_refused_with_its_field(
    team: Team, admin: User, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        create(team, admin, **fields)
    assert (refused.value.field, refused.value.status) == (field, 400)
    assert not AwsAccount.objects.exists()


@pytest.mark.parametrize(
    ("role_arn", "region"),
    [
        (f"arn:aws:iam::123456789012:role/{'x' * 64}", "eu-central-1"),
        ("arn:aws:iam::123456789012:role/teams/shop/sluice+=,.@-_", "us-east-1"),
        ("arn:aws-cn:iam::123456789012:role/sluice", "cn-northwest-1"),
        ("arn:aws-us-gov:iam::123456789012:role/sluice", "us-gov-east-1"),
        ("  arn:aws:iam::123456789012:role/sluice\n", " af-south-1 "),
    ],
)
def test_every_role_that_iam_allows_is_taken(team: Team, admin: User, role_arn: str, region: str) -> None:
    account = create(team, admin, role_arn=role_arn, default_region=region)
    assert (account.role_arn, account.default_region) == (role_arn.strip(), region.strip())


def test_a_name_is_taken_once_a_team(team: Team, admin: User) -> None:
    create(team, admin)
    with pytest.raises(Refused) as refused:
        create(team, admin)
    assert refused.value.field == "name"


def test_only_admins_manage_accounts(team: Team, admin: User) -> None:
    operator = make_user(team=team, role=Role.OPERATOR)
    account = create(team, admin)
    with pytest.raises(Forbidden):
        create(team, operator, name="other")
    with pytest.raises(Forbidden):
        accounts.update(account=account, actor=operator, name="other")
    with pytest.raises(Forbidden):
        accounts.delete(account=account, actor=operator)


def test_a_blank_secret_keeps_the_old_one_and_no_secret_is_audited(team: Team, admin: User) -> None:
    account = create(team, admin, method="keys", access_key_id="AKIA1", secret_access_key="s3cr3t-canary")

    accounts.update(account=account, actor=admin, name="renamed", secret_access_key="")

    account.refresh_from_db()
    assert (account.name, account.secret_access_key) == ("renamed", "s3cr3t-canary")
    assert "s3cr3t-canary" not in json.dumps(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert "s3cr3t-canary" not in repr(unproven(account))


def test_an_account_in_use_cannot_be_deleted(team: Team, admin: User) -> None:
    account = make_account(team=team)
    integration = make_integration(team=team, aws_account=account)
    with pytest.raises(Refused):
        accounts.delete(account=account, actor=admin)

    integration.delete()
    accounts.delete(account=account, actor=admin)
    assert not AwsAccount.objects.exists()


@pytest.mark.django_db
def test_checking_notes_whom_the_credentials_belong_to(moto: None, team: Team) -> None:
    account = make_account(team=team, account_id="")

    arn = accounts.check(account=account)

    account.refresh_from_db()
    assert (account.account_id, account.caller_arn, account.check_error) == ("123456789012", arn, "")
    assert account.checked_at is not None


@pytest.mark.django_db
def test_another_account_than_was_entered_is_refused_and_noted(moto: None, team: Team) -> None:
    account = make_account(team=team, account_id="999999999999")
    with pytest.raises(Refused):
        accounts.check(account=account)
    account.refresh_from_db()
    assert "123456789012" in account.check_error


def test_a_secret_access_key_that_cannot_be_read_is_told_and_can_be_entered_again(
    moto: None, team: Team, admin: User, settings: Settings
) -> None:
    made = create(team, admin, method="keys", access_key_id="AKIA1", secret_access_key="s3cr3t-canary")
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    account = AwsAccount.objects.get(pk=made.pk)
    with pytest.raises(CredentialsRefused, match="cannot be read"):
        accounts.check(account=account, actor=admin)
    assert "cannot be read" in AwsAccount.objects.get().check_error
    accounts.update(account=AwsAccount.objects.get(), actor=admin, secret_access_key="another")
    assert unproven(AwsAccount.objects.get()).secret_access_key == "another"


@pytest.mark.sandbox
class TestRoles:
    """With policies that count: MiniStack evaluates trust policies."""

    @staticmethod
    def role(aws: Aws, name: str, statement: dict[str, Any]) -> str:
        policy = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [policy | statement]}
        made = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
        arn: str = made["Role"]["Arn"]
        return arn

    @pytest.fixture
    def panel(self, local_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        """The panel's own credentials: a user that may assume roles, and nothing else (the root may do all)."""
        iam = local_aws.client("iam")
        if "sluice-panel" not in [user["UserName"] for user in iam.list_users()["Users"]]:
            iam.create_user(UserName="sluice-panel")
            statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            iam.put_user_policy(UserName="sluice-panel", PolicyName="assume", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="sluice-panel")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def test_a_role_that_wants_the_external_id_passes(
        self, panel: None, local_aws: Aws, team: Team, admin: User
    ) -> None:
        account = create(
            team, admin, method="role", role_arn="arn:aws:iam::111122223333:role/sluice-good", account_id="111122223333"
        )
        condition = {"Condition": {"StringEquals": {"sts:ExternalId": account.external_id}}}
        self.role(local_aws, "sluice-good", condition)

        assert accounts.check(account=account, actor=admin).endswith("assumed-role/sluice-good/sluice")

    def test_a_role_that_ignores_the_external_id_is_refused(
        self, panel: None, local_aws: Aws, team: Team, admin: User
    ) -> None:
        arn = self.role(local_aws, "sluice-open", {})
        account = create(team, admin, method="role", role_arn=arn)
        with pytest.raises(ExternalIdIgnored):
            accounts.check(account=account, actor=admin)
        account.refresh_from_db()
        assert "without the external id" in account.check_error

    def test_a_role_with_another_external_id_is_told_in_words(
        self, panel: None, local_aws: Aws, team: Team, admin: User
    ) -> None:
        condition = {"Condition": {"StringEquals": {"sts:ExternalId": "another"}}}
        arn = self.role(local_aws, "sluice-other", condition)
        account = create(team, admin, method="role", role_arn=arn)
        with pytest.raises(CredentialsRefused) as refused:
            accounts.check(account=account, actor=admin)
        assert "trust policy" in refused.value.remedy

    def test_wrong_keys_are_told_in_words_without_repeating_them(self, local_aws: Aws, team: Team, admin: User) -> None:
        account = create(team, admin, method="keys", access_key_id="AKIAWRONG", secret_access_key="s3cr3t-canary")
        with pytest.raises(CredentialsRefused) as refused:
            accounts.check(account=account, actor=admin)
        assert "s3cr3t-canary" not in str(refused.value)
        assert "AKIAWRONG" not in str(refused.value)


def test_an_access_shows_no_secret() -> None:
    access = Access("keys", "us-east-1", external_id="id-canary", access_key_id="AKIA", secret_access_key="canary")
    assert "canary" not in repr(access)
