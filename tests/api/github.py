"""What api.github.com answers in these tests, after https://docs.github.com/en/rest."""

from typing import Any

import responses

API = "https://api.github.com"
TOKEN = "ghp_canary0123456789"


def repository(full_name: str) -> dict[str, Any]:
    return {
        "full_name": full_name,
        "default_branch": "main",
        "private": True,
        "html_url": f"https://github.com/{full_name}",
    }


def answer_as_github(http: responses.RequestsMock, *full_names: str) -> None:
    """A token with the scope repo that may read the named repositories."""
    http.get(f"{API}/user", json={"login": "ada"}, headers={"X-OAuth-Scopes": "repo"})
    http.get(
        f"{API}/meta",
        json={"ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"]},
    )
    http.get(f"{API}/user/repos", json=[repository(name) for name in full_names])
    for name in full_names:
        http.get(f"{API}/repos/{name}", json=repository(name))
