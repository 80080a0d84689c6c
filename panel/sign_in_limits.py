"""How often somebody may try to sign in: an attempt is counted before its password is hashed.

Three counters, in Valkey: all attempts from one source, those at one name from one source, and, slowly, those at one
name from everywhere, against guessing that is spread over many addresses. The slow one does not bind a source from
which this name signed in lately, so that a stranger cannot lock somebody out. Without Valkey nobody is refused, as a
limit that fails must not lock everybody out.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.cache import cache

from panel.addresses import source_of
from panel.valkey.cache import COUNTER

ATTEMPTS_PER_NAME_AND_SOURCE = 8
ATTEMPTS_PER_SOURCE = 50
WINDOW = 15 * 60  # seconds
ATTEMPTS_PER_NAME = 100
SLOW_WINDOW = 24 * 3600  # seconds
CHALLENGES_PER_SOURCE = 60  # in WINDOW
LINKS_PER_SOURCE = 10  # in WINDOW
KNOWN_FOR = 30 * 24 * 3600  # seconds


class TooManyAttempts(Exception):
    """This name or this source has failed too often lately."""


@dataclass(frozen=True, slots=True)
class _Limit:
    key: str
    attempts: int
    seconds: int

    def count(self) -> int | None:
        """Count one attempt: how many those are now; None where Valkey does not answer."""
        for _ in range(2):
            cache.add(self.key, 0, self.seconds)
            try:
                return cache.incr(self.key)
            except ValueError:  # it expired between the two, or Valkey does not answer
                continue
        return None

    def take_back(self) -> None:
        """One attempt less."""
        try:
            cache.decr(self.key)
        except ValueError:
            return  # it has expired


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to prove who they are. `name` is what they say they are; `address` where they come from."""

    kind: str
    name: str
    address: str

    def begin(self) -> bool:
        """Count it; whether it could be. Raises TooManyAttempts, before anything was compared."""
        counted = True
        for limit in self._limits():
            made = limit.count()
            if made is None:
                counted = False
            elif made > limit.attempts:
                raise TooManyAttempts
        return counted

    def succeeded(self) -> None:
        """It was right: forget its failures here, and take back what `begin` counted for others too.

        From a source that was known already nothing was counted for the name, and so nothing is taken back: who signs
        in often would else keep the limit from ever counting the guesses of strangers.
        """
        here, *shared = self._limits()
        cache.delete(here.key)
        for limit in shared:
            limit.take_back()
        cache.set(self._known, True, KNOWN_FOR)

    def _limits(self) -> Iterator[_Limit]:
        """One after the other: an attempt that the first refuses is not counted by the next."""
        here, source, name = self._all()
        yield here
        yield source
        if not cache.get(self._known):
            yield name

    def _all(self) -> tuple[_Limit, _Limit, _Limit]:
        name, source = self.name.lower(), source_of(self.address)
        return (
            _Limit(COUNTER + self._key("here", name, source), ATTEMPTS_PER_NAME_AND_SOURCE, WINDOW),
            _Limit(COUNTER + self._key("source", source), ATTEMPTS_PER_SOURCE, WINDOW),
            _Limit(COUNTER + self._key("name", name), ATTEMPTS_PER_NAME, SLOW_WINDOW),
        )

    @property
    def _known(self) -> str:
        return self._key("known", self.name.lower(), source_of(self.address))

    def _key(self, *parts: str) -> str:
        return f"{self.kind}:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"


def attempt(*, name: str, address: str) -> Attempt:
    """At a password."""
    return Attempt("sign-in", name, address)


def code_attempt(*, user_id: int, address: str) -> Attempt:
    """At a second factor's code."""
    return Attempt("second-factor", str(user_id), address)


def may_ask_for_challenge(address: str) -> bool:
    """Whether a stranger there may begin another sign-in with a passkey: each is a session in the database."""
    return _may("passkey", address, at_most=CHALLENGES_PER_SOURCE)


def may_ask_for_link(address: str) -> bool:
    """Whether a stranger there may ask for another link for a forgotten password: each may be an e-mail."""
    return _may("password-link", address, at_most=LINKS_PER_SOURCE)


def _may(what: str, address: str, *, at_most: int) -> bool:
    key = f"{COUNTER}{what}:{hashlib.sha256(source_of(address).encode()).hexdigest()}"
    return (_Limit(key, at_most, WINDOW).count() or 0) <= at_most
