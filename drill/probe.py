"""A person at the pages and a script at the API, for as long as the drill runs: how long each answer takes."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from tests.e2e.world import World

_TIMEOUT = 60.0
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it began (seconds of time.monotonic), how long it took, and its status; 0 for no answer."""

    began: float
    kind: str
    seconds: float
    status: int


@dataclass(slots=True)
class Probe:
    """`with Probe(world) as probe: ...`"""

    world: World
    samples: list[Sample] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Probe":
        page = self._signed_in()
        for kind, ask in (
            ("page", lambda: page.get(f"{self.world.env['panel_url']}/deliveries/", timeout=_TIMEOUT)),
            ("API", lambda: self.world.call("GET", "/integrations/")),
            ("sign-in", lambda: self._sign_in(requests.Session())),
        ):
            thread = threading.Thread(target=self._ask, args=(kind, ask), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _signed_in(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        answer = self._sign_in(session)
        if "Sign out" not in answer.text:
            raise RuntimeError(f"The probe is not signed in: {answer.status_code} at {answer.url}")
        return session

    def _sign_in(self, session: requests.Session) -> requests.Response:
        session.trust_env = False
        address = f"{self.world.env['panel_url']}/sign-in/"
        form = session.get(address, timeout=_TIMEOUT)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
        body = {
            "username": self.world.env["admin_user"],
            "password": self.world.admin_password,
            "next": "/",
            "csrfmiddlewaretoken": token[1] if token else "",
        }
        return session.post(address, data=body, headers={"Referer": address}, timeout=_TIMEOUT)

    def _ask(self, kind: str, ask: Callable[[], requests.Response]) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                status = ask().status_code
            except requests.RequestException:
                status = 0
            self.samples.append(Sample(began, kind, time.monotonic() - began, status))
            self._over.wait(_PAUSE if kind != "sign-in" else _PAUSE * 6)
