"""The local AWS's default VPC leads to the internet, as AWS's does."""

from collections.abc import Iterator

import boto3
import pytest

from sandbox.aws import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Aws

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with Aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.mark.parametrize("region", [REGION, "ap-south-1"])
def test_the_default_vpc_has_a_route_to_its_internet_gateway(aws: Aws, region: str) -> None:
    ec2 = boto3.client(
        "ec2",
        endpoint_url=aws.endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    main = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}]
    [table] = ec2.describe_route_tables(Filters=main)["RouteTables"]
    gateways = [each["GatewayId"] for each in table["Routes"] if each["DestinationCidrBlock"] == "0.0.0.0/0"]
    assert len(gateways) == 1
    assert gateways[0].startswith("igw-")
