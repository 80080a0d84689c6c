"""Codes of second factors: counted before they are compared, like passwords."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms

from panel import sign_in_limits
from panel.addresses import client_address
from panel.sign_in_adapter import THROTTLED

CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
UNCERTAIN = "Valkey does not answer, so codes of apps are not taken now. Use a passkey or a recovery code, or wait."

MALFORMED = "The browser did not send a passkey that this panel understands."
MALFORMED_BY = (AttributeError, KeyError, TypeError, ValueError)  # what fido2 raises for JSON of another shape


class _Counted(forms.Form):
    """What the three forms with a code have in common; `user` is whose code it should be."""

    user: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs = dict(CODE)

    def clean_code(self) -> str:
        attempt = sign_in_limits.code_attempt(user_id=self.user.pk, address=client_address(context.request))
        counted = True
        try:
            counted = attempt.begin()
            code: str = super().clean_code()  # type: ignore[misc] # of the form beside this one
        except sign_in_limits.TooManyAttempts as error:
            raise forms.ValidationError(THROTTLED, code="throttled") from error
        except forms.ValidationError as error:
            # Without Valkey every code of an app counts as used.
            raise error if counted else forms.ValidationError(UNCERTAIN, code="uncertain") from error
        attempt.succeeded()
        return code


class CodeForm(_Counted, AuthenticateForm):
    """At the sign-in: a code of the app, or a recovery code."""


class ConfirmingCodeForm(_Counted, ReauthenticateForm):
    """Before something that cannot be taken back."""


class FirstCodeForm(_Counted, ActivateTOTPForm):
    """The first code of an app proves that it has the secret."""


class _Passkey(forms.Form):
    """What a browser sends of a passkey is JSON in a form no one else should have touched: anything else is refused."""

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean() or {}
        except MALFORMED_BY as error:
            raise forms.ValidationError(MALFORMED, code="malformed") from error

    def clean_credential(self) -> Any:
        credential = self.cleaned_data["credential"]
        if not isinstance(credential, dict):
            raise forms.ValidationError(MALFORMED, code="malformed")
        check = getattr(super(), "clean_credential", lambda: credential)
        try:
            return check()
        except MALFORMED_BY as error:
            raise forms.ValidationError(MALFORMED, code="malformed") from error


class NewPasskeyForm(_Passkey, AddWebAuthnForm):
    """A new passkey, which the browser made."""

    name = forms.CharField(required=False, max_length=80, help_text="Where it is, such as laptop or key ring.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        alone = self.fields["passwordless"]
        alone.label, alone.initial = "Sign in with it alone", True
        alone.help_text = "The device then asks for a PIN, a finger or a face instead of a password."


class PasskeyNameForm(EditWebAuthnForm):
    name = forms.CharField(max_length=80)


class PasskeySignInForm(_Passkey, LoginWebAuthnForm):
    """A passkey alone."""


class PasskeyFactorForm(_Passkey, AuthenticateWebAuthnForm):
    """A passkey after the password."""


class ConfirmingPasskeyForm(_Passkey, ReauthenticateWebAuthnForm):
    """A passkey before something that cannot be taken back."""
