"""API tokens: one's own, and for admins those of the team's service accounts. Made, shown once, revoked."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from integrations.models import Integration
from panel.web.access import PageRequest, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_on
from panel.web.reauthentication import confirmed
from teams import policy
from teams.models import ApiToken, Membership, Role, Scope, User
from teams.policy import Act
from teams.services import service_accounts, tokens

_SCOPES = (
    (Scope.READ, "Read: see everything its owner sees"),
    (Scope.DEPLOY, "Deploy: also redeliver, redeploy, roll back, stop, approve"),
    (Scope.PROVISION, "Provision: also add, change and provision integrations, rotate keys"),
    (Scope.ADMIN, "Admin: all that its owner may"),
)


class TokenForm(forms.Form):
    LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "No end"))

    name = forms.CharField(max_length=80, help_text="What will use it, such as ci.")
    scope = forms.ChoiceField(choices=_SCOPES, initial=Scope.READ, widget=forms.RadioSelect)
    lifetime = forms.ChoiceField(label="Valid for", choices=LIFETIMES, initial=str(tokens.DEFAULT_DAYS))
    restricted_to = forms.ModelMultipleChoiceField(
        label="Only for these integrations",
        queryset=Integration.objects.none(),
        required=False,
        help_text="Choose none to allow all of the team's, also those added later.",
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields["restricted_to"]
        assert isinstance(offered, forms.ModelMultipleChoiceField)  # noqa: S101
        offered.queryset = Integration.objects.of(request.team).order_by("name")

    def chosen(self) -> dict[str, Any]:
        """As `tokens.create` takes it."""
        given = self.cleaned_data
        only = [each.pk for each in given["restricted_to"]]
        forever = given["lifetime"] == "never"
        return {
            "name": given["name"],
            "scope": Scope(given["scope"]),
            "restricted_to": only or None,
            "expires_at": None if forever else timezone.now() + timedelta(days=int(given["lifetime"])),
        }


class ServiceAccountForm(forms.Form):
    name = forms.CharField(max_length=40, help_text="What it is for, such as deploy-bot.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.OPERATOR)


def _administers(request: PageRequest) -> bool:
    return request.role.includes(policy.RULES[Act.ADMINISTER_SERVICE_ACCOUNTS].role)


def _revocable(request: PageRequest) -> QuerySet[ApiToken]:
    """One's own tokens and, for admins, those of service accounts."""
    whose = Q(user=request.user)
    if _administers(request):
        whose |= Q(user__is_service_account=True)
    return ApiToken.objects.filter(whose, team=request.team).select_related("user", "team")


@require_safe
@never_cache
@page
def index(request: PageRequest) -> HttpResponseBase:
    rows = list(_revocable(request))
    context: dict[str, Any] = {
        "tokens": [each for each in rows if each.user_id == request.user.pk],
        "now": timezone.now(),
    }
    if _administers(request):
        context["accounts"] = [
            (each, [token for token in rows if token.user_id == each.user_id])
            for each in service_accounts.of(request.team)
        ]
    return render(request, "tokens/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
@confirmed
def add(request: PageRequest, account: int | None = None) -> HttpResponseBase:
    """A token of one's own or of a service account; shown in the very answer that makes it."""
    owner = _account(request, account).user if account is not None else request.user
    form = TokenForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            token, plain = tokens.create(actor=request.user, team=request.team, owner=owner, **form.chosen())
            # It is kept nowhere, so there is nothing to redirect to.
            return render(request, "tokens/made.html", {"made": token, "plain": plain})
    return render(request, "tokens/add.html", {"form": form, "owner": owner})


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def revoke(request: PageRequest, pk: UUID) -> HttpResponseBase:
    token = get_object_or_404(_revocable(request), pk=pk)

    def act(_cleaned: dict[str, Any]) -> str:
        tokens.revoke(token=token, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=token.name),
        title=f"Revoke {token.name}",
        consequences=["What uses this token gets 401 from the API from now on."],
        button="Revoke token",
        back=reverse("token-list"),
        act=act,
        then="token-list",
        done=f"{token.name} revoked.",
    )


def _account(request: PageRequest, pk: int) -> Membership:
    policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=request.user, team=request.team)
    rows = Membership.objects.filter(team=request.team, user__is_service_account=True).select_related("user")
    return get_object_or_404(rows, user_id=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def add_account(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=request.user, team=request.team)
    form = ServiceAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            given = form.cleaned_data
            made = service_accounts.create(
                team=request.team, actor=request.user, name=given["name"], role=Role(given["role"])
            )
            return redirect("service-account-token", made.pk)
    return render(request, "tokens/add_account.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def delete_account(request: PageRequest, account: int) -> HttpResponseBase:
    user: User = _account(request, account).user

    def act(_cleaned: dict[str, Any]) -> str:
        service_accounts.delete(account=user, team=request.team, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=user.first_name),
        title=f"Delete {user.first_name}",
        consequences=[
            "Its tokens are revoked: what uses them gets 401 from the API from now on.",
            "What it did stays in the audit log.",
        ],
        button="Delete service account",
        back=reverse("token-list"),
        act=act,
        then="token-list",
        done=f"{user.first_name} deleted.",
    )
