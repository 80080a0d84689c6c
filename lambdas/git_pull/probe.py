"""Tries an SSH key as `git ls-remote` would: the same host keys, the same user, nothing fetched.

Takes `{"action": "probe", "repository": "owner/name", "fingerprint": "SHA256:..."}`, of the current or the pending key.
Answers `{"ok": true, "refs": 3}` or `{"ok": false, "error": code, "message": words for people}`, where the code is

    unknown_key     the secret holds no such key
    key_refused     the server does not take the key, or shows it no such repository
    refused         the server sends no repository for another reason, which the message has
    wrong_host_key  the server is not the one whose host keys are pinned
    unreachable     the server did not answer; another try may help
    argument_missing
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lambdas.common import log
from lambdas.common.errors import FetchError, PermanentFailure
from lambdas.git_pull import ssh, ssh_question
from lambdas.git_pull.repository import list_refs
from lambdas.git_pull.settings import Settings

DEADLINE = 20.0
"""Seconds."""


def probe(event: Mapping[str, Any], *, settings: Settings, key_secret: str, root: Path) -> dict[str, Any]:
    """Whether the key of that fingerprint opens the repository; `key_secret` is the value of the SSH key's secret."""
    repository, fingerprint = str(event.get("repository", "")), str(event.get("fingerprint", ""))
    if not repository or not fingerprint:
        return _no("argument_missing", "A probe needs repository and fingerprint")
    key = ssh.private_key_of(key_secret, fingerprint)
    if key is None:
        return _no("unknown_key", f"The stack's secret holds no key with the fingerprint {fingerprint}")
    ask_why = partial(ssh_question.why, repository, settings=settings, key=key)
    try:
        ssh.trust_only(settings.ssh_known_hosts, root / "home", host=settings.ssh_host, port=settings.ssh_port)
        refs = list_refs(settings.url(repository), lambda: ssh.in_seconds(key, DEADLINE), ask_why)
    except FetchError as error:
        log.info("ssh_key_probe", repository=repository, fingerprint=fingerprint, error=_code(error))
        return _no(_code(error), str(error))
    log.info("ssh_key_probe", repository=repository, fingerprint=fingerprint, refs=len(refs))
    return {"ok": True, "refs": len(refs)}


def _code(error: FetchError) -> str:
    if isinstance(error, ssh.WrongHostKey):
        return "wrong_host_key"
    if isinstance(error, ssh.KeyRefused):
        return "key_refused"
    return "refused" if isinstance(error, PermanentFailure) else "unreachable"


def _no(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "message": message}
