"""JSON over HTTP, for Sluice's API and a git host's."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from acceptance.errors import Conflict, NotFound, StepFailed

_TIMEOUT_SECONDS = 60.0
_KINDS = {404: NotFound, 409: Conflict}
FINISHED = {"succeeded", "failed", "cancelled"}
"""How an operation ends."""
_UNFINISHED = {"received", "queued", "fetching", "retrying"}


class Client:
    """Calls an API with a bearer token.

    Args:
        base: the API's address.
        token: who calls.
        ca_file: PEM file with the CA of the host's certificate; empty for the public ones.
    """

    def __init__(self, base: str, token: str, ca_file: str = "") -> None:
        self._base = base.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor another CA bundle of the environment
        self._session.verify = ca_file or True
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """What lies at the path. Raises StepFailed for anything but success."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post JSON. Raises StepFailed for anything but success."""
        return self._call("POST", path, json=body or {})

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change what lies at the path. Raises StepFailed for anything but success."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """Delete what lies at the path. Raises StepFailed for anything but success, NotFound where nothing is."""
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        url = self._base + path
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT_SECONDS, **arguments)
        except requests.RequestException as error:
            raise StepFailed(f"{method} {url} failed: {error}") from None
        if not answer.ok:
            kind = _KINDS.get(answer.status_code, StepFailed)
            raise kind(f"{method} {url} answered {answer.status_code}: {answer.text[:2000]}")
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise StepFailed(f"{method} {url} did not answer JSON: is this the address of the API?") from None


class Panel(Client):
    """Sluice's API, and what takes more than one call of it.

    Args:
        poll: seconds between two looks at something that takes time.
    """

    def __init__(self, base: str, token: str, ca_file: str = "", *, poll: float = 1.0) -> None:
        super().__init__(base, token, ca_file)
        self._poll = poll

    def every(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of a list."""
        page = 1
        while True:
            answer = self.get(path, page=page, page_size=100, **query)
            yield from answer["results"]
            if not answer["next"]:
                return
            page += 1

    def wait_for(self, what: str, seconds: float, look: Callable[[], Any]) -> Any:
        """As the function `wait_for`, at this panel's pace."""
        return wait_for(what, seconds, look, poll=self._poll)

    def ended(self, operation: dict[str, Any], what: str, seconds: float) -> dict[str, Any]:
        """The operation once it has ended, however it ended. Raises StepFailed where it did not in time."""

        def look() -> Any:
            now = self.get(f"/operations/{operation['id']}/")
            return now if now["status"] in FINISHED else None

        ended: dict[str, Any] = self.wait_for(f"the operation on {what}", seconds, look)
        return ended

    def succeeded(self, operation: dict[str, Any], what: str, seconds: float) -> None:
        """Wait until the operation has succeeded. Raises StepFailed with its problem and remedy."""
        ended = self.ended(operation, what, seconds)
        if ended["status"] != "succeeded":
            raise StepFailed(f"It {ended['status']} at {ended['step']}: {ended['problem']} {ended['remedy']}")

    def stored(self, integration: dict[str, Any], commit: str, what: str, seconds: float) -> dict[str, Any]:
        """The delivery of a commit once its artifact is there. Raises StepFailed where it comes to something else."""

        def look() -> Any:
            found = self.get(f"/integrations/{integration['id']}/deliveries/", commit=commit)["results"]
            # A push that the webhook and the check for missed ones both told is superseded once, and goes on once.
            ended = [one for one in found if one["status"] not in _UNFINISHED | {"superseded"}]
            return ended[0] if ended and (ended[0]["artifacts"] or ended[0]["status"] != "stored") else None

        delivery: dict[str, Any] = self.wait_for(f"the delivery of {commit[:7]} by {what}", seconds, look)
        if delivery["status"] != "stored":
            raise StepFailed(f"The delivery is {delivery['status']}: {delivery['reason']} {delivery['attempts']}")
        return delivery


def download(url: str) -> bytes:
    """What a presigned URL gives. Raises StepFailed."""
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(url, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        # The URL is a credential for as long as it is valid.
        raise StepFailed(f"The download failed: {type(error).__name__}") from None
    if not answer.ok:
        raise StepFailed(f"The download answered {answer.status_code}: {answer.text[:500]}")
    return answer.content


def wait_for(what: str, seconds: float, look: Callable[[], Any], *, poll: float = 0.1) -> Any:
    """Look again and again until there is something to see, and return that.

    Raises:
        StepFailed: there was nothing in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StepFailed(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(poll)
