"""The deployments table: one item a (target, version), so that however often an event comes, one deployment is made.

Whoever creates a deployment holds a claim with a lease. A claim whose holder died is taken over; what is final stays.
Beside the versions lies one item a target, `<target>#waiting`, with the versions that wait for a running deployment.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lambdas.common.attributes import pack, unpack
from lambdas.common.deliveries import timestamp
from lambdas.common.statuses import DeployStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT = 180 * 24 * 3600
"""Seconds until DynamoDB removes an item, by the attribute `expires_at`."""


class State(StrEnum):
    """A deploy status, or that someone works on it."""

    CLAIMED = "claimed"
    WAITING = DeployStatus.WAITING
    DEPLOYING = DeployStatus.DEPLOYING
    REFUSED = DeployStatus.REFUSED
    SKIPPED = DeployStatus.SKIPPED
    FAILED = DeployStatus.FAILED

    @property
    def final(self) -> bool:
        """Whether this version is done with."""
        return self not in (State.CLAIMED, State.WAITING)


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a version at its target."""

    version_id: str
    state: State
    delivery_id: str = ""
    claimed_at: str = ""
    """When it was first taken up."""
    attempts: int = 0
    """How often it was taken up."""
    failures: int = 0
    """How often that ended with an error that may pass."""


class Records:
    """Reads and writes the items of one target. `owner` is this invocation."""

    def __init__(self, client: "DynamoDBClient", table: str, *, target: str, owner: str) -> None:
        self._client, self._table, self._target, self._owner = client, table, target, owner

    def get(self, version_id: str) -> Record | None:
        """As it is now."""
        answer = self._client.get_item(TableName=self._table, Key=self._key(version_id), ConsistentRead=True)
        return _record(version_id, answer["Item"]) if "Item" in answer else None

    def claim(self, version_id: str, *, delivery_id: str, commit: str, seconds: float) -> Record | None:
        """Take a version up for so many seconds; None if it is done with, or someone else holds it."""
        now = int(time.time())
        return self._update(
            version_id,
            "SET #state = :claimed, #owner = :owner, lease_until = :until, delivery_id = :delivery, #commit = :commit,"
            " claimed_at = if_not_exists(claimed_at, :at), updated_at = :at, expires_at = :expires"
            " ADD attempts :one",
            "attribute_not_exists(id) OR #state = :waiting OR (#state = :claimed AND lease_until < :now)",
            {
                ":claimed": State.CLAIMED,
                ":waiting": State.WAITING,
                ":owner": self._owner,
                ":until": now + int(seconds),
                ":now": now,
                ":delivery": delivery_id,
                ":commit": commit,
                ":at": timestamp(),
                ":expires": now + KEPT,
                ":one": 1,
            },
            {"#state": "state", "#owner": "owner", "#commit": "commit"},
        )

    def settle(self, version_id: str, state: State, *, reason: str, deployment_id: str = "") -> bool:
        """End one's own claim. False if it was taken over in the meantime."""
        return bool(
            self._update(
                version_id,
                "SET #state = :to, reason = :reason, deployment_id = :deployment, updated_at = :at,"
                " lease_until = :zero",
                "#state = :claimed AND #owner = :owner",
                {
                    ":to": state,
                    ":reason": reason,
                    ":deployment": deployment_id,
                    ":at": timestamp(),
                    ":zero": 0,
                    ":claimed": State.CLAIMED,
                    ":owner": self._owner,
                },
                {"#state": "state", "#owner": "owner"},
            )
        )

    def let_go(self, version_id: str, *, reason: str) -> None:
        """End one's own claim after an error that may pass: the next event takes it up at once."""
        self._update(
            version_id,
            "SET reason = :reason, updated_at = :at, lease_until = :zero ADD failures :one",
            "#state = :claimed AND #owner = :owner",
            {
                ":reason": reason,
                ":at": timestamp(),
                ":zero": 0,
                ":one": 1,
                ":claimed": State.CLAIMED,
                ":owner": self._owner,
            },
            {"#state": "state", "#owner": "owner"},
        )

    def skip(self, version_id: str, *, reason: str, delivery_id: str = "") -> Record | None:
        """Note that a version is not deployed any more; None if it was, or is being deployed."""
        now = int(time.time())
        return self._update(
            version_id,
            "SET #state = :skipped, reason = :reason, updated_at = :at, expires_at = :expires,"
            " delivery_id = if_not_exists(delivery_id, :delivery)",
            "attribute_not_exists(id) OR #state = :waiting OR (#state = :claimed AND lease_until < :now)",
            {
                ":skipped": State.SKIPPED,
                ":waiting": State.WAITING,
                ":claimed": State.CLAIMED,
                ":reason": reason,
                ":delivery": delivery_id,
                ":at": timestamp(),
                ":expires": now + KEPT,
                ":now": now,
            },
            {"#state": "state"},
        )

    def waiting(self) -> frozenset[str]:
        """The versions that wait for a deployment to end."""
        answer = self._client.get_item(TableName=self._table, Key=self._key("waiting"), ConsistentRead=True)
        return frozenset(answer.get("Item", {}).get("versions", {}).get("SS", []))

    def add_waiting(self, version_id: str) -> None:
        """Note that the end of a deployment concerns this version."""
        self._change_waiting("ADD", version_id)

    def remove_waiting(self, version_id: str) -> None:
        """May be called for a version that does not wait."""
        self._change_waiting("DELETE", version_id)

    def _change_waiting(self, action: str, version_id: str) -> None:
        self._client.update_item(
            TableName=self._table,
            Key=self._key("waiting"),
            UpdateExpression=f"{action} versions :versions",
            ExpressionAttributeValues={":versions": {"SS": [version_id]}},
        )

    def _update(
        self, version_id: str, update: str, condition: str, values: dict[str, Any], names: dict[str, str]
    ) -> Record | None:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=self._key(version_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=pack(values),
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return _record(version_id, answer["Attributes"])

    def _key(self, version_id: str) -> dict[str, Any]:
        return pack({"id": f"{self._target}#{version_id}"})


def _record(version_id: str, attributes: dict[str, Any]) -> Record:
    item = unpack(attributes)
    return Record(
        version_id=version_id,
        state=State(item["state"]),
        delivery_id=str(item.get("delivery_id", "")),
        claimed_at=str(item.get("claimed_at", "")),
        attempts=int(item.get("attempts", 0)),
        failures=int(item.get("failures", 0)),
    )
