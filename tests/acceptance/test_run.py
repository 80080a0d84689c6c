"""A run's names are told from others', and its file brings it back."""

from pathlib import Path

import pytest

from acceptance import plan
from acceptance.errors import MissingInput
from acceptance.network import Network
from acceptance.run import Run, Runs, fresh_stamp, stamps_in
from acceptance.settings import GIT_TOKEN, PANEL_TOKEN, read
from deployers import catalog, cost, requests

RUN = Run("0123abcd", remote="https://github.com/acme/scratch.git", repository="acme/scratch")


def test_the_stamp_is_found_in_each_name_that_the_run_gives() -> None:
    run = Run(fresh_stamp())
    integration = run.integration("zip")
    stack = requests.stack_name(integration, catalog.GIT.suffix)
    for name in (integration, stack, run.title, run.role):
        assert stamps_in([name]) == {run.stamp}, name
    assert run.owns_stack(stack)
    assert run.owns_stack(run.role)


@pytest.mark.parametrize(
    "name",
    ["acceptance-tests", "sluice-shop-git", "SluiceAccess", "Acceptance of payments", "my-acceptance-0123abcd-zip"],
)
def test_what_others_named_is_nobodys_run(name: str) -> None:
    assert stamps_in([name]) == set()
    assert not RUN.owns_stack(name)


def test_a_run_does_not_own_the_stacks_of_another() -> None:
    assert not RUN.owns_stack("sluice-acceptance-99999999-zip-git")
    assert not RUN.owns_stack("SluiceAcceptance-99999999")


def test_a_run_is_remembered_until_it_is_forgotten_twice(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "not yet there")
    assert runs.all() == []
    runs.write(RUN)
    runs.write(RUN.with_repository())
    assert runs.all() == [RUN.with_repository()]
    runs.forget(RUN)
    runs.forget(RUN)
    assert runs.all() == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"stamp": ')
    with pytest.raises(MissingInput, match=r"x\.json is damaged"):
        Runs(tmp_path).all()


def test_the_plan_says_what_is_made_what_it_costs_and_how_long_it_takes() -> None:
    flags = ["--panel", "https://sluice.example.com/api/v1", "--repository", "acme/scratch"]
    settings = read(flags, {PANEL_TOKEN: "slu_1", GIT_TOKEN: "ghp_1"})
    text = plan.describe(settings, RUN, "123456789012", "eu-central-1")
    month = cost.total(cost.at_rest(catalog.GIT.kind, {})) * 2
    for each in (
        f"{month:.2f} US dollars a month",
        "minutes",
        "eu-central-1: account 123456789012",
        "sluice-acceptance-0123abcd-zip-git, sluice-acceptance-0123abcd-pull-git",
        "the role SluiceAcceptance-0123abcd",
        "in acme/scratch: a branch acceptance-0123abcd",
        "everything is removed",
    ):
        assert each in text
    assert "slu_1" not in text
    assert "ghp_1" not in text


def test_the_plan_of_deployers_says_where_they_run_and_what_that_costs() -> None:
    flags = ["--panel", "https://sluice.example.com/api/v1", "--repository", "acme/scratch"]
    flags += ["--deployer", "ecs", "--deployer", "codedeploy", "--approval-email", "ops@example.com"]
    network = Network("vpc-1", ("subnet-1", "subnet-2"))
    settings = read(flags, {PANEL_TOKEN: "slu_1", GIT_TOKEN: "ghp_1"})
    text = plan.describe(settings, RUN, "123456789012", "eu-central-1", network)
    chosen = {**network.parameters(), "LaunchType": "FARGATE", "SNSTopicEmailAddress": "ops@example.com"}
    kept = [("git_intgrtn_aws_s3", {}), ("git_intgrtn_aws_s3", {}), ("codedeploy", network.parameters())]
    month = sum(cost.total(cost.at_rest(kind, given)) for kind, given in [*kept, ("ecs", chosen)])
    for each in (
        f"{month:.2f} US dollars a month",
        "2 x Instance t3.micro",
        "1 x Fargate task (256 CPU units, 512 MiB)",
        "sluice-acceptance-0123abcd-zip-codedeploy",
        "sluice-acceptance-0123abcd-pull-ecs, sluice-acceptance-0123abcd-pull-ecs-service",
        "in vpc-1, subnet-1, subnet-2: two instances behind a load balancer",
        "mail of AWS to ops@example.com",
        "about 65 to 130 minutes",
    ):
        assert each in text
