"""Making a GitHub App for a provider: leave with a manifest, come back with a code, choose an installation.

The state is bound to the person and to the session that began, lasts an hour and works once. What GitHub sends along
in an address is believed nowhere: the app itself says where it is installed.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integrations.errors import InvalidValue, ProviderRefused
from integrations.http import check_base_url, trust
from integrations.models import AppSetup, Provider
from integrations.providers import github_manifest
from integrations.providers.base import ProviderConfig
from integrations.providers.github import GitHub
from integrations.providers.github_app import AppClient, Installation
from integrations.providers.registry import client_class
from integrations.services import providers
from teams import policy
from teams.errors import Refused
from teams.models import Team, User
from teams.policy import Act
from teams.services import audit

STATE_LASTS = timedelta(hours=1)
"""As long as GitHub's code does."""
KEPT = timedelta(days=1)
"""After which an app that was installed nowhere is forgotten."""
PATIENCE = 15.0
STALE = "This is not a way back from GitHub that this session began, or it was used already."


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the browser sends to GitHub, and where."""

    setup: AppSetup
    form_url: str
    manifest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ways:
    """Addresses of the panel, as browsers reach it."""

    panel: str
    made: str
    installed: str


def start(
    *,
    team: Team,
    actor: User,
    session: str,
    ways: Ways,
    kind: str,
    name: str,
    base_url: str = "",
    ca_bundle: str = "",
    organization: str = "",
    deploy_keys: bool = False,
    provider: Provider | None = None,
) -> Leaving:
    """Begin to make an app, for a new provider or in place of the credentials of `provider`.

    Raises Forbidden, and InvalidValue with the field to look at.
    """
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=team)
    if not issubclass(client_class(kind), GitHub):
        raise InvalidValue("Only GitHub has apps of this sort.", field="kind")
    if not session:
        raise InvalidValue("There is no session to come back to. Sign in with a browser.")
    if provider is not None:
        if provider.team_id != team.pk:
            raise InvalidValue("That provider belongs to another team.", field="provider")
        kind, name, base_url, ca_bundle = provider.kind, provider.name, provider.base_url, provider.ca_bundle
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise InvalidValue("A name of 1 to 80 characters is required.", field="name")
    if provider is None and Provider.objects.of(team).filter(name=name).exists():
        raise InvalidValue(f"The team has a provider called {name} already.", field="name")
    state = secrets.token_urlsafe(32)
    setup = AppSetup(
        team=team,
        user=actor,
        provider=provider,
        kind=kind,
        name=name,
        base_url=_address(kind, base_url),
        ca_bundle=ca_bundle.strip(),
        organization=github_manifest.check_organization(organization.strip()),
        state_hash=_hash(state),
        session_hash=_hash(session),
    )
    trust(setup.ca_bundle)
    AppSetup.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    setup.save()
    manifest = github_manifest.manifest(
        name=f"Sluice {setup.organization or name}",
        panel_url=ways.panel,
        made_url=ways.made,
        installed_url=ways.installed,
        deploy_keys=deploy_keys,
    )
    return Leaving(setup, github_manifest.form_url(_client(setup).web_url, setup.organization, state), manifest)


def come_back(*, actor: User, session: str, state: str, code: str) -> AppSetup:
    """Take the app that GitHub made. Raises Refused for a state that is not of this session, Forbidden, ProviderError.

    The state is used up by that, whatever becomes of the code.
    """
    with transaction.atomic():
        setup = (
            AppSetup.objects.select_for_update(of=("self",))
            .filter(
                state_hash=_hash(state),
                session_hash=_hash(session),
                user=actor,
                used_at=None,
                created_at__gt=timezone.now() - STATE_LASTS,
            )
            .select_related("team")
            .first()
        )
        if setup is None:
            raise Refused(
                STALE, remedy="Start again at the provider; an app that was made already can be entered by hand."
            )
        policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=setup.team)
        setup.used_at = timezone.now()
        setup.save(update_fields=["used_at"])
    client = _client(setup)
    made = github_manifest.convert(client.config, api_url=client.api_url, web_url=client.web_url, code=code)
    credentials = {"app_id": made.id, "private_key": made.private_key}
    # The key must open the app that was named: nobody else's is taken.
    app = AppClient(_config(setup, credentials), client.api_url).app()
    if app.id != made.id or app.slug != made.slug:
        raise ProviderRefused("GitHub says that this key belongs to another app. Start again.")
    if setup.organization and made.owner.lower() != setup.organization.lower():
        raise ProviderRefused(
            f"The app was made at {made.owner or 'another owner'}, not at {setup.organization}.",
            remedy="Delete it there, and start again.",
        )
    setup.credentials, setup.slug = credentials, made.slug[:100]
    with transaction.atomic():
        setup.save(update_fields=["credentials_json", "slug", "updated_at"])
        audit.record(actor=actor, team=setup.team, action="github_app.make", target=setup)
    return setup


def installations(*, setup: AppSetup, actor: User) -> list[Installation]:
    """Where the app is installed by now. Raises Forbidden, Refused, ProviderError."""
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=setup.team)
    client = _client(setup)
    return AppClient(_config(setup, _credentials(setup)), client.api_url).installations()


def finish(*, setup: AppSetup, actor: User, installation_id: str) -> Provider:
    """Make the provider, or give it the app's credentials in place of its own. Raises as `providers.create` does."""
    policy.require(Act.ADMINISTER_PROVIDERS, user=actor, team=setup.team)
    credentials = {**_credentials(setup), "installation_id": installation_id}
    if setup.provider is not None:
        if setup.provider.base_url != setup.base_url:
            raise Refused("The provider's address changed meanwhile.", remedy="Make the app again.")
        provider = providers.update(provider=setup.provider, actor=actor, credentials=credentials)
    else:
        provider = providers.create(
            team=setup.team,
            actor=actor,
            kind=setup.kind,
            name=setup.name,
            base_url=setup.base_url,
            ca_bundle=setup.ca_bundle,
            credentials=credentials,
        )
    setup.delete()
    return provider


def waiting(*, actor: User) -> AppSetup | None:
    """The newest app that this person made and that has no installation yet."""
    rows = AppSetup.objects.visible_to(actor).filter(user=actor, created_at__gt=timezone.now() - KEPT)
    return rows.exclude(credentials_json="").first()


def page_to_install(setup: AppSetup) -> str:
    """GitHub's page on which a person installs the app."""
    client = _client(setup)
    own_server = client.api_url.startswith(f"{client.web_url}/")
    return github_manifest.install_url(client.web_url, setup.slug, own_server=own_server)


def _credentials(setup: AppSetup) -> dict[str, str]:
    if not setup.credentials:
        raise Refused("GitHub has not made this app yet, or its key cannot be read.", remedy="Start again.")
    return setup.credentials


def _address(kind: str, base_url: str) -> str:
    own = client_class(kind).self_hosted
    if not own:
        return ""
    if not base_url.strip():
        raise InvalidValue("The address is required, such as https://git.example.com.", field="base_url")
    return check_base_url(base_url.strip())


def _config(setup: AppSetup, credentials: dict[str, str]) -> ProviderConfig:
    return ProviderConfig(
        base_url=setup.base_url,
        credentials=credentials,
        ca_bundle=setup.ca_bundle,
        allowed_networks=settings.PRIVATE_NETWORKS,
        patience=PATIENCE,
    )


def _client(setup: AppSetup) -> GitHub:
    client = client_class(setup.kind)(_config(setup, {}))
    if not isinstance(client, GitHub):
        raise InvalidValue("Only GitHub has apps of this sort.", field="kind")
    return client


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
