"""What an instance of the fleet runs first: checked by ShellCheck, run with stand-ins for what changes a machine."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployers import catalog, templates

COMPOSE = b"docker-compose"
DOCKER, AGENT = "installing Docker", "installing the CodeDeploy agent"
COMPOSE_STEP = "installing Docker Compose v2.39.1"
VALUES = {
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "shop-Fleet",
    "AWS::URLSuffix": "amazonaws.com",
    "TargetGroup": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/1",
    "ComposeVersion": "v2.39.1",
}
# Notes its call; ends with an error if it is the one that FAILS names.
NOTE = 'echo "$(basename "$0") $*" >> "$CALLS"\n[ "$FAILS" != "$(basename "$0")" ] || exit 1\n'
STAND_INS = {
    # Says InService and healthy from the third question on, or never.
    "aws": NOTE
    + 'asked="$(grep -c "^aws $1" "$CALLS")"\n[ "$asked" -ge 3 ] && [ "$NEVER" != "$1" ] || { echo Pending; exit 0; }\n'
    + 'case "$1" in\nautoscaling) echo InService ;;\n*) echo healthy ;;\nesac\n',
    "cfn-signal": NOTE,
    "dnf": NOTE,
    "docker": NOTE,
    "install": NOTE,
    "sleep": NOTE,
    "systemctl": NOTE,
    # The last word is the address; what comes after --output is the file.
    "curl": NOTE
    + 'for word; do [ "$before" != --output ] || file="$word"; before="$word"; done\n'
    + 'case "$before" in\n*/install) cp "$AGENT" "$file" ;;\n'
    + "*/token) echo a-token ;;\n*/instance-id) echo i-1 ;;\n"
    + '*.sha256) file="${file%.sha256}"; echo "$DIGEST *${file##*/}" > "$file.sha256" ;;\n'
    + f'*) printf %s {COMPOSE.decode()} > "$file" ;;\nesac\n',
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user data as an instance gets it."""
    launch = templates.load(catalog.CODEDEPLOY.nested[0])["Resources"]["LaunchTemplate"]
    text = launch["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    for name, value in VALUES.items():
        text = text.replace(f"${{{name}}}", value)
    path = tmp_path_factory.mktemp("user-data") / "user-data.sh"
    path.write_text(text)
    return path


class Machine:
    """A folder of stand-ins, and the calls that they noted."""

    def __init__(self, folder: Path, script: Path) -> None:
        self._script, self._folder = script, folder
        self._calls = folder / "calls"
        for name, body in {**STAND_INS, "agent": NOTE}.items():
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/bash\n{body}")
            path.chmod(0o755)

    def run(self, *, fails: str = "", never: str = "", digest: str = hashlib.sha256(COMPOSE).hexdigest()) -> int:
        environment = {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(self._folder),
            "CALLS": str(self._calls),
            "AGENT": str(self._folder / "bin" / "agent"),
            "FAILS": fails,
            "NEVER": never,
            "DIGEST": digest,
        }
        return subprocess.run(["bash", self._script], env=environment, capture_output=True, check=False).returncode

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()

    @property
    def signals(self) -> list[str]:
        return [call for call in self.calls if call.startswith("cfn-signal ")]


@pytest.fixture
def machine(tmp_path: Path, script: Path) -> Machine:
    return Machine(tmp_path, script)


def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    found = subprocess.run([shellcheck, "--norc", script], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_everything_is_installed_in_order_and_success_is_signalled_last(machine: Machine) -> None:
    assert machine.run() == 0

    steps = ["dnf", "systemctl", "curl", "curl", "install", "docker", "curl", "install", "systemctl", "curl", "curl"]
    steps += ["aws", "sleep", "aws", "sleep", "aws", "cfn-signal"]
    assert [call.split()[0] for call in machine.calls] == steps
    calls = machine.calls
    assert calls[0] == "dnf install --assumeyes docker ruby"
    assert "https://github.com/docker/compose/releases/download/v2.39.1/docker-compose-linux-" in calls[2]
    assert calls[6].endswith("https://aws-codedeploy-eu-central-1.s3.eu-central-1.amazonaws.com/latest/install")
    assert calls[7] == "install auto"
    assert calls[-1] == (
        "cfn-signal --success true --reason The instance is in service --stack shop-Fleet "
        "--resource AutoScalingGroup --region eu-central-1"
    )


def test_an_instance_that_something_was_deployed_to_is_healthy_before_it_says_so(
    machine: Machine, script: Path, tmp_path: Path
) -> None:
    deployed = tmp_path / "bin" / "g-1_last_successful_install"
    deployed.write_text("")
    instructions = "/opt/codedeploy-agent/deployment-root/deployment-instructions/*"
    there = tmp_path / "user-data.sh"
    there.write_text(script.read_text().replace(instructions, f"{tmp_path}/bin/*"))
    machine = Machine(tmp_path, there)

    assert machine.run() == 0

    asked = [call for call in machine.calls if call.startswith("aws elbv2 describe-target-health")]
    assert len(asked) == 3
    assert "--targets Id=i-1" in asked[0]
    assert "--success true" in machine.calls[-1]
    assert machine.run(never="elbv2") == 1
    assert "becoming healthy behind the load balancer failed" in machine.signals[-1]


def test_an_instance_that_never_comes_into_service_says_so(machine: Machine) -> None:
    assert machine.run(never="autoscaling") == 1

    (signal,) = machine.signals
    assert "--success false --reason An instance could not be set up: coming into service failed." in signal


@pytest.mark.parametrize(
    ("fails", "step", "attempts"),
    [
        ("dnf", DOCKER, 4),
        ("systemctl", DOCKER, 1),
        ("curl", COMPOSE_STEP, 4),
        ("docker", COMPOSE_STEP, 1),
    ],
)
def test_a_step_that_fails_is_signalled_once_with_its_name(
    machine: Machine, fails: str, step: str, attempts: int
) -> None:
    assert machine.run(fails=fails) == 1

    assert [call.split()[0] for call in machine.calls].count(fails) == attempts
    (signal,) = machine.signals
    assert f"--success false --reason An instance could not be set up: {step} failed." in signal
    assert machine.calls[-1] == signal


def test_a_compose_that_is_not_what_was_released_is_not_installed(machine: Machine) -> None:
    assert machine.run(digest="0" * 64) == 1

    assert not [call for call in machine.calls if call.startswith("install ")]
    (signal,) = machine.signals
    assert f"{COMPOSE_STEP} failed" in signal


def test_an_agent_that_cannot_be_installed_is_signalled_once(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "bin" / "agent").write_text("#!/bin/bash\nexit 1\n")

    assert machine.run() == 1

    (signal,) = machine.signals
    assert f"{AGENT} failed" in signal


def test_nothing_is_left_in_the_temporary_folder(machine: Machine, tmp_path: Path) -> None:
    machine.run()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "calls"]
