"""What the tests do with stacks, as people and workers do it."""

import itertools
import time

from deployers.models import Operation
from deployers.services import ticks
from integrations.models import Integration, Method, Provider
from integrations.services import providers
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests.factories import make_account, make_integration, make_repository

_number = itertools.count(1)


def connect_host(host: GitHost, *, team: Team, admin: User, **token: object) -> Provider:
    """The git host as a provider of the team; `token` is as for `GitHost.create_token`."""
    return providers.create(
        team=team,
        actor=admin,
        kind="github_enterprise",
        name=f"host-{next(_number)}",
        base_url=host.url,
        credentials={"token": host.create_token(**token)},  # type: ignore[arg-type]
        ca_bundle=host.ca_pem,
        ssh_port=host.ssh_port,
    )


def integrate(host: GitHost, provider: Provider, *, method: Method = Method.ZIP_DOWNLOAD) -> Integration:
    """A new repository on the host, and its integration into the ambient account."""
    name = f"shop-{next(_number)}"
    host.create_repository(f"octocat/{name}")
    repository = make_repository(team=provider.team, provider=provider, full_name=f"octocat/{name}")
    account = make_account(team=provider.team, account_id="111122223333")
    return make_integration(team=provider.team, repository=repository, aws_account=account, name=name, method=method)


def work_off(operation: Operation, *, seconds: float = 60.0) -> Operation:
    """Tick as workers do until the operation is over."""
    deadline = time.monotonic() + seconds
    while operation.active:
        assert time.monotonic() < deadline, f"still at {operation.step}: {operation.problem}"
        ticks.run(operation.pk)
        operation.refresh_from_db()
        time.sleep(0.05)
    return operation
