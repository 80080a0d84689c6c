"""The deliveries tables of git stacks. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from lambdas.common.deliveries import FEED, DeliveryTable, Head, Item
from lambdas.common.statuses import DeliveryStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "by_update"
_deserializer = TypeDeserializer()


def _client(access: Access) -> "DynamoDBClient":
    return cast("DynamoDBClient", client(access, "dynamodb"))


def updated_since(access: Access, *, table: str, since: str) -> Iterator[list[dict[str, Any]]]:
    """Pages of deliveries that changed at or after `since` (ISO 8601, empty for all), in the order they changed."""
    with aws_faults():
        pages = (
            _client(access)
            .get_paginator("query")
            .paginate(
                TableName=table,
                IndexName=INDEX,
                KeyConditionExpression="feed = :feed AND updated_at >= :since",
                ExpressionAttributeValues={":feed": {"S": FEED}, ":since": {"S": since or "0"}},
            )
        )
        for page in pages:
            yield [_plain(item) for item in page["Items"]]


def _plain(item: Any) -> dict[str, Any]:
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def move(
    access: Access,
    *,
    table: str,
    delivery_id: str,
    to: DeliveryStatus,
    when: Collection[DeliveryStatus],
    reason: str,
    check_paths: bool | None = None,
) -> bool:
    """Change a delivery's status if it is one of `when`; False if it is not (any more).

    `check_paths` is whether the worker is to look which files differ; None leaves that.
    """
    with aws_faults():
        deliveries = DeliveryTable(_client(access), table)
        if check_paths is None:
            return deliveries.move(delivery_id, to, when=when, reason=reason)
        return deliveries.move(delivery_id, to, when=when, reason=reason, check_paths=check_paths)


def create(access: Access, *, table: str, item: Item) -> bool:
    """Write a new delivery, as a receiver does; False if there is one with its id already, which stays as it is."""
    with aws_faults():
        return DeliveryTable(_client(access), table).create(item)


def status(access: Access, *, table: str, delivery_id: str) -> DeliveryStatus | None:
    """How a delivery stands now; None if there is none."""
    with aws_faults():
        item = DeliveryTable(_client(access), table).get(delivery_id)
    return None if item is None else DeliveryStatus(item["status"])


def advance_head(access: Access, *, table: str, repository: str, ref: str, head: Head) -> None:
    """Make `head` the newest delivery of its ref, unless a later one already is."""
    with aws_faults():
        DeliveryTable(_client(access), table).advance_head(repository, ref, head)
