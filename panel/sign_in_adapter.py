"""How django-allauth fits into the panel: our limits, our words, our encryption, no sign-up.

What is overridden is documented at https://docs.allauth.org/en/latest/account/adapter.html and .../mfa/adapter.html.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from panel import confirmation, sign_in_limits
from panel.addresses import client_address, client_ip
from teams import encryption
from teams.models import User
from teams.services import second_factors

THROTTLED = "Too many failed attempts. Wait 15 minutes, or ask an administrator."
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what is stored where a proxy sent no address


class AccountAdapter(DefaultAccountAdapter):
    """People are invited, never signed up; passwords are counted, compared and confirmed by the panel's own rules."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "That user name and password do not match. Both are case-sensitive.",
        "incorrect_password": "This is not your password.",
        "enter_current_password": "This is not your password.",
        "incorrect_code": "This code is not right, or was used already.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request) or NO_ADDRESS

    def is_safe_url(self, url: str) -> bool:
        request = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Whose name and password these are, if anybody's. Raises ValidationError for too many attempts."""
        if not settings.PASSWORDS:
            raise ValidationError("This panel takes no passwords.", code="no_passwords")
        name, password = str(credentials.get("username", "")), credentials.get("password")
        attempt = sign_in_limits.attempt(name=name, address=client_address(request))
        try:
            attempt.begin()
        except sign_in_limits.TooManyAttempts as error:
            raise ValidationError(THROTTLED, code="throttled") from error
        user = authenticate(request, username=name, password=password)
        if not isinstance(user, User) or user.is_service_account:
            return None
        attempt.succeeded()
        return user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:  # noqa: ARG002
        """As everywhere in the panel. Somebody without password and second factor has nothing to give."""
        request = context.request
        return not confirmation.is_recent(request) and bool(self.get_reauthentication_methods(request.user))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use a code of your app, or a recovery code",
            "mfa_reauthenticate:webauthn": "Use a passkey",
        }
        methods = super().get_reauthentication_methods(user)
        if not settings.PASSWORDS:
            methods = [each for each in methods if each["id"] != "reauthenticate"]
        return [{**each, "description": words.get(each["id"], each["description"])} for each in methods]


class MFAAdapter(DefaultMFAAdapter):
    """Secrets of second factors are encrypted like every other secret of the panel."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is not right, or was used already.",
    }

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, bound_to=second_factors.BOUND_TO)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text, bound_to=second_factors.BOUND_TO)

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def get_totp_issuer(self) -> str:
        return f"Sluice {context.request.get_host()}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Sluice"}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002, ARG002
        return "Passkey"
