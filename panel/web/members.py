"""Members of the team at hand: who they are, their roles, and who is invited."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from panel.web.access import PageRequest, page
from panel.web.confirm import ConfirmForm, confirm
from panel.web.outcomes import errors_as_messages, errors_on
from panel.web.reauthentication import confirmed
from teams import policy
from teams.models import Invitation, Membership, Role
from teams.policy import Act
from teams.services import invitations, mail, members

ROLES = (
    (Role.VIEWER, "Viewer: sees everything of the team"),
    (Role.OPERATOR, "Operator: also adds, provisions and deploys"),
    (Role.ADMIN, "Admin: also manages providers, AWS accounts and members, and deletes"),
)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES, widget=forms.RadioSelect)


class InvitationForm(forms.Form):
    DAYS = (("1", "1 day"), ("7", "7 days"), ("30", "30 days"))

    role = forms.ChoiceField(choices=ROLES, initial=Role.VIEWER, widget=forms.RadioSelect)
    days = forms.ChoiceField(label="Valid for", choices=DAYS, initial=str(invitations.DEFAULT_DAYS))
    email = forms.EmailField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if mail.is_configured():
            self.fields["email"].help_text = "The link is sent there. Left empty, you get it and send it yourself."
        else:
            self.fields["email"].disabled = True
            self.fields["email"].help_text = "This panel cannot send e-mail: you get a link and send it yourself."


class HandOverForm(ConfirmForm):
    then = forms.ChoiceField(
        label="Your role afterwards", choices=(ROLES[1], ROLES[0]), initial=Role.OPERATOR, widget=forms.RadioSelect
    )


def _member(request: PageRequest, pk: int) -> Membership:
    policy.require(Act.ADMINISTER_MEMBERS, user=request.user, team=request.team)
    return get_object_or_404(members.of(request.team), pk=pk)


@require_safe
@page
def index(request: PageRequest) -> HttpResponseBase:
    context: dict[str, Any] = {"members": list(members.of(request.team))}
    if request.role.includes(policy.RULES[Act.ADMINISTER_MEMBERS].role):
        context["invitations"] = list(invitations.open_of(request.team))
    return render(request, "members/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@page
@confirmed
def invite(request: PageRequest) -> HttpResponseBase:
    policy.require(Act.ADMINISTER_MEMBERS, user=request.user, team=request.team)
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with errors_on(form):
            made, url = invitations.create(
                team=request.team,
                actor=request.user,
                role=Role(given["role"]),
                email=given["email"],
                days=int(given["days"]),
            )
            if url is None:
                messages.success(request, f"The invitation was sent to {made.email}.")
                return redirect("member-list")
            # It is kept nowhere, so there is nothing to redirect to.
            return render(request, "invitations/made.html", {"made": made, "url": url})
    return render(request, "invitations/add.html", {"form": form})


@require_POST
@page
def take_back(request: PageRequest, pk: UUID) -> HttpResponseBase:
    policy.require(Act.ADMINISTER_MEMBERS, user=request.user, team=request.team)
    invitation = get_object_or_404(Invitation.objects.of(request.team), pk=pk)
    with errors_as_messages(request):
        invitations.revoke(invitation=invitation, actor=request.user)
        messages.success(request, "The invitation was taken back: its link does nothing any more.")
    return redirect("member-list")


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def change(request: PageRequest, pk: int) -> HttpResponseBase:
    member = _member(request, pk)
    form = RoleForm(request.POST or None, initial={"role": member.role})
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            members.change_role(membership=member, role=Role(form.cleaned_data["role"]), actor=request.user)
            messages.success(request, f"{member.user} is {member.get_role_display()} now.")
            return redirect("member-list")
    return render(request, "members/change.html", {"form": form, "member": member})


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def remove(request: PageRequest, pk: int) -> HttpResponseBase:
    member = _member(request, pk)
    name = member.user.get_username()

    def act(_cleaned: dict[str, Any]) -> str:
        members.remove(membership=member, actor=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=name),
        title=f"Remove {name}",
        consequences=[
            f"{name} sees nothing of {request.team} any more, and their tokens here stop working.",
            "The account itself stays, as does what it did in the audit log.",
        ],
        button="Remove member",
        back=reverse("member-list"),
        act=act,
        then="member-list",
        done=f"{name} is not in the team any more.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def leave(request: PageRequest) -> HttpResponseBase:
    team = request.team

    def act(_cleaned: dict[str, Any]) -> str:
        members.leave(team=team, user=request.user)
        return ""

    return confirm(
        request,
        form=ConfirmForm(request.POST or None, name=team.name),
        title=f"Leave {team.name}",
        consequences=["You see nothing of it any more, and your tokens there stop working."],
        button="Leave team",
        back=reverse("member-list"),
        act=act,
        then="overview",
        done=f"You left {team.name}.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@page
@confirmed
def hand_over(request: PageRequest, pk: int) -> HttpResponseBase:
    member = _member(request, pk)
    name = member.user.get_username()

    def act(cleaned: dict[str, Any]) -> str:
        members.hand_over(membership=member, actor=request.user, then=Role(cleaned["then"]))
        return ""

    return confirm(
        request,
        form=HandOverForm(request.POST or None, name=name),
        title=f"Hand {request.team.name} over to {name}",
        consequences=[f"{name} becomes an admin of the team.", "You are no admin of it any more."],
        button="Hand over",
        back=reverse("member-list"),
        act=act,
        then="member-list",
        done=f"{name} is an admin now.",
    )


@require_POST
@page
@confirmed
def second_factor(request: PageRequest) -> HttpResponseBase:
    """Ask the team's members for a second factor, or no longer."""
    required = request.POST.get("required") == "yes"
    with errors_as_messages(request):
        members.require_second_factor(team=request.team, actor=request.user, required=required)
        messages.success(request, f"A second factor is {'required' if required else 'optional'} now.")
    return redirect("member-list")
