"""What would fail on an instance is found in the file."""

import pytest

from lambdas.deploy.appspec import check
from lambdas.deploy.tree import Tree

FILES = Tree(
    files={"appspec.yml", "scripts/start.sh", "scripts/plain.sh", "web/index.html", "with space.sh"},
    executable={"scripts/start.sh", "with space.sh"},
    links={
        "run.sh": "scripts/start.sh",
        "bin": "./scripts",
        "lost.sh": "scripts/gone.sh",
        "outside.sh": "/usr/local/bin/start.sh",
    },
)
HEAD = "version: 0.0\nos: linux\n"
SCRIPT = HEAD + "hooks:\n  BeforeInstall:\n  - location: "
COPY = HEAD + "files:\n- source: /\n  destination: /app\n"


def problems(text: str) -> list[str]:
    return check(text.encode(), FILES).problems


def advice(text: str) -> list[str]:
    found = check(text.encode(), FILES)
    assert found.problems == []
    return found.advice


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        "version: 0\nos: 'linux'\nfile_exists_behavior: RETAIN\n",
        "\ufeff# saved with a byte order mark, before a comment\n" + HEAD,
        "<<: {version: 0.0}\nos: linux\n",
        HEAD + "files:\n- source: /\n  destination: /srv\n- source: web/index.html\n  destination: /srv/other\n"
        "- source: ./web/\n  destination: /srv/other/web\n- source: bin\n  destination: /srv/other/bin\n",
        HEAD + "---\nwhat follows: [is not read",
        HEAD + "permissions:\n- object: /srv\n  pattern: '**'\n  mode: 755\n  owner: root\n  type: [file, directory]\n"
        "- object: /srv/x\n  mode: '0644'\n",
        HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts/start.sh\n    timeout: 3600\n    runas: root\n",
        HEAD + "hooks:\n  ApplicationStop: &scripts\n  - location: /scripts/start.sh\n",
        SCRIPT + "run.sh\n  - location: bin/start.sh\n  - location: ./bin/../run.sh\n",
        COPY + "permissions:\n- object: /app\n  type: [file]\n  pattern: '*.sh'\n  mode: 755\n- object: /app\n"
        "  type: [file]\n  except: ['*.sh']\n  mode: 644\n- object: /app\n  type: [directory]\n  owner: root\n",
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
        ("version: [", "no YAML that the agent reads: line 2"),
        ("version: 0.0\n\tos: linux", "no YAML that the agent reads: line 2"),
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
        (HEAD + "hooks:\n  End:\n  - location: scripts/start.sh", "takes no scripts; use ValidateService"),
        (HEAD + "hooks:\n  AfterAllowTestTraffic:\n  - location: scripts/start.sh", "no lifecycle event of instances"),
        (HEAD + "hooks:\n  BeforeInstall: ''", "BeforeInstall in appspec.yml needs a list of scripts"),
        (HEAD + "hooks: ''", "hooks in appspec.yml has to be a mapping"),
        (HEAD + "files: ''", "files in appspec.yml has to be a list"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - scripts/start.sh", "BeforeInstall, script 1, needs a location"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - location: ../../x", "outside of the artifact: ../../x"),
        (HEAD + "hooks:\n  BeforeInstall:\n  - location: scripts", "scripts, which is a directory"),
        (
            HEAD + "hooks:\n  BeforeInstall:\n  - location: Start.sh",
            "appspec.yml names Start.sh, which is not in the artifact (there is scripts/start.sh).",
        ),
        (SCRIPT + "scripts/start.sh\n    timeout: soon", "timeout: soon has to be a number of seconds"),
        (SCRIPT + "scripts/start.sh\n    timeout: 0.5", "timeout: 0.5 has to be a number of seconds"),
        (SCRIPT + "''", "BeforeInstall, script 1, needs a location"),
        (SCRIPT + "scripts/start.sh --now", "a shell would not take scripts/start.sh --now as one path"),
        (SCRIPT + "'with space.sh'", "a shell would not take with space.sh as one path"),
        (SCRIPT + "lost.sh", "lost.sh is a link to nothing; the artifact has no scripts/gone.sh"),
        (SCRIPT + "bin", "names bin, which is a directory"),
        (SCRIPT + "scripts/start.sh/", "names scripts/start.sh/, which is not in the artifact"),
        ("version: '0.0'\nos: linux", "has a version in quotes, which is a text to the agent"),
        ("\ufeff" + HEAD, "begins with a byte order mark"),
        (HEAD + "since: 2026-01-31", "line 3, 2026-01-31 is a date to the agent"),
        (HEAD + "a: &a 1\nb: *a", "line 4, it has an alias (*a), which the agent does not follow"),
        (HEAD + "permissions:\n- object: /app\n  pattern: **", "no YAML that the agent reads: line 5"),
        (HEAD + "file_exists_behavior: ''", "has to be DISALLOW, OVERWRITE or RETAIN"),
        (HEAD + "files:\n- source: 5\n  destination: /srv", "put 5 into quotes"),
        (HEAD + "files:\n- source: web\n  destination: ~", "needs a source and a destination"),
        (HEAD + "files:\n- source: web\n  destination: ''", "has a blank destination"),
        (COPY + "- source: web\n  destination: /app/web", "two sources for /app/web/index.html"),
        (COPY + "- source: scripts/start.sh\n  destination: /app/../app/./scripts/", "for /app/scripts/start.sh"),
        (COPY + "- source: run.sh\n  destination: /app/web/index.html", "a directory, and copies web/index.html there"),
        (COPY + "permissions:\n- object: /app\n  pattern: '*.sh'\n- object: /app/run.sh", "both cover /app/run.sh"),
        (COPY + "permissions:\n- object: /app\n- object: /app/web", "both cover /app/web/index.html"),
        (
            COPY + "permissions:\n- object: /app/web/\n  type: [directory]\n- object: /app\n  type: [directory]\n"
            "- object: /app\n  type: [directory]\n",
            "both cover /app",
        ),
        (
            COPY + "permissions:\n- object: /app/run.sh\n  pattern: '*'",
            "is a file, and takes neither pattern nor except",
        ),
        (COPY + "permissions:\n- object: /app\n  acls: ['d:u:app:7']", "is for directories only"),
        (COPY + "permissions:\n- object: /app\n  acls: ['u::rwx']", "in acls is no entry like u:name:rwx"),
        (COPY + "permissions:\n- object: /app\n  owner: 1000", "owner has to be a name"),
        (COPY + "permissions:\n- object: /app\n  context: {type: etc_t}", "context needs a range"),
        (COPY + "permissions:\n- object: /app\n  context: {type: etc_t, range: 's1-s0'}", "is no SELinux range"),
        (HEAD + "permissions:\n- object: /srv\n  mode: 0644", "write mode: 644"),
        (HEAD + "permissions:\n- object: /srv\n  mode: 1:20", "has mode: 4800; write octal digits"),
        (HEAD + "permissions:\n- object: ''", "permissions, entry 1, needs an object"),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "hooks:\n  BeforeInstall:\n  AfterInstall: []\n  Nonsense:\n", "Nonsense has no scripts"),
        (HEAD + "hooks:\n  Install:\n  - location: gone.sh\n", "The agent never runs scripts of Install"),
        (
            SCRIPT + "scripts/start.sh\n    timeout: 1801\n" + "  - location: scripts/start.sh\n    timeout: 1800\n",
            "3601 s",
        ),
        (SCRIPT + "scripts/start.sh\n    timeout: 5m", "the agent reads timeout: 5m as 5 s"),
        (SCRIPT + "outside.sh", "outside.sh is a link out of the artifact"),
        (HEAD + "files:\n- source: ''\n  destination: /app", "a blank source, which is everything"),
        (HEAD + "files:\n- source: web\n  destination: app", "app is no absolute path"),
        (HEAD + "files:\n- source: lost.sh\n  destination: /app", "leads to nothing in the artifact"),
        (HEAD + "hook:\n", "knows nothing called hook"),
        (HEAD + "hooks:\nhooks:\n", "hooks stands twice in appspec.yml; the last one counts"),
        (COPY + "permissions:\n- object: /elsewhere\n  mode: 755", "covers nothing that is installed"),
        (COPY + "permissions:\n- object: /app\n  mode: ''", "a blank mode, which is 000"),
    ],
)
def test_what_the_agent_takes_is_advice_and_no_refusal(text: str, said: str) -> None:
    assert said in " ".join(advice(text))


def test_a_link_that_leads_back_is_told_and_not_followed_for_ever() -> None:
    tree = Tree(files={"a/b/file"}, links={"a/b/up": "..", "a/self": ".", "x": "y", "y": "x"})
    found = check(COPY.encode(), tree).problems

    assert len(found) == 2
    assert all("is a link to a directory around it" in each for each in found)


def test_links_that_fan_out_end() -> None:
    links = {f"d{level}/{name}": f"../d{level + 1}" for level in range(30) for name in "abcd"}
    found = check(COPY.encode(), Tree(files={"d30/file"}, links=links))

    assert any("not all of them were checked" in each for each in found.advice)


def test_many_problems_are_counted_and_not_all_told() -> None:
    found = check(
        (HEAD + "files:\n" + "".join(f"- source: gone{n}\n  destination: /srv\n" for n in range(8))).encode(), FILES
    )

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
