"""What can be said about Dockerfile and docker-compose.yml without a container engine."""

import base64
import re
import runpy
import shlex
import stat
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import pytest
import yaml
from django.core.management import get_commands

from panel.celery import app
from panel.settings import env
from teams import encryption

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PANEL = {"web", "worker", "beat", "sweeper", "migrate"}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(name: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in DOCKERFILE.splitlines() if line.startswith(f"{name} ")]


def test_every_process_of_the_panel_is_a_service():
    assert set(SERVICES) == PANEL | {"postgres", "valkey"}


def test_only_web_is_published_and_only_on_this_machine():
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "web": ["127.0.0.1:${SLUICE_PORT:-8000}:8000"]
    }
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["data"] for name in ("postgres", "valkey"))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_process_runs_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def images() -> dict[str, str]:
    """The variables of .env that name images, with the defaults that docker-compose.yml has for them."""
    named = re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", (ROOT / "docker-compose.yml").read_text())
    return dict(named)


def test_images_are_of_one_version_until_they_are_pinned():
    assert set(images()) == {"PYTHON_IMAGE", "POSTGRES_IMAGE", "VALKEY_IMAGE"}
    assert all(re.search(r":\d+\.\d+", name) for name in images().values())


def test_pinned_images_go_into_env_and_replace_older_ones(tmp_path):
    digest = "sha256:" + "a" * 64
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "buildx imagetools inspect" ] && echo {digest}\n')
    docker.chmod(0o755)
    (tmp_path / ".env").write_text("POSTGRES_IMAGE=postgres:1@sha256:old\nLOG_LEVEL=INFO\n")
    environment = {"PATH": f"{docker.parent}:/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run([ROOT / "docker/pin-images", tmp_path / ".env"], env=environment, check=True)
        lines = (tmp_path / ".env").read_text().splitlines()
        assert sorted(lines) == sorted(
            ["LOG_LEVEL=INFO", *(f"{name}={image}@{digest}" for name, image in images().items())]
        )


def test_image_does_not_run_as_root():
    assert instructions("USER") == [["10001:10001"]]


def test_migrations_come_before_everything_that_uses_the_tables():
    for name in PANEL - {"migrate"}:
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert all("test" in SERVICES[name]["healthcheck"] for name in ("postgres", "valkey", "worker", "beat"))


def test_commands_exist():
    commands = {name: SERVICES[name].get("command") for name in PANEL}
    assert commands.pop("web") is None  # the image's own
    for command in commands.values():
        if command[0] == "celery":
            assert command[1:3] == ["--app", "panel"]
            assert command[3] in {"worker", "beat"}
        else:
            assert command[:2] == ["python", "manage.py"]
            assert command[2] in get_commands()
    assert app.main == "sluice"


def test_gunicorn_takes_its_configuration():
    command = yaml.safe_load(DOCKERFILE.rsplit("CMD ", 1)[1])
    assert command[0] == "gunicorn"
    check = [sys.executable, "-m", *command, "--check-config"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert runpy.run_path(str(ROOT / "docker/gunicorn.py"))["worker_class"] == "gthread"


def test_variables_are_settings_of_ours_or_boto3s():
    for name in SERVICES["web"]["environment"] | SERVICES["worker"]["environment"]:
        assert name.removesuffix("_FILE") in env.documented or name.startswith("AWS_"), name


def test_every_secret_that_a_service_reads_is_mounted_from_a_file():
    environment = SERVICES["web"]["environment"] | SERVICES["postgres"]["environment"]
    read = {value.removeprefix("/run/secrets/") for name, value in environment.items() if name.endswith("_FILE")}
    read |= {word.removeprefix("/run/secrets/") for word in SERVICES["valkey"]["command"] if "/run/secrets/" in word}
    assert read == set(COMPOSE["secrets"])
    assert read == {secret for name in ("web", "postgres", "valkey") for secret in SERVICES[name]["secrets"]}


def test_no_secret_is_on_a_command_line_or_in_the_environment():
    """`docker inspect` and `ps` show both: secrets come as files."""
    assert "REDIS_URL" not in SERVICES["web"]["environment"]
    for name, service in SERVICES.items():
        assert "--requirepass" not in str(service.get("command")), name


def test_everything_copied_exists_and_is_let_through_to_the_engine():
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [source for words in instructions("COPY") if "--from=build" not in words for source in words[:-1]]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_through), source
    packages = re.search(r"^root_packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    assert set(re.findall(r'"(\w+)"', packages[1])) - {"acceptance", "sandbox", "benchmarks", "drill"} <= set(sources)


def read(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.name != ".gitignore"}


def test_made_secrets_are_usable_and_kept(tmp_path, monkeypatch):
    directory = tmp_path / "secrets"
    command = [ROOT / "docker/make-secrets", directory]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (directory / ".gitignore").read_text() == "*\n"
    made = read(directory)
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(made) == set(COMPOSE["secrets"])
    assert made == read(directory)
    assert (first.stdout.count("made "), second.stdout) == (6, "")
    assert all(secret not in first.stdout for secret in made.values())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    # The containers' user is another one than who made the files.
    assert all(path.stat().st_mode & stat.S_IROTH for path in directory.iterdir())
    database = environ.Env.db_url_config(made["database_url"])
    assert (database["HOST"], database["PASSWORD"]) == ("postgres", made["database_password"])
    broker = urlsplit(made["redis_url"])
    assert (broker.hostname, f"requirepass {broker.password}\n") == ("valkey", made["valkey_conf"])
    assert len(broker.password or "") >= 64
    assert len(made["secret_key"]) >= 50
    monkeypatch.setattr("django.conf.settings.ENCRYPTION_KEYS", [base64.b64decode(made["encryption_keys"])])
    assert encryption.decrypt(encryption.encrypt("secret", bound_to="row"), bound_to="row") == "secret"


@pytest.mark.parametrize(
    ("document", "heading", "first"),
    [
        ("README.md", "Run it for real", "docker/make-secrets"),
        ("docs/operations.md", "Back up", "docker compose exec -T postgres pg_dump"),
        ("docs/operations.md", "Restore", "docker compose up --detach postgres"),
        ("docs/operations.md", "Upgrade", "git pull"),
    ],
)
def test_the_rehearsal_types_what_the_documents_say(document: str, heading: str, first: str) -> None:
    """`docker/try` needs a container engine; that it finds its commands can be shown without one."""
    commands = runpy.run_path(str(ROOT / "docker/trial.py"))["commands"]
    found = commands((ROOT / document).read_text(), heading)
    assert found[0].startswith(first)
    assert not any("#" in line for line in found)


def test_the_rehearsal_says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docker/trial.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Install docker, nginx, openssl, git, tar first" in done.stderr
