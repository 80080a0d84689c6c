"""`python -m sandbox.install VENV FILE`: makes a virtual environment and installs a hashed requirements file into it.

The Makefile runs it with a Python that has nothing installed: it imports the standard library alone. uv installs in a
tenth of pip's time, from the same file and with the same hashes; where uv cannot be had or fails, pip installs.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PIP = ("-m", "pip", "--disable-pip-version-check")
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
"""pip's settings, and the variables that tell uv the same. uv does not read pip's configuration.

https://docs.astral.sh/uv/reference/environment/ and https://pip.pypa.io/en/stable/topics/configuration/
"""
_SECTIONS = ("global", "install", ":env:")  # later ones override


class InstallError(Exception):
    """The packages could not be installed; the message says why and what to do."""


def uv_settings(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What pip is configured to use, as variables for uv.

    Args:
        pip_config: what `pip config list` prints: a line `section.name='value'` a setting.
        environment: a variable that is set here already is left alone.
    """
    found: dict[str, str] = {}
    for section in _SECTIONS:
        for line in pip_config.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}.") and (name := key.removeprefix(f"{section}.")) in UV_VARIABLES:
                found[UV_VARIABLES[name]] = _words(value, "," if name == "find-links" else " ")
    return {name: value for name, value in found.items() if value and name not in environment}


def _words(value: str, separator: str) -> str:
    try:
        text = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        text = value
    return separator.join(str(text).split())


def pin_of(package: str, requirements: str) -> str:
    """The lines that pin a package, with its hashes; empty if it is not there."""
    kept: list[str] = []
    for line in requirements.splitlines():
        if kept or line.startswith(f"{package}=="):
            kept.append(line)
            if not line.endswith("\\"):
                break
    return "\n".join(kept)


class Installer:
    """Installs into one virtual environment.

    Args:
        venv: the directory; made if missing.
        python: the interpreter that makes it.
    """

    def __init__(self, venv: Path, python: str = sys.executable) -> None:
        self._venv, self._maker = venv, python
        self._python = str(venv / "bin" / "python")
        self._uv = venv / "bin" / "uv"

    def install(self, requirements: Path) -> None:
        """Install everything that the file names. Raises InstallError."""
        if not Path(self._python).exists():
            _say(f"Making a virtual environment in {self._venv}")
            self._must([self._maker, "-m", "venv", "--without-pip", str(self._venv)], "The virtual environment failed")
        text = requirements.read_text(encoding="utf-8")
        count = sum("==" in line for line in text.splitlines())
        if self._uv.exists() or self._get_uv(text):
            _say(f"Installing the {count} packages of {requirements} with uv")
            command = [str(self._uv), "pip", "install", "--quiet", "--python", self._python, "--require-hashes"]
            # As pip chooses: any index may have the pinned version, and the hash decides.
            command += ["--index-strategy", "unsafe-best-match", "--requirement", str(requirements)]
            settings = uv_settings(_run([*self._pip(), "config", "list"]).stdout, os.environ)
            if self._runs(command, environment=settings):
                return
        _say(f"Without uv: installing the {count} packages of {requirements} with pip, which takes minutes")
        if not self._has_pip():
            self._must([self._maker, "-m", "venv", str(self._venv)], "pip could not be put into it")
        command = [self._python, *PIP, "install", "--quiet", "--require-hashes", "--requirement", str(requirements)]
        self._must(command, "pip could not install the packages")

    def _get_uv(self, requirements: str) -> bool:
        pin = pin_of("uv", requirements)
        if not pin:
            return False
        _say("Getting uv, which installs the rest")
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write(pin)
            file.flush()
            command = [*self._pip(), "install", "--quiet", "--require-hashes", "--requirement", file.name]
            return self._runs(command) and self._uv.exists()

    def _has_pip(self) -> bool:
        return _run([self._python, *PIP, "--version"]).returncode == 0

    def _pip(self) -> list[str]:
        """The environment's pip, else that of the Python that made it: making a new one takes as long as uv needs."""
        if self._has_pip():
            return [self._python, *PIP]
        return [self._maker, *PIP, "--python", self._python]

    def _must(self, command: Sequence[str], what: str) -> None:
        done = _run(command)
        if done.returncode:
            raise InstallError(f"{what}: {' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())

    def _runs(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> bool:
        done = _run(command, environment)
        if done.returncode:
            _say(f"That failed: {(done.stderr or done.stdout).strip()}")
        return done.returncode == 0


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    variables = os.environ | (environment or {})
    return subprocess.run(list(command), env=variables, capture_output=True, text=True, check=False)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Returns the exit status: 1 where the packages could not be installed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.install", description=__doc__)
    parser.add_argument("venv", type=Path, help="directory of the virtual environment")
    parser.add_argument("requirements", type=Path, help="a requirements file with hashes")
    arguments = parser.parse_args()
    try:
        Installer(arguments.venv).install(arguments.requirements)
    except (InstallError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
