"""A field for an AWS region: one of AWS's own list."""

from typing import Any

from django import forms

from deployers.aws import regions


class RegionField(forms.ChoiceField):
    """The regions of AWS, grouped by partition where there are several."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", "Region")
        kwargs.setdefault("initial", "us-east-1")
        super().__init__(choices=_choices, error_messages={"invalid_choice": "AWS has no such region."}, **kwargs)


def _choices() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (regions.PARTITIONS[partition], [(name, f"{name} · {words}") for name, words in found.items()])
        for partition, found in regions.offered().items()
    ]
