"""JSON over HTTP, for Sluice's API and the git host's."""

import time
from collections.abc import Callable
from typing import Any

import requests

from sandbox.errors import SandboxError

_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.1


class DemoFailed(SandboxError):
    """A step did not come out as it should; the message says which and how."""


class Client:
    """Calls an API with a bearer token.

    Args:
        base: the API's address.
        token: who calls.
        ca_file: PEM file with the CA of the host's certificate; empty for plain HTTP.
    """

    def __init__(self, base: str, token: str, ca_file: str = "") -> None:
        self._base = base.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor another CA bundle of the environment
        self._session.verify = ca_file or True
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """What lies at the path. Raises DemoFailed for anything but success."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post JSON. Raises DemoFailed for anything but success."""
        return self._call("POST", path, json=body or {})

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change what lies at the path. Raises DemoFailed for anything but success."""
        return self._call("PATCH", path, json=body)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        url = self._base + path
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT_SECONDS, **arguments)
        except requests.RequestException as error:
            raise DemoFailed(f"{method} {url} failed: {error}") from None
        if not answer.ok:
            raise DemoFailed(f"{method} {url} answered {answer.status_code}: {answer.text[:2000]}")
        return answer.json() if answer.content else None


def download(url: str) -> bytes:
    """What a presigned URL gives. Raises DemoFailed."""
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(url, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise DemoFailed(f"The download failed: {error}") from None
    if not answer.ok:
        raise DemoFailed(f"The download answered {answer.status_code}: {answer.text[:500]}")
    return answer.content


def wait_for(what: str, seconds: float, look: Callable[[], Any]) -> Any:
    """Look again and again until there is something to see, and return that.

    Raises:
        DemoFailed: there was nothing in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise DemoFailed(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(_POLL_SECONDS)
