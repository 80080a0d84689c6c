"""The user's API tokens: made, shown once, revoked."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from panel.web.access import PageRequest, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.reauthentication import confirmed
from teams.models import ApiToken
from teams.services import audit, tokens


class TokenForm(forms.Form):
    LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "No end"))

    name = forms.CharField(max_length=80, help_text="What will use it, such as ci.")
    lifetime = forms.ChoiceField(label="Valid for", choices=LIFETIMES, initial="90")


def _mine(request: PageRequest) -> Any:
    return ApiToken.objects.filter(user=request.user, team=request.team)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
def index(request: PageRequest) -> HttpResponseBase:
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        days = form.cleaned_data["lifetime"]
        token, plain = tokens.create(
            user=request.user,
            team=request.team,
            name=form.cleaned_data["name"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days != "never" else None,
        )
        audit.record(actor=request.user, team=request.team, action="token.create", target=token)
        # Shown in this very answer: it is kept nowhere, so there is nothing to redirect to.
        context |= {"form": TokenForm(), "made": token, "plain": plain}
    context |= {"tokens": _mine(request), "now": timezone.now()}
    return render(request, "tokens/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def revoke(request: PageRequest, pk: UUID) -> HttpResponseBase:
    token = get_object_or_404(_mine(request), pk=pk)

    def act(_cleaned: dict[str, Any]) -> str:
        audit.record(actor=request.user, team=request.team, action="token.revoke", target=token)
        token.delete()
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
