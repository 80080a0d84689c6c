"""What a stack costs at rest, and docs/cost.md, which has the same prices."""

from decimal import Decimal
from pathlib import Path

import pytest

from deployers import cost

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cost.md"


def of(kind: str, **parameters: str) -> dict[str, tuple[int, Decimal | None]]:
    return {each.what: (each.count, each.monthly) for each in cost.at_rest(kind, parameters)}


def test_a_git_stack_costs_its_key_its_secrets_and_its_alarms() -> None:
    found = of("git_intgrtn_aws_s3")
    assert found == {
        "KMS key": (1, Decimal(1)),
        "Secret": (2, Decimal("0.80")),
        "Alarm": (6, Decimal("0.60")),
    }
    assert cost.total(cost.at_rest("git_intgrtn_aws_s3", {})) == Decimal("2.40")


def test_a_shared_key_is_paid_for_once_and_not_by_the_stack() -> None:
    assert "KMS key" not in of("git_intgrtn_aws_s3", KmsKeyArn="arn:aws:kms:eu-west-1:123456789012:key/1")


def test_instances_cost_by_type_and_number_with_their_disks_and_addresses() -> None:
    found = of("codedeploy", InstanceType="t3.small", DesiredCapacity="3", Subnets="subnet-1,subnet-2")
    assert found["Instance t3.small"] == (3, Decimal("45.55"))
    assert found["Disk of 20 GB"] == (3, Decimal("4.80"))
    assert found["Public IPv4 address"] == (5, Decimal("18.25"))
    assert found["Application Load Balancer"] == (1, Decimal("16.43"))


def test_an_instance_that_is_not_in_the_table_is_said_to_be_unknown() -> None:
    assert of("codedeploy", InstanceType="u-24tb1.metal")["Instance u-24tb1.metal"][1] is None


def test_fargate_tasks_cost_by_size_and_number_and_nothing_where_none_runs() -> None:
    found = of("ecs", LaunchType="FARGATE", ECSTaskDesiredCount="2", TaskCpu="512", TaskMemory="1024")
    assert found["Fargate task (512 CPU units, 1024 MiB)"] == (2, Decimal("36.04"))
    assert not any(what.startswith("Instance") for what in found)
    none = of("ecs", LaunchType="FARGATE", ECSTaskDesiredCount="0")
    assert none["Fargate task (256 CPU units, 512 MiB)"] == (0, Decimal(0))


@pytest.mark.parametrize("kind", ["git_intgrtn_aws_s3", "codedeploy", "ecs"])
def test_the_document_has_what_the_code_computes(kind: str) -> None:
    text = DOCUMENT.read_text()
    total = cost.total(cost.at_rest(kind, {}))
    assert f"| `{kind}` | {total} |" in text
    for what, price in [*cost.MONTHLY.values(), *cost.HOURLY.values(), cost.DISK]:
        assert f"| {what} | {price} |" in text
    for name, price in cost.INSTANCES.items():
        assert f"| {name} | {price} |" in text
    assert f"{cost.REGION} on {cost.DATE}" in text


def test_the_document_says_where_each_price_was_read_and_what_is_not_confirmed() -> None:
    text = DOCUMENT.read_text()
    priced = [what for what, _ in [*cost.MONTHLY.values(), *cost.HOURLY.values(), cost.DISK]]
    assert cost.SOURCES.keys() == {*priced, "Instances"}
    for what, (where, day) in cost.SOURCES.items():
        confirmed = day >= cost.CONFIRMED_SINCE
        on = day if confirmed else f"{day}, unconfirmed".lstrip(", ")
        assert f"| {what} | {where} | {on} |" in text
