"""The fields of a deployer's stack: what the account has is offered as lists, and anything can be typed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from deployers.models import AwsAccount, StackKind
from deployers.services import choices, targets
from deployers.services.choices import Choices
from integrations.models import Deployer

Option = tuple[str, str]


class ListedInput(forms.TextInput):
    """A text field that offers values, each with words; `problem` says why there are none."""

    template_name = "components/listed.html"

    def __init__(self, **attributes: Any) -> None:
        super().__init__(attrs={"autocomplete": "off", "spellcheck": "false", **attributes})
        self.options: Sequence[Option] = ()
        self.problem = ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context |= {"options": self.options, "problem": self.problem}
        if self.options:
            context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_options"
        return context


class ManyListedInput(ListedInput):
    """The same for several values: those offered are ticked, others typed. Its value is text with commas."""

    template_name = "components/many_listed.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:  # noqa: ARG002
        given = data.getlist(name) if hasattr(data, "getlist") else [data.get(name, "")]
        return ",".join(targets.split(",".join(given)))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        chosen = targets.split(value or "")
        offered = {option for option, _ in self.options}
        context["ticks"] = [(option, words, option in chosen) for option, words in self.options]
        context["widget"]["value"] = ", ".join(each for each in chosen if each not in offered)
        context["widget"]["attrs"].pop("list", None)
        return context


_PORT = RegexValidator(r"\A[1-9][0-9]{0,4}\Z", "Write a port, from 1 to 65535.")
_NUMBER = RegexValidator(r"\A[0-9]{1,4}\Z", "Write a number.")


def _text(
    label: str, help_text: str = "", widget: forms.Widget | None = None, *, required: bool = False, **fields: Any
) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=2048,
        help_text=help_text,
        widget=widget or forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        **fields,
    )


class DeployerForm(forms.Form):
    """The parameters of a deployer's stack that people choose; its fields are called as those are."""

    DEPLOYER: Deployer
    KIND: StackKind
    LISTS: Mapping[str, str] = {}
    """Which field each list of the account is offered at, besides VPC and Subnets."""
    GROUPS: Sequence[tuple[str, Sequence[str]]] = ()
    # The page hides them while the deployer is not chosen, and browsers cannot point at what is hidden.
    use_required_attribute = False

    def __init__(self, data: Mapping[str, Any] | None, *, present: Mapping[str, Any]) -> None:
        known = {name: value for name, value in present.items() if name in self.base_fields}
        super().__init__(data, prefix=self.KIND, initial=known)

    @property
    def chosen(self) -> dict[str, str]:
        """Parameters that were given; an empty field leaves the template's own value."""
        return {name: value for name, value in self.cleaned_data.items() if value}

    def check_against(self, account: AwsAccount, region: str, parameters: Mapping[str, Any]) -> list[str]:
        """Put what does not fit at its field; returns what has no field here."""
        elsewhere = []
        for each in targets.problems(kind=self.KIND, parameters=parameters, account=account, region=region):
            if each.parameter in self.fields:
                if not self.has_error(each.parameter):
                    self.add_error(each.parameter, each.message)
            else:
                elsewhere.append(f"{each.parameter}: {each.message}")
        return elsewhere

    def offer(self, there: Choices) -> None:
        """Fill the lists in. The only network there is, and its public subnets, are chosen unless another one is."""
        vpcs = there.vpcs or ()
        if not self.is_bound and not self["VPC"].value() and len(vpcs) == 1:
            public = [each.id for each in there.subnets or () if each.vpc == vpcs[0].id and each.public]
            self.initial = {**self.initial, "VPC": vpcs[0].id, "Subnets": ",".join(public)}
        vpc = str(self["VPC"].value() or "")
        self._fill(
            "VPC",
            "vpcs",
            there,
            ((each.id, _words(each.name, each.cidr, each.default and "default")) for each in vpcs),
        )
        subnets = sorted(there.subnets or (), key=lambda each: (each.vpc, each.zone, each.id))
        known = any(each.vpc == vpc for each in subnets)
        self._fill(
            "Subnets",
            "subnets",
            there,
            (
                (
                    each.id,
                    _words(each.zone, each.name, each.cidr, not known and each.vpc, not each.public and "private"),
                )
                for each in subnets
                if each.vpc == vpc or not known
            ),
        )
        types = ((name, _words(*zones)) for name, zones in (there.instance_types or {}).items())
        certificates = (
            (each.arn, _words(each.domain, each.status != "ISSUED" and "not issued yet"))
            for each in there.certificates or ()
        )
        zones = ((each.id, each.name) for each in there.hosted_zones or ())
        for source, options in (
            ("instance_types", types),
            ("key_pairs", ((name, "") for name in there.key_pairs or ())),
            ("certificates", certificates),
            ("hosted_zones", zones),
        ):
            if name := self.LISTS.get(source):
                self._fill(name, source, there, options)

    def _fill(self, name: str, source: str, there: Choices, options: Iterable[Option]) -> None:
        widget = self.fields[name].widget
        assert isinstance(widget, ListedInput)  # noqa: S101
        widget.options, widget.problem = tuple(options), there.problems.get(source, "")

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Titles and their fields, in the order in which they are asked for."""
        return [(title, [self[name] for name in names]) for title, names in self.GROUPS]


class CodeDeployForm(DeployerForm):
    DEPLOYER = Deployer.CODEDEPLOY
    KIND = StackKind.CODEDEPLOY
    VPC = _text("VPC", "The network of the instances and of the load balancer.", ListedInput(), required=True)
    Subnets = _text("Subnets", "Public ones, in at least two zones.", ManyListedInput(), required=True)
    InstanceType = _text("Instance type", widget=ListedInput(), initial=targets.DEFAULTS["InstanceType"])
    MinSize = _text("Instances, at least", initial=targets.DEFAULTS["MinSize"])
    DesiredCapacity = _text("Instances to begin with", initial=targets.DEFAULTS["DesiredCapacity"])
    MaxSize = _text("Instances, at most", initial=targets.DEFAULTS["MaxSize"])
    HealthCheckPort = _text(
        "Port of the application", "The load balancer sends requests there, such as 8080.", required=True
    )
    HealthCheckPath = _text("Path of the health check", "It answers 200 to 399 when all is well.", initial="/")
    ACMARN = _text("Certificate", "For HTTPS. Empty: plain HTTP, unless a domain name is given.", ListedInput())
    HostedZoneId = _text("Hosted zone", "For a domain name of its own.", ListedInput())
    DomainName = _text(
        "Domain name",
        "In the hosted zone, such as shop.example.com. It gets a certificate unless one is chosen.",
        validators=[
            RegexValidator(r"\A([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z", "Write it in lower case.")
        ],
    )
    KeyName = _text("Key pair", "For SSH. Empty: none; Session Manager works without.", ListedInput())
    SshCidr = _text(
        "Network that may use SSH",
        "Such as 203.0.113.0/24. Empty: none.",
        validators=[RegexValidator(r"\A\d{1,3}(\.\d{1,3}){3}/\d{1,2}\Z", "Write it like 203.0.113.0/24.")],
    )

    LISTS = {
        "instance_types": "InstanceType",
        "key_pairs": "KeyName",
        "certificates": "ACMARN",
        "hosted_zones": "HostedZoneId",
    }
    GROUPS = (
        ("Network", ("VPC", "Subnets")),
        ("Instances", ("InstanceType", "MinSize", "DesiredCapacity", "MaxSize")),
        ("Application", ("HealthCheckPort", "HealthCheckPath")),
        ("Address", ("HostedZoneId", "DomainName", "ACMARN")),
        ("SSH", ("KeyName", "SshCidr")),
    )


class EcsForm(DeployerForm):
    DEPLOYER = Deployer.ECS
    KIND = StackKind.ECS

    VPC = _text("VPC", "The network of the service and of its load balancer.", ListedInput(), required=True)
    Subnets = _text("Subnets", "Public ones, in at least two zones.", ManyListedInput(), required=True)
    LaunchType = forms.ChoiceField(
        label="Containers run on",
        choices=(("EC2", "EC2: instances that ECS scales"), ("FARGATE", "Fargate: no instances of your own")),
        widget=forms.RadioSelect,
        required=False,
        initial="EC2",
    )
    ContainerInstanceType = _text(
        "Instance type", "For EC2.", ListedInput(), initial=targets.DEFAULTS["ContainerInstanceType"]
    )
    ContainerInstanceKeyPair = _text(
        "Key pair", "For SSH to the instances. Empty: none; Session Manager works without.", ListedInput()
    )
    ContainerPort = _text("Port of the container", initial="80", validators=[_PORT])
    HealthCheckPath = _text("Path of the health check", "It answers 200 to 399 when all is well.", initial="/")
    ECSTaskDesiredCount = _text("Tasks, at least", initial="1", validators=[_NUMBER])
    ECSTaskMaxCount = _text("Tasks, at most", initial="4", validators=[_NUMBER])
    ACMARN = _text("Certificate", "For HTTPS. Empty: plain HTTP.", ListedInput())
    SNSTopicEmailAddress = forms.EmailField(
        label="Who approves",
        required=False,
        help_text="Each deployment waits until it is approved, and this address hears of it. Empty: nothing waits.",
    )

    LISTS = {
        "instance_types": "ContainerInstanceType",
        "key_pairs": "ContainerInstanceKeyPair",
        "certificates": "ACMARN",
    }
    GROUPS = (
        ("Network of the service", ("VPC", "Subnets")),
        ("Containers", ("LaunchType", "ContainerInstanceType", "ContainerInstanceKeyPair")),
        ("Service", ("ContainerPort", "HealthCheckPath", "ECSTaskDesiredCount", "ECSTaskMaxCount", "ACMARN")),
        ("Approval", ("SNSTopicEmailAddress",)),
    )


FORMS: tuple[type[DeployerForm], ...] = (CodeDeployForm, EcsForm)


def offered(account: AwsAccount | None, region: str) -> Choices | None:
    """The lists of an account and region; None while there is neither."""
    return choices.of(account, region) if account and region else None


def _words(*parts: str | bool) -> str:
    return " · ".join(str(part) for part in parts if part)
