"""No secret is where it does not belong: a whole life is lived with known ones, then all that was written is searched.

Each secret is looked for as it is and as URLs, forms, JSON, HTML, base64 and hexadecimal digits write it. PLACES lists
where; ALLOWED what may be there, and why. docs/security.md refers to both. Reports of unexpected errors, as they are
mailed, are searched in tests/web/test_error_reports.py.
"""

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import override_settings

from teams.encryption import encrypt
from tests.e2e.canary import (
    Browser,
    Recorder,
    Search,
    broker_commands,
    read_aws,
    read_broker,
    read_database,
    read_function_logs,
    read_processes,
)
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox

PLACES = {
    "API answers",
    "pages",
    "broker: every command",
    "command lines",
    "log: web.log",
    "log: worker.log",
    "log: beat.log",
    "log: sweeper.log",
    "log: setup.log",
    "log: postgres.log",
    "log: valkey.log",
    "log: ministack.log",
    "CloudWatch Logs",
    "CloudFormation: parameters and outputs",
    "CloudFormation: events",
    "CloudFormation: change sets",
    "CloudFormation: templates",
    "CloudFormation: resources",
    "Lambda: configuration",
    "DynamoDB: tables",
    "Secrets Manager: metadata",
    "database: integrations_provider",
    "database: integrations_integration",
    "database: integrations_delivery",
    "database: deployers_awsaccount",
    "database: deployers_operation",
    "database: deployers_stackevent",
    "database: teams_auditentry",
    "database: teams_apitoken",
    "database: teams_user",
    "database: django_session",
    "database: django_admin_log",
}
"""The least that has to be searched, so that a place which falls silent is noticed. Every table and every log is."""

ALLOWED = {
    ("database: django_session", "session cookie"): "Django finds a session by its key: a dump holds live ones",
    ("database: usersessions_usersession", "session cookie"): "where people are signed in is listed by the same keys",
    ("token as it is made", "API token"): "shown once, to the person who makes it",
    ("presigned download", "AWS session token"): "part of the URL that AWS signs for five minutes and one artifact",
    ("manual steps", "webhook secret at first"): "an admin copies it to the provider, where its token may not",
}

ROLES = "arn:aws:iam::111122223333:role/"
NOUNS = ("providers", "integrations", "aws-accounts", "operations", "deliveries", "stacks", "ssh-keys", "artifacts")


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def search(world: World) -> Search:
    """Looks for the secrets that the sandbox was started with."""
    known = json.loads(Path(world.env["secrets_file"]).read_text())
    # What a role's session token is nobody outside of the panel knows: its beginning tells that it is one.
    return Search(
        {
            "secret key": known["secret_key"],
            "encryption key": known["encryption_key"],
            "database password": known["postgres_password"],
            "broker password": known["valkey_password"],
            "user's password": known["admin_password"],
            "provider token": known["git_token"],
            "API token of the caller": known["api_token"],
            "mistyped provider token": f"ghp_mistyped+/{secrets.token_hex(16)}",
            "mistyped password": f"wrong & {secrets.token_hex(8)}",
            "mistyped secret access key": f"wrong/{secrets.token_hex(16)}",
            "AWS session token": "FwoGZX",
        }
    )


@dataclass
class Life:
    """What one administrator does, with every answer kept."""

    world: World
    browser: Browser
    search: Search = field(repr=False)

    def stack(self, integration: dict[str, Any]) -> str:
        [stack] = self.world.get(f"/integrations/{integration['id']}/")["stacks"]
        name: str = stack["name"]
        return name

    def add_providers(self) -> tuple[dict[str, Any], str]:
        """Add a provider over the API and one on the page, both after mistakes; returns the one, the other's id."""
        world, wrong = self.world, self.search.secrets["mistyped provider token"]
        reached = {"base_url": world.env["git_url"], "ca_bundle": Path(world.env["git_ca_file"]).read_text()}
        mistakes: list[Any] = [{"token": wrong}, wrong, {wrong: wrong}, {"token": [wrong]}, {"token": wrong + "ä\n"}]
        for number, credentials in enumerate(mistakes):
            body = {**reached, "kind": "github_enterprise", "name": f"Wrong {number}", "credentials": credentials}
            answer = world.call("POST", "/providers/", body)
            assert 400 <= answer.status_code < 500, answer.text
        for media_type in ("application/json", "text/plain"):
            broken = f'{{"credentials": {{"token": "{wrong}"'
            url, headers = f"{world.env['api_url']}/providers/", {"Content-Type": media_type}
            assert world._session.post(url, data=broken, headers=headers).status_code in {400, 415}

        path = "/providers/add/?kind=github_enterprise"
        fields = {
            "name": f"On the page {secrets.token_hex(3)}",
            **reached,
            "ssh_port": str(world.env["git_ssh_port"]),
        }
        for mistake in ({}, {"base_url": "https://git.invalid"}, {"name": ""}, {"ca_bundle": "no PEM"}):
            assert self.browser.submit(path, {**fields, "token": wrong, **mistake}).status_code == 200
        assert self.browser.submit(path, {**fields, "token": world.git_token}, token=False).status_code == 403
        added = self.browser.submit(path, {**fields, "token": world.git_token})
        assert "/add/" not in added.url
        return world.add_provider(), added.url.rstrip("/").rpartition("/")[2]

    def add_accounts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """One reached by a role that may do all, and one by keys that may do nothing and are not checked yet."""
        world, name, iam = self.world, f"canary-{secrets.token_hex(3)}", self.world.aws("iam")
        role = world.post("/aws-accounts/", {"name": f"{name}-role", "method": "role", "role_arn": f"{ROLES}{name}"})
        trust = world.get(f"/aws-accounts/{role['id']}/trust-policy/")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        everything = policy(Effect="Allow", Action="*", Resource="*")
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=everything)
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.search.secrets["secret access key"] = key["SecretAccessKey"]
        wrong = self.search.secrets["mistyped secret access key"]

        fields = {"name": name, "access_key_id": key["AccessKeyId"], "secret_access_key": wrong}
        page = self.browser.submit("/aws-accounts/add/?method=keys", {**fields, "default_region": "nowhere"})
        assert page.status_code == 200
        assert world.call("POST", "/aws-accounts/", {**fields, "method": "keys", "name": wrong * 9}).status_code == 400
        keys = world.post("/aws-accounts/", {**fields, "method": "keys"})
        assert world.call("POST", f"/aws-accounts/{keys['id']}/check/").status_code >= 400
        mended = {"secret_access_key": key["SecretAccessKey"]}
        assert world.call("PATCH", f"/aws-accounts/{keys['id']}/", mended).status_code == 200
        assert world.post(f"/aws-accounts/{role['id']}/check/")["connected"]
        return role, keys

    def provision_without_permissions(self, integration: dict[str, Any], keys: dict[str, Any]) -> None:
        """Refused before the check, failed while AWS does not say what the keys lack, refused once it does."""
        world, path = self.world, f"/integrations/{integration['id']}/provision/"
        closed = world.call("POST", path)
        assert (closed.status_code, closed.json()["code"]) == (409, "account_closed"), closed.text
        # Everybody may ask who they are, and no more than that opens an account.
        assert world.post(f"/aws-accounts/{keys['id']}/check/")["connected"]
        ended = world.finished(world.post(path))
        assert (ended["status"], ended["problem_code"]) == ("failed", "aws_access_denied"), ended
        asking = policy(Effect="Allow", Action="iam:SimulatePrincipalPolicy", Resource="*")
        world.aws("iam").put_user_policy(UserName=keys["name"], PolicyName="asking", PolicyDocument=asking)
        world.post(f"/aws-accounts/{keys['id']}/check/")
        lacking = world.call("POST", path)
        assert (lacking.status_code, lacking.json()["code"]) == (409, "permissions_missing"), lacking.text

    def learn_secrets(self, when: str, *, pulled: dict[str, Any], zipped: dict[str, Any]) -> int:
        """Look up at the provider and in the account what is in use at that time; returns how many are new."""
        found = {}
        for name, integration in (("webhook secret", pulled), ("GitLab's signing token", zipped)):
            full_name = self.world.get(f"/repositories/{integration['repository']}/")["full_name"]
            [hook] = self.world.sandbox.git.hooks(full_name)
            # A signing token differs from others in what follows its mark.
            found[name] = hook.options.get("signing_token", "").removeprefix("whsec_") or hook.secret
        [stack] = self.world.get(f"/stacks/?integration={pulled['id']}")["results"]
        arn = self.world.get(f"/stacks/{stack['id']}/")["outputs"]["SSHKeySecretArn"]
        value = self.world.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        # Of PEM, the line that holds the secret number itself.
        found["SSH private key"] = json.loads(value)["current"]["private_key"].splitlines()[4]
        known = set(self.search.secrets.values())
        new = {f"{name} {when}": secret for name, secret in found.items() if secret not in known}
        self.search.secrets.update(new)
        return len(new)

    def push_what_fails(self, integration: dict[str, Any], full_name: str) -> None:
        """A commit that is not there, and requests that carry secrets where they do not belong."""
        secret = self.search.secrets["webhook secret at first"]
        payload = {
            "ref": "refs/heads/gone",
            "before": "0" * 40,
            "after": "f" * 40,
            "repository": {"full_name": full_name},
            "head_commit": {"id": "f" * 40, "message": "Not there", "author": {"name": "Ada"}},
            "sender": {"login": "ada"},
        }
        body, headers = json.dumps(payload).encode(), {"X-GitHub-Event": "push", "X-GitHub-Delivery": "not-there"}
        assert self.world.webhook(integration, body, headers, secret=secret).status_code == 202
        carried = {
            "X-Gitlab-Token": secret,
            "Authorization": f"Bearer {self.world.git_token}",
            "Cookie": f"sessionid={self.search.secrets['session cookie']}",
        }
        forged = self.world.webhook(integration, body, {**headers, **carried}, secret="wrong")
        assert forged.status_code == 401

    def update_with_review(self, integration: dict[str, Any]) -> None:
        """Change the stack, and look at the change set before it is approved."""
        world, path = self.world, f"/integrations/{integration['id']}/"
        assert world.call("PATCH", path, {"refs": ["main", "release/*"]}).status_code == 200
        operation = world.post(f"{path}provision/?review=true")
        until(lambda: world.get(f"/operations/{operation['id']}/")["status"] == "waiting", "the change set")
        read_aws(world, self.search, self.stack(integration))
        world.post(f"/operations/{operation['id']}/approve/")
        assert world.finished(operation)["status"] == "succeeded"

    def make_token(self) -> None:
        """The one answer that shows a token is kept apart from the others."""
        fields = {"name": f"canary {secrets.token_hex(3)}", "scope": "admin", "lifetime": "30"}
        with self.browser.kept_as("token as it is made"):
            page = self.browser.submit("/tokens/add/", fields)
        [token] = set(re.findall(r"\bsluice_[\w-]{43}", page.text))
        self.search.secrets["API token"] = token
        headers = {"Authorization": f"Bearer {token}"}
        assert self.browser.get(f"{self.world.env['api_url']}/me/", headers=headers).status_code == 200

    def break_a_row(self, broken: str, other: str) -> None:
        """Credentials swapped in the database, then some of a shape that no code wrote: both end in errors."""
        path, token = f"/providers/{broken}/", {"token": self.world.git_token}
        with psycopg.connect(self.world.env["database_url"], autocommit=True) as database:
            database.execute(
                "UPDATE integrations_provider SET credentials_json = other.credentials_json "
                "FROM integrations_provider other WHERE integrations_provider.id = %s AND other.id = %s",
                [broken, other],
            )
            assert "cannot be read" in self.browser.submit(path, {}, action=f"{path}check/").text
            assert self.world.call("POST", f"{path}check/").json()["code"] == "credentials_unreadable"
            key = base64.b64decode(self.search.secrets["encryption key"])
            with override_settings(ENCRYPTION_KEYS=[key]):
                place = f"integrations.provider|{broken}|credentials_json"
                strange = str(encrypt(json.dumps([self.world.git_token]), bound_to=place))
            database.execute("UPDATE integrations_provider SET credentials_json = %s WHERE id = %s", [strange, broken])
            answers = [
                self.browser.submit(path, {"name": "x", **token}, action=f"{path}edit/"),
                self.world.call("POST", f"{path}check/"),
            ]
            # Another token is taken without a look at what was there.
            assert self.world.call("PATCH", path, {"credentials": token}).status_code == 200
            database.execute("DELETE FROM integrations_provider WHERE id = %s", [broken])
        assert [each.status_code for each in answers] == [500, 500]

    def show_by_hand(self, integration: dict[str, Any]) -> None:
        """What an admin copies to the provider, kept apart too."""
        session = self.world._session
        assert isinstance(session, Recorder)
        with session.kept_as("manual steps"):
            assert self.world.get(f"/integrations/{integration['id']}/manual-steps/")["webhook"]


@pytest.fixture
def life(world: World, search: Search, monkeypatch: pytest.MonkeyPatch) -> Life:
    """An administrator, signed in at the second attempt."""
    recorder = Recorder(search, "API answers")
    recorder.headers.update(world._session.headers)
    monkeypatch.setattr(world, "_session", recorder)
    monkeypatch.setattr(world, "_provider", {})
    browser = Browser(search, world.env["panel_url"])
    for password in (search.secrets["mistyped password"], world.admin_password):
        browser.submit("/sign-in/", {"username": world.env["admin_user"], "password": password, "next": "/"})
    search.secrets["session cookie"] = browser.cookies["sessionid"]
    return Life(world, browser, search)


def test_secrets_are_nowhere_but_where_they_belong(
    world: World, life: Life, search: Search, repository: str, clone: Clone
) -> None:
    with broker_commands(world.env["redis_url"], search):
        (provider, on_page), (role, powerless) = life.add_providers(), life.add_accounts()
        gitlab = world.add_provider(kind="gitlab", name=f"GitLab {secrets.token_hex(3)}")
        pulled = world.add_integration(
            repository, provider=provider, method="git_pull", aws_account=role["id"], refs=["main", "gone"]
        )
        at_gitlab = world.make_repository("acme/tools")
        zipped = world.add_integration(at_gitlab, provider=gitlab)
        refused = world.add_integration(repository, provider=provider, aws_account=powerless["id"])
        begun = [world.post(f"/integrations/{each['id']}/provision/") for each in (pulled, zipped)]
        life.provision_without_permissions(refused, powerless)
        life.make_token()
        life.break_a_row(on_page, provider["id"])
        ended = [world.finished(each) for each in begun]
        assert [each["status"] for each in ended] == ["succeeded", "succeeded"], ended
        pulled, zipped = (world.get(f"/integrations/{each['id']}/") for each in (pulled, zipped))

        assert life.learn_secrets("at first", pulled=pulled, zipped=zipped) == 3
        life.show_by_hand(pulled)
        commit = clone.commit("A commit", data="1")
        clone.push()
        world.clone(at_gitlab)
        life.push_what_fails(pulled, repository)
        life.update_with_review(zipped)
        assert world.ended(pulled, commit=commit)["status"] == "stored"
        assert world.ended(zipped, ref="refs/heads/main")["status"] == "stored"
        rotations = [
            world.post(f"/integrations/{zipped['id']}/rotate-webhook-secret/"),
            world.post(f"/integrations/{pulled['id']}/rotate-ssh-key/"),
        ]
        opened = life.browser.crawl(*(f"/integrations/{each['id']}/" for each in (pulled, refused)), "/", "/admin/")
        assert opened > 60
        for noun in NOUNS:
            world.get(f"/{noun}/")
        until(lambda: [one for one in world.deliveries(pulled) if one["attempts"]], "a failed attempt")
        assert [one for one in world.deliveries(pulled) if one["status"] == "rejected"]
        assert [world.finished(each)["status"] for each in rotations] == ["succeeded", "succeeded"]
        assert life.learn_secrets("at last", pulled=pulled, zipped=zipped) == 2
        for integration in (pulled, zipped):
            read_aws(world, search, life.stack(integration))
        deletion = world.call("DELETE", f"/integrations/{pulled['id']}/?bucket=purge").json()
        assert world.finished(deletion)["status"] == "succeeded"
        read_broker(world, search)
    read_database(world, search)
    read_processes(world, search)
    read_function_logs(world, search)

    assert set(search.places) >= PLACES
    assert all(len(secret) >= 16 for name, secret in search.secrets.items() if name != "AWS session token")
    assert search.hits(ALLOWED) == []
    # It finds them where they are.
    assert len(search.hits({})) == len(ALLOWED)
