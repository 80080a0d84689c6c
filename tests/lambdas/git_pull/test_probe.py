"""Trying a key at a real git host, as a rotation does before it is used."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.create_ssh_key.openssh import OpenSshKey, from_der
from lambdas.git_pull.probe import probe
from lambdas.git_pull.settings import Settings
from tests.lambdas.conftest import HostedRepository, der_key_pair


def secret(*, current: OpenSshKey, pending: OpenSshKey | None = None) -> str:
    return json.dumps(
        {"current": dataclasses.asdict(current), "pending": dataclasses.asdict(pending) if pending else None}
    )


def ask(settings: Settings, root: Path, value: str, key: OpenSshKey, repository: str) -> dict[str, Any]:
    event = {"action": "probe", "repository": repository, "fingerprint": key.fingerprint}
    return probe(event, settings=settings, key_secret=value, root=root)


def test_a_deploy_key_opens_its_repository(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    answer = ask(stack_settings, root, secret(current=hosted.key), hosted.key, hosted.full_name)

    assert answer["ok"] is True
    assert answer["refs"] >= 1


def test_a_pending_key_is_tried_instead_of_the_current_one(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    new = from_der(*der_key_pair())
    value = secret(current=hosted.key, pending=new)

    before = ask(stack_settings, root, value, new, hosted.full_name)
    hosted.add_deploy_key(new)
    after = ask(stack_settings, root, value, new, hosted.full_name)

    assert (before["ok"], before["error"]) == (False, "key_refused")
    assert new.private_key not in json.dumps(before)
    assert after["ok"] is True


def test_a_host_with_another_key_is_not_trusted(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    name = stack_settings.ssh_known_hosts.split()[0]
    other = " ".join(from_der(*der_key_pair()).public_key.split()[:2])
    settings = dataclasses.replace(stack_settings, ssh_known_hosts=f"{name} {other}")

    answer = ask(settings, root, secret(current=hosted.key), hosted.key, hosted.full_name)

    assert (answer["ok"], answer["error"]) == (False, "wrong_host_key")


def test_a_host_that_does_not_answer_may_be_asked_again(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    settings = dataclasses.replace(stack_settings, ssh_port=1, ssh_known_hosts=f"127.0.0.1 {hosted.host.host_key}")

    answer = ask(settings, root, secret(current=hosted.key), hosted.key, hosted.full_name)

    assert (answer["ok"], answer["error"]) == (False, "unreachable")


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"current": null, "pending": null}'])
def test_a_key_that_the_secret_does_not_hold(
    hosted: HostedRepository, stack_settings: Settings, root: Path, value: str
) -> None:
    answer = ask(stack_settings, root, value, hosted.key, hosted.full_name)

    assert (answer["ok"], answer["error"]) == (False, "unknown_key")
