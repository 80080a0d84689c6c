"""A password that is forgotten: asking for a link, and setting another one with it."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError

from panel import sign_in_limits
from panel.addresses import client_address
from panel.web.outcomes import errors_on
from teams.errors import SluiceError
from teams.services import password_resets
from teams.tasks import send_password_link


class AskForm(forms.Form):
    name = forms.CharField(
        label="User name or e-mail address",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )


class NewPasswordForm(forms.Form):
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


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask(request: HttpRequest) -> HttpResponseBase:
    """Send a link to the address of whoever this is; the answer is the same for a name that nobody has."""
    if not password_resets.can_mail():
        raise Http404
    form = AskForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not sign_in_limits.may_ask_for_link(client_address(request)):
            form.add_error(None, "Too many attempts. Wait 15 minutes, or ask an administrator.")
        else:
            found = password_resets.whose(form.cleaned_data["name"])
            try:
                send_password_link.delay(found.pk if found else 0)
            except OperationalError:
                form.add_error(None, "No link can be sent now. Try again in a minute.")
            else:
                return render(request, "forgotten_password/asked.html", {"hours": password_resets.MAILED_HOURS})
    return render(request, "forgotten_password/ask.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@never_cache
def reset(request: HttpRequest, token: str) -> HttpResponseBase:
    """Set the password that the link is for; then one signs in with it, and with the second factor."""
    form = NewPasswordForm(request.POST or None)
    try:
        user = password_resets.find(token)
        if request.method == "POST" and form.is_valid():
            with errors_on(form):
                password_resets.use(token=token, **form.cleaned_data)
                messages.success(request, "Your password is set, and you are signed out everywhere. Sign in with it.")
                return redirect("sign-in")
    except SluiceError as error:
        return render(request, "forgotten_password/not_valid.html", {"error": error}, status=error.status)
    return render(request, "forgotten_password/set.html", {"form": form, "owner": user})
