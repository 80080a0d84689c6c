"""A field for an AWS region: the well-known ones are offered, any other can be typed."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
OFFERED = (
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "il-central-1",
    "me-central-1",
    "af-south-1",
    "sa-east-1",
)


class RegionInput(forms.TextInput):
    template_name = "components/region.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["regions"] = OFFERED
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_regions"
        return context


class RegionField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", "Region")
        kwargs.setdefault("initial", "us-east-1")
        super().__init__(
            max_length=32,
            widget=RegionInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            validators=[RegexValidator(r"\A[a-z]{2}(-[a-z]+)+-\d+\Z", "Write it like eu-west-1.")],
            **kwargs,
        )
