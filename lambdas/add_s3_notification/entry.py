"""One entry of a bucket's notification configuration: how it is written, found and compared.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus, unquote_plus

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import FilterRuleTypeDef, LambdaFunctionConfigurationTypeDef

Configuration = dict[str, Any]
_LISTS = ("LambdaFunctionConfigurations", "QueueConfigurations", "TopicConfigurations")
OURS = _LISTS[0]
EVENT_BRIDGE = "EventBridgeConfiguration"
EVENT: Literal["s3:ObjectCreated:*"] = "s3:ObjectCreated:*"


class Overlap(Exception):
    """Another entry already tells someone of the same objects, which S3 does not allow twice."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Calls `function_arn` for each new version of the object `key`."""

    id: str
    function_arn: str
    key: str

    @property
    def prefix(self) -> str:
        """The whole key, with what is special percent-encoded.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
        """
        return quote_plus(self.key, safe="/!-_.*'()~")

    @property
    def suffix(self) -> str:
        """The key's extension: so an entry for, say, every .jpg of the bucket is no overlap."""
        return quote_plus(PurePosixPath(self.key).suffix, safe="/!-_.*'()~")

    def document(self) -> "LambdaFunctionConfigurationTypeDef":
        """As S3 takes it."""
        rules: list[FilterRuleTypeDef] = [{"Name": "prefix", "Value": self.prefix}]
        if self.suffix:
            rules.append({"Name": "suffix", "Value": self.suffix})
        return {
            "Id": self.id,
            "LambdaFunctionArn": self.function_arn,
            "Events": [EVENT],
            "Filter": {"Key": {"FilterRules": rules}},
        }

    def is_in(self, configuration: Configuration) -> bool:
        """Whether it stands there just so."""
        wanted = {"prefix": self.prefix, **({"suffix": self.suffix} if self.suffix else {})}
        return any(
            each["LambdaFunctionArn"] == self.function_arn and each["Events"] == [EVENT] and _filters(each) == wanted
            for each in configuration.get(OURS, [])
            if each.get("Id") == self.id
        )

    def check_overlap(self, configuration: Configuration) -> None:
        """Raise Overlap if an entry of a configuration without this one is for the same objects and events."""
        for other in _all(configuration):
            filters = _filters(other)
            prefix, suffix = unquote_plus(filters.get("prefix", "")), unquote_plus(filters.get("suffix", ""))
            if (
                any(_same_event(event, EVENT) for event in other["Events"])
                and _one_begins_the_other(prefix, self.key)
                and _one_begins_the_other(suffix[::-1], unquote_plus(self.suffix)[::-1])
            ):
                raise Overlap(
                    f"The bucket's notification {other.get('Id', 'without an id')!r} ({_target(other)}) is for "
                    f"{prefix or 'every object'}{f' and ends with {suffix}' if suffix else ''} already, and S3 takes "
                    f"one notification for each object and event. Remove that one, or narrow it down, so that it does "
                    f"not cover {self.key}."
                )


@dataclass(frozen=True, slots=True)
class Change:
    """What a configuration is to have, and to have no more."""

    add: Entry | None = None
    remove: frozenset[str] = frozenset()
    """Ids of entries; what is added takes the place of one with its id in any case."""
    event_bridge: bool = False
    """Whether all events go to EventBridge too. It is never switched off, as others may have come to rely on it."""

    def applied_to(self, configuration: Configuration) -> Configuration | None:
        """The configuration with the change; None if it has it already. Raises Overlap.

        Everyone else's entries stay as they are.
        """
        own = {self.add.id} if self.add else set()
        there = {each.get("Id") for each in configuration[OURS]}
        if (
            (self.add is None or self.add.is_in(configuration))
            and not there & (self.remove - own)
            and (not self.event_bridge or EVENT_BRIDGE in configuration)
        ):
            return None
        left = [each for each in configuration[OURS] if each.get("Id") not in self.remove | own]
        changed = {**configuration, OURS: left}
        if self.add is not None:
            self.add.check_overlap(changed)
            left.append(self.add.document())
        return {**changed, EVENT_BRIDGE: {}} if self.event_bridge else changed


def configuration_of(answer: Mapping[str, Any]) -> Configuration:
    """What GetBucketNotificationConfiguration answered, as it may be put again."""
    return {OURS: [], **{name: value for name, value in answer.items() if name != "ResponseMetadata"}}


def _all(configuration: Configuration) -> Iterator[Mapping[str, Any]]:
    for name in _LISTS:
        yield from configuration.get(name, [])


def _filters(entry: Mapping[str, Any]) -> dict[str, str]:
    """S3 answers the names with a capital letter, whatever it was given."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {rule["Name"].lower(): rule["Value"] for rule in rules if rule.get("Value")}


def _same_event(one: str, other: str) -> bool:
    one, other = one.removesuffix("*"), other.removesuffix("*")
    return _one_begins_the_other(one, other)


def _one_begins_the_other(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _target(entry: Mapping[str, Any]) -> str:
    return next((entry[name] for name in ("LambdaFunctionArn", "QueueArn", "TopicArn") if name in entry), "unknown")
