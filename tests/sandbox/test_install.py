"""Installing on a new machine: uv where it can be had, else pip, from the same hashed file and without a network."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.install import Installer, InstallError, main, pin_of, uv_settings
from sandbox.state import ROOT

UV = Path(sys.executable).parent / "uv"


def pins(name: str) -> dict[str, str]:
    """Each package of a requirements file: its version and hashes, without the condition that it is needed under."""
    text = (ROOT / name).read_text()
    names = [line.partition("==")[0] for line in text.splitlines() if "==" in line and not line.startswith(" ")]
    return {each: re.sub(r" (;.*)?\\\n", "\n", pin_of(each, text), count=1) for each in names}


def wheel(directory: Path, name: str, version: str, files: dict[str, str]) -> str:
    """Write a wheel; returns a requirement that pins it with its hash."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    path = directory / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels which is all that pip, and so uv, may use."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return directory


@pytest.fixture
def requirements(tmp_path: Path, wheels: Path) -> Path:
    """One package, pinned."""
    file = tmp_path / "requirements.txt"
    file.write_text(wheel(wheels, "greeting", "1.0", {"greeting.py": "WORDS = 'Good day'\n"}))
    return file


def greeting(venv: Path) -> str:
    command = [str(venv / "bin" / "python"), "-c", "import greeting; print(greeting.WORDS)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_uv_installs_from_where_pip_would(tmp_path: Path, requirements: Path, capsys: pytest.CaptureFixture) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / "bin" / "uv").symlink_to(UV)
    Installer(venv).install(requirements)
    assert greeting(venv) == "Good day"
    said = capsys.readouterr().out
    assert "with uv" in said
    assert "with pip" not in said
    assert not list(venv.glob("lib/*/site-packages/pip")), "uv needs no pip there"


def test_pip_installs_where_uv_cannot_be_had(tmp_path: Path, requirements: Path, capsys: pytest.CaptureFixture) -> None:
    pins = requirements.read_text()
    # No index has it. pip is tried with the whole file, and says what is missing.
    requirements.write_text(pins + f"uv==0.0.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InstallError, match=r"uv==0\.0\.1"):
        Installer(tmp_path / "venv").install(requirements)
    assert "Without uv" in capsys.readouterr().out
    requirements.write_text(pins)
    assert main_with(tmp_path / "venv", requirements) == 0
    assert greeting(tmp_path / "venv") == "Good day"


def test_pip_installs_where_uv_fails(tmp_path: Path, requirements: Path, capsys: pytest.CaptureFixture) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / "bin" / "uv").write_text("#!/bin/sh\necho this is no machine for me >&2\nexit 70\n")
    (venv / "bin" / "uv").chmod(0o755)
    Installer(venv).install(requirements)
    assert greeting(venv) == "Good day"
    assert "That failed: this is no machine for me" in capsys.readouterr().out


@pytest.mark.parametrize("with_uv", [True, False])
def test_a_package_with_another_hash_is_not_installed(
    tmp_path: Path, wheels: Path, requirements: Path, with_uv: bool, capsys: pytest.CaptureFixture
) -> None:
    wheel(wheels, "greeting", "1.0", {"greeting.py": "WORDS = 'Give me your keys'\n"})
    venv = tmp_path / "venv"
    if with_uv:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        (venv / "bin" / "uv").symlink_to(UV)
    assert main_with(venv, requirements) == 1
    assert not list(venv.glob("lib/*/site-packages/greeting.py"))
    assert "hash" in capsys.readouterr().err.lower()


def main_with(venv: Path, requirements: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["install", str(venv), str(requirements)])
        return main()


def test_pips_settings_are_told_to_uv() -> None:
    config = r"""
global.index-url='https://mirror.example/simple'
global.extra-index-url='https://one.example/simple\nhttps://two.example/simple'
install.index-url='https://other.example/simple'
:env:.find-links='/a /b'
:env:.cert='/etc/ca.pem'
global.timeout='3'
a warning that is no setting
"""
    assert uv_settings(config, {"SSL_CERT_FILE": "/mine.pem"}) == {
        "UV_DEFAULT_INDEX": "https://other.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_FIND_LINKS": "/a,/b",
    }


def test_what_runs_is_pinned_as_what_is_tested() -> None:
    dev, sandbox, product = (pins(f"requirements{each}.txt") for each in ("-dev", "-sandbox", ""))
    assert product.items() <= sandbox.items() <= dev.items()
    # What installs is itself installed from here.
    assert {"uv", "pip"} <= sandbox.keys()
    for text in (*dev.values(), *sandbox.values()):
        assert "--hash=sha256:" in text
        assert "://" not in text, "no package index is named"


def test_running_needs_no_tools_of_development() -> None:
    assert (
        not {"moto", "mypy", "pytest", "ruff", "playwright", "cfn-lint", "hypothesis"}
        & pins("requirements-sandbox.txt").keys()
    )
