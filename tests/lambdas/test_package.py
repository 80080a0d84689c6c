import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deployers import templates
from lambdas import package
from lambdas.package import FUNCTIONS, SOURCES, Target, build, digest, main

HERE = Target(f"python{sys.version_info.major}.{sys.version_info.minor}", "x86_64")
LIGHT = [name for name in FUNCTIONS if not (SOURCES / name / "requirements.txt").exists()]
ELSEWHERE = next(Target(runtime, "arm64") for runtime in package.RUNTIMES if runtime != HERE.runtime)


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_every_function_of_the_stack_has_a_package(tmp_path: Path) -> None:
    assert set(FUNCTIONS) >= {
        "webhook_receiver",
        "zip_download",
        "git_pull",
        "create_ssh_key",
        "delete_bucket_contents",
        "add_s3_notification",
        "deploy",
        "stage_codepipeline",
    }


def test_a_package_holds_its_function_and_what_all_share(tmp_path: Path) -> None:
    [path] = build(tmp_path, HERE, ["zip_download"])

    found = names(path)
    assert {"lambdas/__init__.py", "lambdas/common/worker.py", "lambdas/zip_download/handler.py"} <= set(found)
    assert not any(name.startswith(("lambdas/git_pull", "lambdas/package")) for name in found)
    assert found == sorted(found)


def test_the_function_that_hands_a_template_on_carries_it_as_json(tmp_path: Path) -> None:
    [path] = build(tmp_path, HERE, ["stage_codepipeline"])

    with zipfile.ZipFile(path) as archive:
        carried = json.loads(archive.read("lambdas/stage_codepipeline/service.json"))
    assert carried == templates.load("nested/ecs_service.yaml")
    assert "ECRImageTag" in carried["Parameters"]


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build(tmp_path / name, HERE, LIGHT) for name in ("one", "two"))

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_the_digest_changes_with_any_package(tmp_path: Path) -> None:
    build(tmp_path, HERE, LIGHT)
    before = digest(tmp_path)
    (tmp_path / f"{LIGHT[0]}.zip").write_bytes(b"other")

    assert digest(tmp_path) != before


def test_bytecode_is_included_for_this_runtime_only(tmp_path: Path) -> None:
    [here], [elsewhere] = (build(tmp_path / target.runtime, target, LIGHT[:1]) for target in (HERE, ELSEWHERE))

    assert any(name.endswith(".pyc") for name in names(here))
    assert not any(name.endswith(".pyc") for name in names(elsewhere))


@pytest.mark.parametrize("function", LIGHT)
def test_a_handler_can_be_imported_from_its_package_alone(tmp_path: Path, function: str) -> None:
    [path] = build(tmp_path, HERE, [function])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "task")

    script = f"import lambdas.{function}.handler as h; print(h.__file__, callable(h.handler))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "task", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "task" / "lambdas" / function / "handler.py"), "True"]


def test_what_git_pull_needs_comes_for_the_target_and_from_hashes(tmp_path: Path) -> None:
    [path] = build(tmp_path, ELSEWHERE, ["git_pull"])

    libraries = [name for name in names(path) if ".so" in name]
    tag = "cpython-" + ELSEWHERE.version.replace(".", "") + "-aarch64"
    assert any(name.startswith("pygit2/_pygit2") and tag in name for name in libraries)
    assert any(name.startswith("isal/") and tag in name for name in libraries)
    assert any(name.startswith("pygit2.libs/libssh2") for name in libraries)
    assert {"asyncssh/connection.py", "cryptography/hazmat/bindings/_rust.abi3.so"} <= set(names(path))
    requirements = (SOURCES / "git_pull" / "requirements.txt").read_text()
    assert "://" not in requirements, "no package index is named"
    assert all("--hash=sha256:" in block for block in requirements.replace("\\\n", " ").strip().splitlines())


@pytest.mark.parametrize(
    "arguments",
    [[], ["--out", "x", "nothing"], ["--out", "x", "--runtime", "python2.7"], ["--out", "x", "--architecture", "mips"]],
)
def test_arguments_that_make_no_sense_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_file_in_place_of_the_directory_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as caught:
        main(["--out", str(tmp_path / "file")])
    assert caught.value.code == 2
    assert "is not a directory" in capsys.readouterr().err


def test_the_command_says_what_it_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--runtime", HERE.runtime, "--architecture", "x86_64", LIGHT[0]]) == 0
    assert f"{LIGHT[0]}.zip" in capsys.readouterr().out


@pytest.mark.parametrize(
    "module",
    [
        "signatures",
        "providers/__init__",
        "providers/webhooks",
        "providers/github",
        "refs",
        "keys",
        "statuses",
        "errors",
    ],
)
def test_what_the_panel_shares_needs_no_aws_sdk(module: str) -> None:
    tree = ast.parse((SOURCES / "common" / f"{module}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not any(name.split(".")[0] in {"boto3", "botocore"} for name in imported)


def test_packages_for_amazon_linux_2_take_no_wheel_that_needs_a_newer_glibc() -> None:
    """python3.11 runs on glibc 2.26: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
    tags = package.OLD_GLIBC["python3.11"]
    versions = [tuple(map(int, tag.split("_")[1:])) for tag in tags if tag.startswith("manylinux_")]
    assert versions
    assert max(versions) <= (2, 26)
