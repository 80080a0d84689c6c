"""Which identity providers sign people in, read from the environment."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from panel.environment import Environment

ROLES = ("viewer", "operator", "admin")


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """What the panel believes of one provider. `groups` maps a group to a team's slug and a role in it."""

    id: str
    name: str
    trusts_email: bool
    proves_second_factor: bool
    groups_claim: str
    groups: dict[str, tuple[str, str]]

    @property
    def teams(self) -> frozenset[str]:
        """The slugs of the teams whose membership follows the groups."""
        return frozenset(team for team, _ in self.groups.values())


@dataclass(frozen=True, slots=True)
class Identities:
    """Django's and django-allauth's settings, and what the panel itself has to know."""

    providers: dict[str, Any]
    known: dict[str, IdentityProvider]


def read(env: Environment, *, secure: bool) -> Identities:
    """Every provider that has a client id. Raises ImproperlyConfigured for one that cannot work."""
    found = Identities({}, {})
    oidc = _read_openid(env, secure=secure)
    if oidc:
        found.providers["openid_connect"] = {"OAUTH_PKCE_ENABLED": True, "APPS": [app for app, _ in oidc]}
        found.known.update({known.id: known for _, known in oidc})
    github = _client(env, "GITHUB", "GitHub")
    url = _address(env.text("SLUICE_GITHUB_URL", "https://github.com", help="GitHub for signing in."), secure=secure)
    beliefs = _beliefs(env, "GITHUB", "github", "GitHub", groups="groups")
    if github:
        settings: dict[str, Any] = {"OAUTH_PKCE_ENABLED": True, "APPS": [{**github, "name": "GitHub"}]}
        settings["SCOPE"] = ["user:email", *(["read:org"] if beliefs.groups else [])]
        if url != "https://github.com":
            settings["GITHUB_URL"] = url
        found.providers["github"] = settings
        found.known["github"] = beliefs
    return found


def _read_openid(env: Environment, *, secure: bool) -> list[tuple[dict[str, Any], IdentityProvider]]:
    issuer = env.text("SLUICE_OIDC_ISSUER", "", help="Issuer of the OpenID Connect provider, an https URL.")
    name = env.text("SLUICE_OIDC_NAME", "single sign-on", help="What the sign-in page calls that provider.")
    claim = env.text("SLUICE_OIDC_GROUPS_CLAIM", "groups", help="Claim that holds a person's groups.")
    gitlab = env.text("SLUICE_GITLAB_URL", "https://gitlab.com", help="GitLab for signing in.")
    kinds = (("OIDC", "oidc", name, issuer, claim), ("GITLAB", "gitlab", "GitLab", gitlab, "groups"))
    found = []
    for prefix, key, label, server, groups in kinds:
        client, beliefs = _client(env, prefix, label), _beliefs(env, prefix, key, label, groups=groups)
        if not client:
            continue
        if not server:
            raise ImproperlyConfigured("Set SLUICE_OIDC_ISSUER beside SLUICE_OIDC_CLIENT_ID.")
        app = {"provider_id": key, "name": label, **client, "settings": {"server_url": _address(server, secure=secure)}}
        found.append((app, beliefs))
    return found


def _client(env: Environment, prefix: str, label: str) -> dict[str, str]:
    client_id = env.text(f"SLUICE_{prefix}_CLIENT_ID", "", help=f"Client id for signing in with {label}; empty: off.")
    secret = env.text(f"SLUICE_{prefix}_CLIENT_SECRET", "", help=f"Client secret for signing in with {label}.")
    if not client_id:
        return {}
    if not secret:
        raise ImproperlyConfigured(f"Set SLUICE_{prefix}_CLIENT_SECRET beside SLUICE_{prefix}_CLIENT_ID.")
    return {"client_id": client_id, "secret": secret}


def _beliefs(env: Environment, prefix: str, key: str, label: str, *, groups: str) -> IdentityProvider:
    return IdentityProvider(
        id=key,
        name=label,
        trusts_email=env.flag(
            f"SLUICE_{prefix}_TRUST_EMAIL",
            False,
            help=f"Whether an address that {label} calls verified opens the account that has verified the same one.",
        ),
        proves_second_factor=env.flag(
            f"SLUICE_{prefix}_SECOND_FACTOR", False, help=f"Whether signing in with {label} counts as a second factor."
        ),
        groups_claim=groups,
        groups=_groups(
            f"SLUICE_{prefix}_GROUPS",
            env.items(
                f"SLUICE_{prefix}_GROUPS",
                help=f"Groups of {label} to teams and roles: `group=team-slug:role`, comma separated; empty: none.",
            ),
        ),
    )


def _groups(name: str, items: list[str]) -> dict[str, tuple[str, str]]:
    found = {}
    for item in items:
        group, _, target = item.rpartition("=")
        team, _, role = target.partition(":")
        if not group or not team or role not in ROLES:
            raise ImproperlyConfigured(f"{name} must be group=team-slug:role, with a role of {', '.join(ROLES)}")
        found[group.strip()] = (team.strip(), role)
    return found


def _address(url: str, *, secure: bool) -> str:
    parts = urlsplit(url)
    plain = parts.scheme == "http" and not secure and parts.hostname in {"localhost", "127.0.0.1"}
    if not parts.hostname or not (parts.scheme == "https" or plain):
        raise ImproperlyConfigured("An identity provider is reached over https.")
    return url.rstrip("/")
