"""What would fail on an instance is found in the file."""

import pytest

from lambdas.deploy.appspec import Files, check

FILES = Files(
    files={"appspec.yml", "scripts/start.sh", "scripts/plain.sh", "web/index.html"},
    executable={"scripts/start.sh"},
    directories={"scripts", "web"},
)
HEAD = "version: 0.0\nos: linux\n"


def problems(text: str) -> list[str]:
    return check(text.encode(), FILES).problems


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        "version: '0.0'\nos: 'linux'\nfile_exists_behavior: RETAIN\n",
        HEAD + "files:\n- source: /\n  destination: /srv\n- source: web/index.html\n  destination: /srv/web\n"
        "- source: ./web/\n  destination: /srv/web\n",
        HEAD + "permissions:\n- object: /srv\n  pattern: '**'\n  mode: 755\n  owner: root\n  type: [file, directory]\n"
        "- object: /srv/x\n  mode: '0644'\n",
        HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts/start.sh\n    timeout: 3600\n    runas: root\n",
        HEAD + "hooks:\n  ApplicationStop: &scripts\n  - location: /scripts/start.sh\n  ApplicationStart: *scripts\n",
        HEAD + "hooks:\n",
    ],
)
def test_a_sound_file_has_no_problems(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has to be a mapping"),
        ("- version", "has to be a mapping"),
        ("version: [", "no valid YAML: line 1"),
        ("version: 0.0\n\tos: linux", "no valid YAML: line 2"),
        ("os: linux", "no version; write version: 0.0"),
        ("version: 1.0\nos: linux", "version: 1.0; write version: 0.0"),
        ("version: {a: b}\nos: linux", "a version that is no single value"),
        ("version: 0.0\nos: windows", "os: windows; these instances run Linux"),
        ("version: 0.0\nResources:\n- TargetService: {}", "is one for ECS or Lambda"),
        (HEAD + "file_exists_behavior: MERGE", "has to be DISALLOW, OVERWRITE or RETAIN"),
        (HEAD + "files: web", "files in appspec.yml has to be a list"),
        (HEAD + "files:\n- web", "files, entry 1, has to be a mapping"),
        (HEAD + "files:\n- source: web", "files, entry 1, needs a source and a destination"),
        (HEAD + "files:\n- source: dist\n  destination: /srv", "names dist as a source, which is not in the artifact"),
        (HEAD + "files:\n- source: ../web\n  destination: /srv", "outside of the artifact: ../web"),
        (HEAD + "permissions:\n- mode: 755", "permissions, entry 1, needs an object"),
        (HEAD + "permissions:\n- object: /srv\n  mode: u+x", "mode: u+x; write octal digits"),
        (HEAD + "permissions:\n- object: /srv\n  mode: 0755", "write mode: 755, as YAML makes another number of 0755"),
        (HEAD + "permissions:\n- object: /srv\n  type: [link]", "type can be directory or file"),
        (HEAD + "permissions:\n- object: /srv\n  except: a", "except has to be a list"),
        (HEAD + "hooks: [a]", "hooks in appspec.yml has to be a mapping"),
        (HEAD + "hooks:\n  Install:\n  - location: scripts/start.sh", "takes no scripts; use AfterInstall"),
        (HEAD + "hooks:\n  AfterAllowTestTraffic:\n  - location: scripts/start.sh", "no lifecycle event of instances"),
        (HEAD + "hooks:\n  BeforeInstall:\n", "BeforeInstall in appspec.yml needs a list of scripts"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - scripts/start.sh", "BeforeInstall, script 1, needs a location"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - location: ../../x", "outside of the artifact: ../../x"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts", "scripts, which is a directory"),
        (
            HEAD + "hooks:\n  BeforeInstall:\n  - location: Start.sh",
            "appspec.yml names Start.sh, which is not in the artifact (there is scripts/start.sh).",
        ),
        (
            HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts/start.sh\n    timeout: 5m",
            "timeout: 5m has to be a number of seconds",
        ),
        (
            HEAD + "hooks:\n  BeforeInstall:\n" + "  - location: scripts/start.sh\n    timeout: 1801\n" * 2,
            "may take 3602 s in all; CodeDeploy allows an event 3600 s",
        ),
    ],
)
def test_what_would_fail_is_said_with_what_to_do(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]


def test_a_script_without_exec_bit_is_advice_and_no_problem() -> None:
    found = check((HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts/plain.sh\n").encode(), FILES)

    assert found.problems == []
    assert len(found.advice) == 1
    assert "git update-index --chmod=+x scripts/plain.sh" in found.advice[0]


def test_many_problems_are_counted_and_not_all_told() -> None:
    found = check((HEAD + "files:\n" + "- source: gone\n  destination: /srv\n" * 8).encode(), FILES)

    assert found.reason().count("names gone") == 5
    assert found.reason().endswith("There are 3 more.")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n" + "".join(f"{n}: &n{n} [*a, *a, *a]\n" for n in range(20)),
        "[" * 60_000,
        "version: !!python/object/apply:os.system [id]\nos: linux",
        "\x00",
    ],
)
def test_hostile_files_are_refused_and_do_nothing(text: str) -> None:
    assert len(problems(text)) == 1
    assert len(problems(text)[0]) < 400
