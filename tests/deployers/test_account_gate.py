"""No client for an account before its check passed for exactly this way in, and none of the panel's own by the way."""

import ast
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.aws import session
from deployers.errors import AccountClosed, AwsUnreachable, CredentialsRefused, ExternalIdIgnored
from deployers.models import AccessMethod, AwsAccount, Operation
from deployers.services import accounts, choices, deliveries, stacks
from sandbox.aws import Aws
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, Team, User
from tests.factories import make_account, make_integration, make_stack, make_user

ROLE_ARN = "arn:aws:iam::123456789012:role/sluice"
ROOT = Path(__file__).resolve().parents[2]
STS = "https://sts.us-east-1.amazonaws.com/"


def role_account(team: Team, **fields: Any) -> AwsAccount:
    return make_account(team=team, **{"method": AccessMethod.ROLE, "role_arn": ROLE_ARN, "proven_way": "", **fields})


CLOSED: dict[str, Callable[[AwsAccount], object]] = {
    "access": accounts.access,
    "provision": lambda account: stacks.provision(
        integration=make_integration(team=account.team, aws_account=account), actor=make_user(team=account.team)
    ),
    "deliveries": lambda account: deliveries.sync(
        integration=make_stack(
            integration=make_integration(team=account.team, aws_account=account),
            outputs={"DeliveriesTableName": "deliveries"},
        ).integration,
        force=True,
    ),
}


@pytest.mark.parametrize("ask", CLOSED.values(), ids=CLOSED)
def test_nothing_is_asked_of_an_account_that_was_not_proven(team: Team, ask: Callable[[AwsAccount], object]) -> None:
    account = role_account(team)
    with pytest.raises(AccountClosed, match="not connected") as closed:
        ask(account)
    assert "Press Check" in closed.value.remedy
    assert not Operation.objects.exists()


def test_the_lists_of_a_closed_account_say_why_there_are_none(team: Team, moto: None) -> None:
    account = make_account(team=team)
    assert choices.of(account, "us-east-1").vpcs
    AwsAccount.objects.update(proven_way="", check_error="The role can be assumed without the external id.")
    account.refresh_from_db()

    there = choices.of(account, "us-east-1")

    assert there.vpcs is None
    assert {"without the external id" in problem for problem in there.problems.values()} == {True}


@pytest.mark.parametrize(
    ("change", "open_after"),
    [
        ({"role_arn": "arn:aws:iam::123456789012:role/another"}, False),
        ({"method": "keys", "access_key_id": "AKIA1", "secret_access_key": "x"}, False),
        ({"account_id": ""}, False),
        ({"name": "renamed", "default_region": "eu-west-1"}, True),
    ],
)
def test_another_way_in_is_closed_until_it_is_checked_itself(
    team: Team, admin: User, change: dict[str, str], open_after: bool
) -> None:
    account = role_account(team, checked_at=timezone.now())
    account.proven_way = account.way
    account.save()

    accounts.update(account=account, actor=admin, **change)

    account.refresh_from_db()
    assert (account.proven, account.checked_at is not None) == (open_after, open_after)


@pytest.mark.parametrize("field", ["role_arn", "external_id", "access_key_id", "method"])
def test_a_proof_is_of_one_way_in_only(team: Team, field: str) -> None:
    """Also when a row is changed behind the services."""
    account = role_account(team, method=AccessMethod.KEYS if field == "access_key_id" else AccessMethod.ROLE)
    account.proven_way = account.way
    assert account.proven
    setattr(account, field, "keys" if field == "method" else "another")
    assert not account.proven


def test_a_new_secret_of_the_same_key_is_closed_until_it_is_checked(team: Team, admin: User) -> None:
    account = role_account(team, method=AccessMethod.KEYS, access_key_id="AKIA1", secret_access_key="one")
    account.proven_way = account.way
    accounts.update(account=account, actor=admin, secret_access_key="two")
    with pytest.raises(AccountClosed):
        accounts.access(account)


def sts_error(code: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>said so</Message></Error></ErrorResponse>"


class Sts(HTTPServer):
    """STS at a socket: answers what the test says, and notes which region was signed for."""

    answer: tuple[int, str] = (200, "")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _StsRequest)
        self.regions: list[str] = []


class _StsRequest(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.regions.append(self.headers["Authorization"].split("/")[2])
        status, text = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing to anybody."""


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    with Sts() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(session, "CONFIG", session.QUICK)  # an outage is told after one try here
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "code", "error", "open_after"),
    [
        (403, "InvalidClientTokenId", CredentialsRefused, False),
        (500, "InternalFailure", AwsUnreachable, True),
        (503, "ServiceUnavailable", AwsUnreachable, True),
    ],
)
def test_a_refusal_closes_an_account_and_an_outage_does_not(
    sts: Sts, team: Team, status: int, code: str, error: type[Exception], open_after: bool
) -> None:
    account = make_account(team=team)
    sts.answer = status, sts_error(code)

    with pytest.raises(error):
        accounts.check(account=account)

    account.refresh_from_db()
    assert account.proven is open_after
    assert account.check_error


def test_another_name_keeps_no_account_open_and_opens_none(sts: Sts, team: Team, admin: User) -> None:
    checked = make_account(team=team)
    renamed = AwsAccount.objects.get()
    accounts.update(account=AwsAccount.objects.get(), actor=admin, name="meanwhile")
    sts.answer = 403, sts_error("InvalidClientTokenId")
    with pytest.raises(CredentialsRefused):
        accounts.check(account=checked)
    assert not AwsAccount.objects.get().proven

    accounts.update(account=renamed, actor=admin, name="from before it was closed")
    assert not AwsAccount.objects.get().proven


def test_an_account_that_is_nobodys_closes_when_sts_names_another(moto: None, team: Team) -> None:
    account = make_account(team=team, account_id="999999999999")
    with pytest.raises(Refused):
        accounts.check(account=account)
    with pytest.raises(AccountClosed, match="999999999999"):
        accounts.access(AwsAccount.objects.get())


def test_what_a_check_finds_of_an_older_way_in_opens_nothing(moto: None, team: Team, admin: User) -> None:
    read_before = make_account(team=team, method=AccessMethod.KEYS, access_key_id="AKIA1", secret_access_key="x")
    accounts.update(account=AwsAccount.objects.get(), actor=admin, secret_access_key="y")

    with pytest.raises(Refused, match="changed while"):
        accounts.check(account=read_before, actor=admin)

    account = AwsAccount.objects.get()
    assert not account.proven
    assert account.checked_at is None


class TestThePanelsOwnCredentials:
    """They may be those of its whole AWS account."""

    @pytest.mark.parametrize("lent", [True, False])
    def test_a_teams_admin_does_not_get_them(self, team: Team, admin: User, settings: Settings, lent: bool) -> None:
        settings.AMBIENT_AWS = lent
        with pytest.raises(Forbidden):
            accounts.create(team=team, actor=admin, name="here", method="ambient")
        account = role_account(team)
        with pytest.raises(Forbidden):
            accounts.update(account=account, actor=admin, method="ambient")
        assert list(AwsAccount.objects.values_list("method", flat=True)) == ["role"]
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
    def test_superusers_need_the_teams_role_too(self, team: Team, role: Role) -> None:
        root = make_user(team=team, role=role, is_superuser=True)
        with pytest.raises(Forbidden):
            accounts.create(team=team, actor=root, name="here", method="ambient")

    def test_superusers_get_them_where_the_panel_lends_them(self, moto: None, team: Team, settings: Settings) -> None:
        root = make_user(team=team, is_superuser=True)
        settings.AMBIENT_AWS = False
        with pytest.raises(Refused) as refused:
            accounts.create(team=team, actor=root, name="here", method="ambient")
        assert refused.value.field == "method"
        settings.AMBIENT_AWS = True
        account = accounts.create(team=team, actor=root, name="here", method="ambient")
        with pytest.raises(AccountClosed):
            accounts.access(account)
        accounts.check(account=account)
        assert accounts.access(account).method == "ambient"

    def test_they_are_out_of_reach_once_the_panel_lends_them_no_more(
        self, moto: None, team: Team, settings: Settings
    ) -> None:
        account = make_account(team=team)
        settings.AMBIENT_AWS = False
        for ask in (accounts.access, lambda account: accounts.check(account=account)):
            with pytest.raises(AccountClosed, match="does not lend"):
                ask(account)


def test_clients_are_made_through_the_gate_only() -> None:
    """`Access` is the ticket to a client. Only the gate makes one of an account's."""
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("deployers", "panel", "integrations", "teams")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Access"
    }
    assert found == {
        "deployers/services/accounts/way.py",
        "deployers/aws/sts.py",  # the panel's own, to try a role without the external id
        "deployers/services/publish.py",  # the panel's own, for manage.py publish_artifacts
    }
    uses = {
        path.relative_to(ROOT).as_posix()
        for room in ("deployers", "panel")
        for path in (ROOT / room).rglob("*.py")
        if "unproven" in path.read_text()
    }
    assert uses == {"deployers/services/accounts/way.py", "deployers/services/accounts/checking.py"}


@pytest.fixture
def accounts_of_before(transactional_db: None) -> Iterator[StateApps]:
    """The models as they were before an account had to be proven; the database is as it is again afterwards."""
    before = ("deployers", "0009_webhook_secret_rotation")
    executor = MigrationExecutor(connection)
    executor.migrate([before])
    # The other apps stay as they are: their columns are there.
    others = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] != "deployers"]
    yield executor.loader.project_state([before, *others]).apps
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_accounts_of_before_stay_open_only_if_their_last_check_passed(accounts_of_before: StateApps) -> None:
    old = accounts_of_before
    team = old.get_model("teams", "Team").objects.create(name="Old", slug="old")
    model = old.get_model("deployers", "AwsAccount")
    now, arn = timezone.now(), "arn:aws:sts::123456789012:assumed-role/sluice/sluice"
    for name, fields in {
        "passed": {"checked_at": now, "caller_arn": arn},
        "failed": {"checked_at": now, "caller_arn": arn, "check_error": "The role can be assumed without it."},
        "never": {},
    }.items():
        model.objects.create(team=team, name=name, role_arn=ROLE_ARN, external_id=f"sluice-{name}", **fields)
    model.objects.create(
        team=team, name="keys", method="keys", access_key_id="AKIA1", checked_at=now, caller_arn=arn, external_id="x"
    )

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())

    assert {each.name for each in AwsAccount.objects.all() if each.proven} == {"passed", "keys"}


@pytest.mark.sandbox
class TestWithRolesThatCount:
    """MiniStack evaluates trust policies."""

    @pytest.fixture
    def role(self, local_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], str]:
        iam = local_aws.client("iam")
        if "sluice-gate" not in [user["UserName"] for user in iam.list_users()["Users"]]:
            iam.create_user(UserName="sluice-gate")
            allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
            iam.put_user_policy(UserName="sluice-gate", PolicyName="assume", PolicyDocument=document)
        key = iam.create_access_key(UserName="sluice-gate")["AccessKey"]

        def trust(condition: dict[str, Any]) -> str:
            principal = {"AWS": "arn:aws:iam::111122223333:root"}
            statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **condition}
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            names = [each["RoleName"] for each in iam.list_roles()["Roles"]]
            if "sluice-gated" in names:
                iam.update_assume_role_policy(RoleName="sluice-gated", PolicyDocument=document)
            else:
                iam.create_role(RoleName="sluice-gated", AssumeRolePolicyDocument=document)
            return "arn:aws:iam::111122223333:role/sluice-gated"

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        return trust

    def test_a_role_is_opened_by_its_check_closed_by_a_failed_one_and_opened_again(
        self, role: Callable[[dict[str, Any]], str], team: Team, admin: User
    ) -> None:
        account = role_account(team, role_arn=role({}), account_id="")
        with pytest.raises(AccountClosed):
            accounts.access(account)
        good = {"Condition": {"StringEquals": {"sts:ExternalId": account.external_id}}}

        role(good)
        accounts.check(account=account, actor=admin)
        assert accounts.access(account).role_arn == account.role_arn

        role({})  # somebody takes the condition away: anyone in the panel's account may assume it now
        with pytest.raises(ExternalIdIgnored, match="without the external id"):
            accounts.check(account=account, actor=admin)
        with pytest.raises(AccountClosed, match="without the external id"):
            accounts.access(AwsAccount.objects.get())

        role(good)
        accounts.check(account=account, actor=admin)
        accounts.access(AwsAccount.objects.get())


@pytest.mark.parametrize(
    ("own", "role_arn", "asked"),
    [
        ("eu-central-1", ROLE_ARN, "eu-central-1"),
        ("", ROLE_ARN, "us-east-1"),
        ("eu-central-1", "arn:aws-cn:iam::123456789012:role/sluice", "cn-north-1"),
    ],
)
def test_a_role_for_a_region_that_must_be_switched_on_is_assumed_at_home(
    sts: Sts, team: Team, monkeypatch: pytest.MonkeyPatch, own: str, role_arn: str, asked: str
) -> None:
    """STS of such a region refuses accounts that have not switched it on, and the panel's need not have."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if own:
        monkeypatch.setenv("AWS_DEFAULT_REGION", own)
    sts.answer = 403, sts_error("AccessDenied")
    with pytest.raises(CredentialsRefused, match="assume the role"):
        accounts.check(account=role_account(team, role_arn=role_arn, default_region="af-south-1"))
    assert sts.regions == [asked]


def test_keys_are_tried_in_a_region_that_nobody_can_switch_off(
    sts: Sts, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "me-central-1")
    sts.answer = 403, sts_error("InvalidClientTokenId")
    account = make_account(team=team, method="keys", access_key_id="AKIA1", secret_access_key="x")
    with pytest.raises(CredentialsRefused):
        accounts.check(account=account)
    assert sts.regions == ["us-east-1"]
