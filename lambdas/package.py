"""Builds the functions' deployment packages: `python -m lambdas.package --out DIR [function ...]`.

The same sources make the same bytes: entries are sorted and carry fixed dates and modes. A package holds the function's
own folder, `lambdas/common`, the template that it hands on if it does, and what the function's requirements.txt pins,
taken from wheels for the runtime and the architecture that it is built for. Bytecode is included when this interpreter
is the runtime's: it makes a cold start three times as fast.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas import templates

SOURCES = Path(__file__).resolve().parent
FUNCTIONS = tuple(sorted(path.parent.name for path in SOURCES.glob("*/handler.py")))
RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What Amazon Linux 2023 (glibc 2.34) runs: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
OLD_GLIBC = {"python3.11": ("manylinux_2_26", "manylinux_2_17", "manylinux2014")}
"""Runtimes that are Amazon Linux 2 (glibc 2.26) still, and what it runs."""
TEMPLATES = {"stage_codepipeline": ("service.json", "nested/ecs_service.yaml")}
"""Functions that carry a template of cfn_templates, under another name."""
_DATE = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = re.compile(r"(^|/)([^/]+\.dist-info|bin|isa-l)/|\.(pyi|h|c)$|/py\.typed$")
"""What wheels bring along and nothing needs at run time."""


class PackageError(Exception):
    """A package could not be built; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the packages will run."""

    runtime: str
    architecture: str

    @property
    def version(self) -> str:
        """The runtime's Python version, such as 3.13."""
        return self.runtime.removeprefix("python")

    @property
    def is_this_interpreter(self) -> bool:
        """Whether bytecode made here is valid there (it does not depend on the architecture)."""
        return self.version == f"{sys.version_info.major}.{sys.version_info.minor}"


def build(out: Path, target: Target, functions: Iterable[str] = FUNCTIONS) -> list[Path]:
    """Write `<function>.zip` for each function into `out`. Raises PackageError."""
    out.mkdir(parents=True, exist_ok=True)
    return [_build_one(out / f"{function}.zip", target, function) for function in functions]


def digest(out: Path) -> str:
    """16 hex digits that stand for the content of all packages in `out`."""
    total = hashlib.sha256()
    for path in sorted(out.glob("*.zip")):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _build_one(path: Path, target: Target, function: str) -> Path:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _copy_sources(root, function)
        requirements = SOURCES / function / "requirements.txt"
        if requirements.exists():
            _install(root, target, requirements)
        if target.is_this_interpreter:
            _compile(root)
        _zip(path, root)
    return path


def _copy_sources(root: Path, function: str) -> None:
    files = [SOURCES / "__init__.py", *(SOURCES / "common").rglob("*.py"), *(SOURCES / function).rglob("*.py")]
    for source in files:
        to = root / "lambdas" / source.relative_to(SOURCES)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(source.read_bytes())
    if function in TEMPLATES:
        name, template = TEMPLATES[function]
        text = (SOURCES.parent / "cfn_templates" / template).read_text(encoding="utf-8")
        (root / "lambdas" / function / name).write_bytes(templates.as_json(templates.parse(text)))


def _install(root: Path, target: Target, requirements: Path) -> None:
    machine = MACHINES[target.architecture]
    platforms = [f"--platform={glibc}_{machine}" for glibc in OLD_GLIBC.get(target.runtime, GLIBC)]
    command = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--no-deps",
        ),
        *("--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={target.version}"),
        *platforms,
        *("--target", str(root), "--requirement", str(requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"pip could not install {requirements} for {target}:\n{done.stderr.strip()}")


def _compile(root: Path) -> None:
    # In a process of its own with a fixed hash seed, so that the bytecode is the same every time.
    command = [sys.executable, "-s", "-S", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
    done = subprocess.run(
        [*command, "-s", str(root), "-p", "/var/task", str(root)],
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"The sources do not compile:\n{done.stdout.strip()}")


def _zip(path: Path, root: Path) -> None:
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(each for each in root.rglob("*") if each.is_file()):
            name = file.relative_to(root).as_posix()
            if _LEFT_OUT.search(name):
                continue
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = (0o100755 if file.suffix == ".so" else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            archive.writestr(entry, file.read_bytes())
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code 2 for arguments that make no sense, 1 if a package cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m lambdas.package", description="Build the Lambda packages.")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the zips go")
    parser.add_argument("--runtime", default="python3.13", choices=RUNTIMES)
    parser.add_argument("--architecture", default="arm64", choices=sorted(MACHINES))
    parser.add_argument("functions", nargs="*", metavar="function", help=f"default: all of {', '.join(FUNCTIONS)}")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.functions if name not in FUNCTIONS]
    if unknown:
        parser.error(f"there is no function called {', '.join(unknown)}; choose from {', '.join(FUNCTIONS)}")
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"{options.out} is not a directory")
    try:
        paths = build(options.out, Target(options.runtime, options.architecture), options.functions or FUNCTIONS)
    except (PackageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path}  {path.stat().st_size / 1024:,.0f} KiB")
    print(f"digest {digest(options.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
