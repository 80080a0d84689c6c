"""From an invitation to a deployment that the invited person approved: on the pages, and nobody opens a shell."""

import re
import secrets
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import connecting
from tests.e2e.test_codedeploy import network
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox

PASSWORD = "a long enough password"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Person(requests.Session):
    """Somebody with a browser of their own: opens pages, and sends the forms that are on them."""

    def __init__(self, panel_url: str) -> None:
        super().__init__()
        self.trust_env = False
        self._panel_url = panel_url

    def sees(self, path: str) -> str:
        answer = self.get(self._panel_url + path, timeout=60)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return unescape(answer.text)

    def answered(self, path: str, fields: Mapping[str, Any], *, action: str = "") -> requests.Response:
        """What the form of a page is answered; `action` where it is sent to, by default the page itself."""
        url = self._panel_url + path
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.sees(path))
        assert token, f"{path} has no form"
        sent = {**fields, "csrfmiddlewaretoken": token[1]}
        return self.post(self._panel_url + (action or path), data=sent, headers={"Referer": url}, timeout=120)

    def sends(self, path: str, fields: Mapping[str, Any], *, action: str = "") -> tuple[str, str]:
        """The same, where it is taken: the path of the page that follows, and what it says."""
        answer = self.answered(path, fields, action=action)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        text = unescape(answer.text)
        assert "is-invalid" not in text, text
        return answer.url.removeprefix(self._panel_url), text

    def signs_in(self, username: str, password: str) -> None:
        path, _ = self.sends("/sign-in/", {"username": username, "password": password, "next": "/"})
        assert path == "/"

    def sees_no_more(self, path: str, text: str) -> None:
        until(lambda: text not in self.sees(path), f"{text} to be gone")

    def finds(self, path: str, address: str, what: str) -> str:
        """The first address of that pattern that the page links to or has a form for, once there is one."""
        found = until(lambda: re.search(f'(?:href|action)="({address})"', self.sees(path)), what)
        assert found is not None
        return found[1]


def invited(admin: Person, world: World) -> Person:
    """Somebody whom the admin invited as an operator, with an account that was made behind the link, signed in."""
    _, page = admin.sends("/members/invite/", {"role": "operator", "days": "7"})
    link = re.search(r"/invitations/[\w-]{43}/", page)
    assert link, page
    name = f"kim-{secrets.token_hex(3)}"
    _, page = Person(world.env["panel_url"]).sends(link[0], {"username": name, "password": PASSWORD})
    assert "· Operator" in page
    person = Person(world.env["panel_url"])
    person.signs_in(name, PASSWORD)
    return person


def connect(admin: Person, world: World, stamp: str) -> tuple[str, str]:
    """The ids of a provider and of an AWS account, as the admin adds them on the pages."""
    host = {
        "name": f"Git host {stamp}",
        "base_url": world.env["git_url"],
        "token": world.git_token,
        "ca_bundle": Path(world.env["git_ca_file"]).read_text(),
        "ssh_port": str(world.env["git_ssh_port"]),
    }
    provider, page = admin.sends("/providers/add/?kind=github_enterprise", host)
    assert "its credentials work" in page
    role = {"name": f"AWS {stamp}", "role_arn": f"arn:aws:iam::111122223333:role/SluiceAccess{stamp}"}
    fields = {**role, "default_region": world.env["aws"]["AWS_DEFAULT_REGION"]}
    account, _ = admin.sends("/aws-accounts/add/?method=role", fields)
    connecting.launch(world.env["aws"], world.get(f"/aws-accounts/{account.split('/')[2]}/access-template/"))
    _, page = admin.sends(account, {}, action=f"{account}check/")
    assert "all that it needs" in page
    return provider.split("/")[2], account.split("/")[2]


def test_an_invited_person_gets_to_an_approved_deployment(world: World, repository: str, clone: Clone) -> None:
    stamp = secrets.token_hex(3)
    admin = Person(world.env["panel_url"])
    admin.signs_in(world.env["admin_user"], world.admin_password)
    kim = invited(admin, world)
    assert kim.get(f"{world.env['panel_url']}/providers/add/", timeout=60).status_code == 403
    provider, account = connect(admin, world, stamp)

    added, _ = kim.sends(f"/repositories/add/?provider={provider}", {"full_name": repository})
    there = network(world)
    settings = {
        "refs": "main",
        "method": "zip_download",
        "application": "shop",
        "environment": "test",
        "skip_ci": "on",
        "deployers": "ecs",
        "deploy_ref": "main",
        "ecs-VPC": there["VPC"],
        "ecs-Subnets": there["Subnets"].split(","),
        "ecs-LaunchType": "FARGATE",
    }
    new = {
        **settings,
        "repository": added.split("/")[2],
        "aws_account": account,
        "region": world.env["aws"]["AWS_DEFAULT_REGION"],
        "name": f"shop-{stamp}",
    }
    approver = {"ecs-SNSTopicEmailAddress": "ops@example.com"}
    refused = kim.answered("/integrations/add/", {**new, **approver})
    assert (refused.status_code, "SNSTopicEmailAddress may be changed by admins only" in refused.text) == (403, True)
    integration, page = kim.sends("/integrations/add/", new)
    assert "Provision it to make its stack" in page
    admin.sends(f"{integration}settings/", {**settings, **approver})

    kim.sends(integration, {}, action=f"{integration}provision/")
    for _ in range(2):  # the stack that stores, then the one that deploys
        approve = kim.finds(integration, rf"/operations/{UUID}/approve/", "the changes to review")
        assert "Nothing happens until you approve." in kim.sees(integration)
        kim.sends(integration, {}, action=approve)
        kim.sees_no_more(integration, approve)
    until(lambda: "Receiving" in kim.sees(integration), "the stacks", seconds=180)

    commit = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    deployment = kim.finds(f"{integration}deployments/", rf"/deployments/{UUID}/", "the deployment")
    answer = kim.finds(deployment, f"{deployment}answer/", "its approval")
    until(lambda: commit[:7] in kim.sees(deployment), "its commit")
    kim.sends(answer, {"comment": "Looks good", "approve": "1"})
    until(lambda: world.get(deployment)["status"] == "deployed", "the deployment")
    done = world.get(f"/audit-entries/?object_id={integration.split('/')[2]}&source=page")["results"]
    theirs = [each["action"] for each in done if each["actor_name"].startswith("kim-")]
    assert {"integration.create", "deployment.approve"} <= set(theirs)
