"""The default VPC leads to the internet, as AWS's does: MiniStack leaves its route out."""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

from collections.abc import Callable

from sandbox.hooks import replace


def install() -> None:
    """Change MiniStack in this process; call before it serves.

    https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
    """
    from ministack.services import ec2

    def with_a_way_out(make: Callable[[], None]) -> Callable[[], None]:
        def make_defaults() -> None:
            make()
            for table in ec2._route_tables.values():
                known = {each.get("DestinationCidrBlock") for each in table["Routes"]}
                if table["VpcId"] == ec2._DEFAULT_VPC_ID and "0.0.0.0/0" not in known and _is_main(table):
                    table["Routes"].append(
                        {
                            "DestinationCidrBlock": "0.0.0.0/0",
                            "GatewayId": ec2._DEFAULT_IGW_ID,
                            "State": "active",
                            "Origin": "CreateRoute",
                        }
                    )

        return make_defaults

    replace(ec2, "_init_defaults", with_a_way_out)
    # MiniStack made those of its own region when it was imported.
    ec2._init_defaults()


def _is_main(table: dict[str, object]) -> bool:
    associations = table.get("Associations")
    return isinstance(associations, list) and any(each.get("Main") for each in associations)
