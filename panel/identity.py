"""Signing in with an identity provider: whom it lets in, and what its groups and addresses are believed for.

An address alone never opens an account: only where a setting trusts the provider for addresses, and only the account
that has proven the same address here. Else an account is connected by its owner, who is signed in to both.
"""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import user_logged_in
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import ProviderException
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django.http import HttpRequest
from django.shortcuts import render

from panel import confirmation
from panel.identity_settings import IdentityProvider
from teams.errors import Refused
from teams.models import Role, User
from teams.services import audit, group_roles, invitations

INVITATION, KEPT_FOR = "invitation", 3600  # the link in the session of a stranger, and how many seconds
MOST_PAGES = 5  # of 100 teams each


def provider_of(login: SocialLogin) -> IdentityProvider | None:
    """What the panel believes of the provider; None where it is not configured any more."""
    found: IdentityProvider | None = settings.IDENTITY.known.get(login.account.provider)
    return found


def groups_of(login: SocialLogin, provider: IdentityProvider) -> list[str]:
    """The groups that the provider said the person is in: of the userinfo, else of the ID token."""
    data = login.account.extra_data or {}
    for place in (data.get("userinfo"), data.get("id_token"), data):
        if isinstance(place, dict) and provider.groups_claim in place:
            said = place[provider.groups_claim]
            names = said if isinstance(said, list) else [said]
            return [each for each in names if isinstance(each, str)]
    return []


def roles_of(login: SocialLogin) -> dict[str, Role]:
    """Team slug to role, as the provider's groups give them."""
    provider = provider_of(login)
    return group_roles.wanted(groups_of(login, provider), provider.groups) if provider else {}


class IdentityAdapter(DefaultSocialAccountAdapter):
    """Documented at https://docs.allauth.org/en/latest/socialaccount/adapter.html."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:  # noqa: ARG002
        provider = provider_of(sociallogin)
        if provider and provider.groups and provider.id == "github":
            sociallogin.account.extra_data["groups"] = self._github_teams(sociallogin.token.token)
        # An address that an account has is not taken over by another one that merely claims it.
        if not sociallogin.is_existing:
            sociallogin.email_addresses = [each for each in sociallogin.email_addresses if not _is_taken(each.email)]
            if not (provider and provider.trusts_email):
                for each in sociallogin.email_addresses:
                    each.verified = False
            if sociallogin.user.email and _is_taken(sociallogin.user.email):
                sociallogin.user.email = ""

    def _github_teams(self, token: str) -> list[str]:
        """`organization/team-slug` of each team (https://docs.github.com/rest/teams/teams, authenticated user).

        Raises ProviderException or an error of requests, on which django-allauth signs nobody in.
        """
        from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter

        found: list[str] = []
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        with self.get_requests_session() as session:
            for page in range(1, MOST_PAGES + 1):
                url = f"{GitHubOAuth2Adapter.api_url}/user/teams"
                answer = session.get(url, headers=headers, params={"per_page": 100, "page": page})
                answer.raise_for_status()
                rows = answer.json()
                try:
                    found += [f"{row['organization']['login']}/{row['slug']}" for row in rows]
                except (KeyError, TypeError) as error:
                    raise ProviderException("GitHub answered no list of teams.") from error
                if len(rows) < 100:
                    break
        return found

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:  # noqa: ARG002
        provider = provider_of(login)
        return bool(provider and provider.trusts_email)

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """The account that has proven an address which a trusted provider calls verified."""
        for address in sociallogin.email_addresses:
            if address.verified and self.can_authenticate_by_email(sociallogin, address.email):
                # In Python's lower case, as addresses are kept. The database's own takes a dotless i for an i: to own
                # a domain that looks alike would open the account.
                kept = address.email.lower()
                proven = EmailAddress.objects.filter(email=kept, verified=True).select_related("user")
                if (found := proven.first()) is not None:
                    return found.user, address.email
        return None

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """For who is in a group that a team is mapped to, and for who opened an invitation."""
        return bool(roles_of(sociallogin)) or _is_invited(request)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        token = request.session.pop(INVITATION, None)
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            audit.record(actor=user, team=None, action="user.create", target=user, changes=_by(sociallogin))
            if token:
                try:
                    invitations.accept(token=token, user=user)
                except Refused as error:
                    page = render(request, "invitations/not_valid.html", {"error": error}, status=error.status)
                    raise ImmediateHttpResponse(page) from error
        return user

    def list_providers(self, request: HttpRequest) -> list[Any]:
        return [each for each in super().list_providers(request) if each.app]


def _by(login: SocialLogin) -> dict[str, Any]:
    return {"identity": [None, login.account.provider]}


def _is_taken(email: str) -> bool:
    """Whether an account has this address; its owner may connect the provider to that account."""
    same = Q(email__iexact=email) | Q(email=email.lower())
    return EmailAddress.objects.filter(same).exists() or User.objects.filter(same).exists()


def _is_invited(request: HttpRequest) -> bool:
    token = request.session.get(INVITATION)
    if not token:
        return False
    try:
        invitations.find(token)
    except invitations.NotValid:
        return False
    return True


@receiver(user_logged_in)
def _follow_groups(
    sender: object,  # noqa: ARG001
    request: HttpRequest,
    user: User,
    sociallogin: SocialLogin | None = None,
    **kwargs: Any,  # noqa: ARG001
) -> None:
    if sociallogin is None:
        return
    confirmation.note(request)
    provider = provider_of(sociallogin)
    if provider and provider.groups:
        group_roles.apply(user=user, roles=roles_of(sociallogin), teams=provider.teams)


@receiver(social_account_added)
def _connected(sender: object, request: HttpRequest, sociallogin: SocialLogin, **kwargs: Any) -> None:  # noqa: ARG001
    user = sociallogin.user
    audit.record(actor=user, team=None, action="identity.connect", target=user, changes=_by(sociallogin))


@receiver(social_account_removed)
def _disconnected(sender: object, request: HttpRequest, socialaccount: Any, **kwargs: Any) -> None:  # noqa: ARG001
    changes = {"identity": [socialaccount.provider, None]}
    user = socialaccount.user
    audit.record(actor=user, team=None, action="identity.disconnect", target=user, changes=changes)


def records_prove_second_factor(records: Iterable[dict[str, Any]]) -> bool:
    """Whether the session was begun with a provider that asks for a second factor itself."""
    known = settings.IDENTITY.known
    return any(
        record.get("method") == "socialaccount"
        and (provider := known.get(str(record.get("provider")))) is not None
        and provider.proves_second_factor
        for record in records
    )


def offered(request: HttpRequest) -> list[Any]:
    """The providers that can be chosen, each with `name` and `get_login_url`."""
    if not settings.IDENTITY.known:
        return []
    adapter = IdentityAdapter(request)
    return sorted(adapter.list_providers(request), key=lambda each: str(each.name).lower())
