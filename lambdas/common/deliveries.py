"""The deliveries table: every webhook request that a stack received, and what became of it.

Each change of state is one conditional write, so two writers never both win. Beside the deliveries lie `head#...`
items, one a ref: the newest accepted delivery, and the newest artifact with the digest of its content; and `body#...`
items, one a signed body that was accepted: the delivery that brought it; and `rejected#...` items, one a minute: how
many requests were not accepted.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.common.attributes import pack, unpack
from lambdas.common.statuses import DeliveryStatus, DeployStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FEED = "deliveries"
"""Hash key of the index `by_update`; heads have none and so are not in it."""

Item = dict[str, Any]


def timestamp(at: datetime | None = None) -> str:
    """ISO 8601 in UTC with microseconds and Z, so that text order is time order. Default: now."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def head_id(repository: str, ref: str) -> str:
    """Id of the item that holds the newest delivery of a ref."""
    return "head#" + hashlib.sha256(f"{repository}|{ref}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The newest accepted delivery of a ref, and the newest artifact written for it. Empty where there is none."""

    delivery_id: str = ""
    received_at: str = ""
    commit: str = ""
    before: str = ""
    artifact_version_id: str = ""
    content_digest: str = ""


class DeliveryTable:
    """Reads and writes one stack's deliveries."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client, self._name = client, name

    def create(self, item: Item) -> bool:
        """Write a new delivery. False if there is one with this id already, which stays as it is."""
        now = timestamp()
        full = {"feed": FEED, "attempts": [], "received_at": now, "updated_at": now, **item}
        try:
            self._client.put_item(TableName=self._name, Item=pack(full), ConditionExpression="attribute_not_exists(id)")
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def first_with_body(self, body: bytes, *, delivery_id: str, expires_at: int) -> str:
        """The id of the delivery that brought this signed body first; `delivery_id` if none did before.

        A delivery's id is not signed, so whoever caught a request can send it again under another one.
        """
        answer = self._client.update_item(
            TableName=self._name,
            Key=pack({"id": f"body#{hashlib.sha256(body).hexdigest()}"}),
            UpdateExpression="SET delivery_id = if_not_exists(delivery_id, :d), expires_at = :e",
            ExpressionAttributeValues=pack({":d": delivery_id, ":e": expires_at}),
            ReturnValues="ALL_NEW",
        )
        return str(unpack(answer["Attributes"])["delivery_id"])

    def count_rejected(self, minute: str, *, expires_at: int) -> int:
        """Count a request that is not accepted; returns how many there were in this minute, it included."""
        answer = self._client.update_item(
            TableName=self._name,
            Key=pack({"id": f"rejected#{minute}"}),
            UpdateExpression="SET expires_at = :e ADD requests :one",
            ExpressionAttributeValues=pack({":e": expires_at, ":one": 1}),
            ReturnValues="ALL_NEW",
        )
        return int(unpack(answer["Attributes"])["requests"])

    def get(self, delivery_id: str) -> Item | None:
        """The delivery as it is now, or None."""
        answer = self._client.get_item(TableName=self._name, Key=pack({"id": delivery_id}), ConsistentRead=True)
        return unpack(answer["Item"]) if "Item" in answer else None

    def move(
        self,
        delivery_id: str,
        to: DeliveryStatus,
        *,
        when: Collection[DeliveryStatus],
        attempt: Mapping[str, object] | None = None,
        **attributes: object,
    ) -> bool:
        """Change the status if it is one of `when`, and the attributes with it. False if it is not (any more)."""
        values: dict[str, object] = {**attributes, "status": to, "updated_at": timestamp()}
        names = {f"#{n}": name for n, name in enumerate(values)}
        update = "SET " + ", ".join(f"#{n} = :{n}" for n in range(len(values)))
        arguments = {f":{n}": value for n, value in enumerate(values.values())}
        if attempt is not None:
            update += ", attempts = list_append(if_not_exists(attempts, :none), :attempt)"
            arguments |= {":none": [], ":attempt": [dict(attempt)]}
        allowed = {f":was{n}": status for n, status in enumerate(sorted(when))}
        try:
            self._client.update_item(
                TableName=self._name,
                Key=pack({"id": delivery_id}),
                UpdateExpression=update,
                ConditionExpression=f"#status IN ({', '.join(allowed)})",
                ExpressionAttributeNames={**names, "#status": "status"},
                ExpressionAttributeValues=pack({**arguments, **allowed}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def note_deployment(self, delivery_id: str, status: DeployStatus, *, reason: str, deployment_id: str = "") -> bool:
        """Write what became of the delivery's artifact at the deployer. False if there is no such delivery."""
        values = {"deploy_status": status, "deploy_reason": reason, "updated_at": timestamp()}
        if deployment_id:
            values["deployment_id"] = deployment_id
        try:
            self._client.update_item(
                TableName=self._name,
                Key=pack({"id": delivery_id}),
                UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
                ConditionExpression="feed = :feed",
                ExpressionAttributeValues=pack({f":{name}": value for name, value in values.items()} | {":feed": FEED}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def head(self, repository: str, ref: str) -> Head:
        """What is known of a ref; an empty head for a new one."""
        item = self.get(head_id(repository, ref)) or {}
        return Head(**{name: str(item.get(name, "")) for name in Head.__slots__})

    def advance_head(self, repository: str, ref: str, head: Head) -> bool:
        """Make `head` the newest delivery of its ref. False if a later one already is."""
        try:
            self._client.update_item(
                TableName=self._name,
                Key=pack({"id": head_id(repository, ref)}),
                UpdateExpression="SET delivery_id = :d, received_at = :r, #c = :c, #b = :b, repository = :o, #f = :f",
                ConditionExpression="attribute_not_exists(received_at) OR received_at <= :r",
                ExpressionAttributeNames={"#c": "commit", "#b": "before", "#f": "ref"},
                ExpressionAttributeValues=pack(
                    {
                        ":d": head.delivery_id,
                        ":r": head.received_at,
                        ":c": head.commit,
                        ":b": head.before,
                        ":o": repository,
                        ":f": ref,
                    }
                ),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def remember_artifact(self, repository: str, ref: str, *, version_id: str, content_digest: str) -> None:
        """Note which version of the artifact has which content, so that the same content is not stored twice."""
        self._client.update_item(
            TableName=self._name,
            Key=pack({"id": head_id(repository, ref)}),
            UpdateExpression="SET artifact_version_id = :v, content_digest = :d",
            ExpressionAttributeValues=pack({":v": version_id, ":d": content_digest}),
        )
