"""One's own account: password, e-mail address, second factor, where one is signed in."""

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from panel.web.access import PageRequest, person
from panel.web.outcomes import errors_as_messages, errors_on
from panel.web.reauthentication import confirmed
from teams.errors import SluiceError
from teams.services import accounts, mail, second_factors, sessions


class PasswordForm(forms.Form):
    """The password at hand, where there is one, and the new one."""

    current = forms.CharField(
        label="Your password now",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=4096,
        help_text="12 or more characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    revoke_tokens = forms.BooleanField(
        label="Revoke my API tokens too", required=False, help_text="If somebody else may have used the account."
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        if not request.user.has_usable_password():
            del self.fields["current"]

    def clean_current(self) -> str:
        """As at the sign-in: counted, and limited."""
        typed: str = self.cleaned_data["current"]
        if not get_adapter(self._request).reauthenticate(self._request.user, typed):
            raise forms.ValidationError("This is not your password.")
        return typed


class EmailForm(forms.Form):
    email = forms.EmailField(
        label="New address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


@require_safe
@person
def index(request: PageRequest) -> HttpResponseBase:
    context = {
        "sessions": list(sessions.of(request.user)),
        "here": request.session.session_key,
        "passwords": settings.PASSWORDS,
        "verified": accounts.is_verified(request.user),
        "can_mail": mail.is_configured(),
        "identities": bool(settings.IDENTITY.known),
        "protected": second_factors.has_one(request.user),
    }
    return render(request, "profile/index.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("current", "password")
@never_cache
@person
@confirmed
def change_password(request: PageRequest) -> HttpResponseBase:
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with errors_on(form):
            revoked = accounts.change_password(
                user=request.user, password=given["password"], revoke_tokens=given["revoke_tokens"]
            )
            before = request.session.session_key
            update_session_auth_hash(request, request.user)
            sessions.moved(before=before, after=request.session.session_key)
            others = sessions.of(request.user).exclude(session_key=request.session.session_key)
            ended = sessions.end(sessions=others, user=request.user)
            told = [f"{ended} other session{'' if ended == 1 else 's'} ended"]
            if given["revoke_tokens"]:
                told.append(f"{revoked} token{'' if revoked == 1 else 's'} revoked")
            messages.success(request, f"Your password is changed: {', '.join(told)}.")
            return redirect("profile")
    return render(request, "profile/password.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@person
@confirmed
def change_email(request: PageRequest) -> HttpResponseBase:
    form = EmailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_on(form):
            email = form.cleaned_data["email"]
            if accounts.change_email(user=request.user, email=email):
                messages.success(request, f"Open the link that was sent to {email}. Until then nothing changes.")
            else:
                messages.success(request, "Your address is changed.")
            return redirect("profile")
    return render(request, "profile/email.html", {"form": form, "can_mail": mail.is_configured()})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@person
def confirm_email(request: PageRequest, token: str) -> HttpResponseBase:
    """What the link opens. Only a button changes something, as programs that look at mail open links too."""
    try:
        email = accounts.address_of(token, user=request.user)
        if request.method == "POST":
            accounts.confirm_email(user=request.user, token=token)
            messages.success(request, f"Your address is {email} now.")
            return redirect("profile")
    except SluiceError as error:
        messages.error(request, str(error))
        return redirect("profile")
    return render(request, "profile/confirm_email.html", {"email": email})


@require_POST
@person
def end_session(request: PageRequest, pk: int) -> HttpResponseBase:
    found = sessions.of(request.user).filter(pk=pk).exclude(session_key=request.session.session_key)
    get_object_or_404(found)
    sessions.end(sessions=found, user=request.user)
    messages.success(request, "That session has ended.")
    return redirect("profile")


@require_POST
@person
def end_others(request: PageRequest) -> HttpResponseBase:
    others = sessions.of(request.user).exclude(session_key=request.session.session_key)
    with errors_as_messages(request):
        ended = sessions.end(sessions=others, user=request.user)
        messages.success(request, f"{ended} session{'' if ended == 1 else 's'} ended.")
    return redirect("profile")
