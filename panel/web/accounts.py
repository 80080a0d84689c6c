"""Pages of AWS accounts."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from deployers.models import AccessMethod, AwsAccount, StackKind
from deployers.services import accounts
from integrations.models import Deployer, Integration
from panel.web import paging, queries
from panel.web.access import PageRequest, find, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages, errors_on
from panel.web.reauthentication import confirmed
from panel.web.regions import RegionField
from teams import policy
from teams.policy import Act


class AccountForm(forms.Form):
    """One way into an account: a role (the trust policy comes first), access keys, or the panel's own credentials."""

    name = forms.CharField(max_length=80, help_text="What you call it here, such as production.")
    role_arn = forms.CharField(
        label="Account id, or role ARN",
        max_length=2048,
        help_text="The twelve digits of the account: the next page makes the role. Or the ARN of a role that is there.",
        widget=forms.TextInput(attrs={"placeholder": "arn:aws:iam::123456789012:role/Sluice", "spellcheck": "false"}),
    )
    access_key_id = forms.CharField(
        label="Access key id", max_length=128, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    secret_access_key = forms.CharField(
        label="Secret access key", widget=forms.PasswordInput(attrs={"autocomplete": "off"})
    )
    default_region = RegionField(help_text="Offered first for new integrations.")

    FIELDS = {
        AccessMethod.ROLE: ("role_arn",),
        AccessMethod.KEYS: ("access_key_id", "secret_access_key"),
        AccessMethod.AMBIENT: (),
    }

    def __init__(self, *args: Any, method: AccessMethod, editing: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for other in {name for names in self.FIELDS.values() for name in names} - set(self.FIELDS[method]):
            del self.fields[other]
        if editing and "role_arn" in self.fields:
            self.fields["role_arn"].label, self.fields["role_arn"].help_text = (
                "Role ARN",
                "Another one is checked anew.",
            )
        if editing and method == AccessMethod.KEYS:
            self.fields["secret_access_key"].required = False
            self.fields["secret_access_key"].help_text = "Leave it empty to keep the present one."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = cleaned.get("role_arn", "")
        if len(given) == 12 and given.isascii() and given.isdigit():
            cleaned["role_arn"] = accounts.role_arn_in(given, region=cleaned.get("default_region", ""))
        return cleaned


METHODS: tuple[tuple[AccessMethod, str, str], ...] = (
    (AccessMethod.ROLE, "shield-lock", "A role that trusts Sluice with an external id. Best for every account."),
    (AccessMethod.KEYS, "key", "Access keys of an IAM user, kept encrypted. Where roles cannot be assumed."),
    (AccessMethod.AMBIENT, "server", "What the panel itself runs with: an instance profile or environment variables."),
)


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = (
        AwsAccount.objects.visible_to(request.user)
        .of(request.team)
        .annotate(integration_count=Count("integrations"))
        .order_by("name", "pk")
    )
    return render(request, "accounts/list.html", {"page": paging.numbered(request, rows)})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def add(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.ADMINISTER_ACCOUNTS, user=request.user, team=request.team)
    chosen = request.GET.get("method", "")
    lent = accounts.may_lend_own(request.user)
    if chosen not in AccessMethod.values or (request.method != "POST" and chosen == AccessMethod.AMBIENT and not lent):
        offered = [each for each in METHODS if lent or each[0] != AccessMethod.AMBIENT]
        return render(request, "accounts/methods.html", {"methods": offered})
    method = AccessMethod(chosen)
    form = AccountForm(request.POST or None, method=method)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            account = accounts.create(team=request.team, actor=request.user, method=method, **form.cleaned_data)
            messages.success(request, f"{account} added.")
            if method != AccessMethod.ROLE:  # a role lets nobody in before it has the trust policy of the next page
                with errors_as_messages(request):
                    accounts.check(account=account, actor=request.user)
            return redirect("account-detail", account.pk)
    return render(request, "accounts/form.html", {"form": form, "method": method})


@require_safe
@page
def detail(request: PageRequest, pk: UUID) -> HttpResponseBase:
    account = find(request, AwsAccount.objects.visible_to(request.user), pk=pk)
    context: dict[str, Any] = {
        "account": account,
        "integrations": queries.integrations(Integration.objects.visible_to(request.user).filter(aws_account=account))[
            : paging.PAGE_SIZE
        ],
    }
    administers = request.role.includes(policy.RULES[Act.ADMINISTER_ACCOUNTS].role)
    if account.method == AccessMethod.ROLE and administers:
        chosen = request.GET.getlist("for") if "chosen" in request.GET else [*Deployer.values]
        context |= {
            "trust_policy": json.dumps(accounts.trust_policy(account=account, actor=request.user), indent=2),
            "permissions": json.dumps(accounts.permissions(), indent=2),
            "chosen": chosen,
            "has_principal": bool(accounts.panel_principal()),
            "deployers": Deployer.choices,
            "launch": accounts.launch(
                account=account,
                actor=request.user,
                codedeploy=Deployer.CODEDEPLOY in chosen,
                ecs=Deployer.ECS in chosen,
            ),
        }
    if found := accounts.findings_of(account):
        context |= {
            "findings": found,
            "kinds": [(StackKind(kind).label, lacks) for kind, lacks in found.missing.items()],
        }
    return render(request, "accounts/detail.html", context)


@require_safe
@page
def access_template(request: PageRequest, pk: UUID) -> HttpResponseBase:
    """The template of the role, for the AWS CLI or for upload in the console."""
    find(request, AwsAccount.objects.visible_to(request.user), pk=pk)
    policy.require(Act.ADMINISTER_ACCOUNTS, user=request.user, team=request.team)
    answer = HttpResponse(accounts.access_template(), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{accounts.ACCESS_TEMPLATE_FILE}"'
    return answer


@require_POST
@page
def check(request: PageRequest, pk: UUID) -> HttpResponseBase:
    account = find(request, AwsAccount.objects.visible_to(request.user), pk=pk)
    with errors_as_messages(request):
        caller = accounts.check(account=account, actor=request.user)
        messages.success(request, f"Connected as {caller}.")
    return redirect("account-detail", account.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: PageRequest, pk: UUID) -> HttpResponseBase:
    account = find(request, AwsAccount.objects.visible_to(request.user), pk=pk)
    policy.require(Act.ADMINISTER_ACCOUNTS, user=request.user, team=request.team)
    shown = ("name", "role_arn", "access_key_id", "default_region")
    form = AccountForm(
        request.POST or None,
        method=AccessMethod(account.method),
        editing=True,
        initial={name: getattr(account, name) for name in shown},
    )
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            accounts.update(account=account, actor=request.user, **form.cleaned_data)
            messages.success(request, "Saved.")
            return redirect("account-detail", account.pk)
    return render(request, "accounts/form.html", {"form": form, "account": account, "method": account.method})


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete(request: PageRequest, pk: UUID) -> HttpResponseBase:
    account = find(request, AwsAccount.objects.visible_to(request.user), pk=pk)
    policy.require(Act.ADMINISTER_ACCOUNTS, user=request.user, team=request.team)

    def act(_cleaned: dict[str, Any]) -> str:
        accounts.delete(account=account, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=account.name),
        title=f"Remove {account}",
        consequences=[
            "Sluice forgets how to get into this account. Nothing changes in AWS.",
            "The role or user that it came in with stays: delete it in IAM if nothing else uses it.",
        ],
        button="Remove account",
        back=reverse("account-detail", args=[account.pk]),
        act=act,
        then="account-list",
        done=f"{account} removed.",
    )
