"""What the CodeDeploy agent does on an instance: download, check appspec.yml, copy files, run hook scripts.

An instance's disk is a directory. Scripts really run, as who runs the sandbox, in that directory.
"""

import contextlib
import io
import os
import shutil
import signal
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.deploy import appspec, installing
from lambdas.deploy.tree import Tree
from sandbox import aws_roles
from sandbox.codedeploy.instances import Instance

# Seconds. A script may ask for more, but a person waits for the sandbox.
_LONGEST = 60
_LOG_TAIL = 2048
"""Characters: https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_Diagnostics.html"""
_WITHOUT_AGENT = (
    "CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and "
    "make sure the agent is running and can connect to the CodeDeploy server."
)
_NO_SCRIPTS = frozenset({"BlockTraffic", "DownloadBundle", "Install", "AllowTraffic"})


class Failure(Exception):
    """A lifecycle event failed; `code` is the agent's."""

    def __init__(self, code: str, message: str, *, script: str = "", log: str = "") -> None:
        super().__init__(message)
        self.code, self.script, self.log = code, script, log

    def diagnostics(self) -> dict[str, str]:
        return {
            "errorCode": self.code,
            "message": str(self),
            "scriptName": self.script,
            "logTail": self.log[-_LOG_TAIL:],
        }


class Agent:
    """One instance, during one deployment."""

    def __init__(self, disk: Path, deployment: dict[str, Any], instance: Instance) -> None:
        self._deployment, self._instance = deployment, instance
        self._archive = disk / "deployment-archive"
        self._root = disk / "root"
        self._root.mkdir(parents=True, exist_ok=True)
        self._installed = disk / "installed"

    def act(self, event: str) -> None:
        """Do what belongs to one lifecycle event. Raises Failure."""
        if not self._instance.healthy:
            raise Failure("UnknownError", _WITHOUT_AGENT)
        if event == "DownloadBundle":
            self._download()
        elif event == "Install":
            self._install()
        elif event not in _NO_SCRIPTS:
            self._run_scripts(event)

    def _download(self) -> None:
        location = self._deployment["revision"]["s3Location"]
        s3 = aws_roles.client("s3", self._instance.role_arn, self._instance.id)
        version = {"VersionId": location["version"]} if location.get("version") else {}
        try:
            answer = s3.get_object(Bucket=location["bucket"], Key=location["key"], **version)
            body = answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise Failure("UnknownError", str(error)) from error
        wanted = location.get("eTag", "").strip('"')
        if wanted and wanted != answer["ETag"].strip('"'):
            raise Failure("UnknownError", f"Expected deployment artifact bundle etag {wanted} but was {answer['ETag']}")
        shutil.rmtree(self._archive, ignore_errors=True)
        try:
            _unpack(body, self._archive)
        except (zipfile.BadZipFile, ValueError) as error:
            raise Failure("UnknownError", f"The bundle cannot be unpacked: {error}") from error

    def _appspec(self) -> appspec.AppSpec:
        path = self._archive / "appspec.yml"
        if not path.is_file():
            raise Failure(
                "UnknownError",
                "The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at "
                'revision-relative path "appspec.yml". The revision was unpacked to directory '
                f'"{self._archive}", and the AppSpec file was expected but not found at path "{path}".',
            )
        findings = appspec.Findings()
        found = appspec.read(path.read_bytes(), findings)
        if findings.problems:
            raise Failure("UnknownError", f"The AppSpec file is refused: {findings.reason()}")
        return found

    def _install(self) -> None:
        self._remove_installed()
        written: list[str] = []
        found = self._appspec()
        problems = list(installing.play(found.files, found.permissions, _tree(self._archive), []))
        if problems:
            raise Failure("UnknownError", f"The deployment failed: {problems[0]}")
        behavior = found.file_exists_behavior or self._deployment["fileExistsBehavior"]
        try:
            for each in found.files:
                self._copy(each, behavior, written)
        finally:
            self._installed.write_text("\n".join(written))

    def _remove_installed(self) -> None:
        """Before a revision is installed, the files of the one before it are removed."""
        for name in self._installed.read_text().splitlines() if self._installed.exists() else ():
            (self._root / name).unlink(missing_ok=True)

    def _copy(self, entry: installing.File, behavior: str, written: list[str]) -> None:
        """Copy a file or a directory, and note what was written. A link to a file is copied as a link.

        https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html
        """
        start = self._archive / entry.source.lstrip("/")
        root = self._root.resolve()
        to = (root / installing.absolute(entry.destination).lstrip("/")).resolve()
        if not to.is_relative_to(root) or not start.resolve().is_relative_to(self._archive.resolve()):
            raise Failure(
                "UnknownError", f"{entry.source} or {entry.destination} leads out of the instance's directory."
            )
        if start.is_dir():
            # Directories are followed through links; what would be copied into itself was refused before.
            found = sorted(Path(place) / name for place, _, names in os.walk(start, followlinks=True) for name in names)
        else:
            found = [start]
        for path in found:
            target = to / (path.relative_to(start) if start.is_dir() else path.name)
            if os.path.lexists(target):
                if behavior == "RETAIN":
                    continue
                if behavior != "OVERWRITE":
                    where = f"/{target.relative_to(root)}"
                    message = f"The deployment failed because a specified file already exists at this location: {where}"
                    raise Failure("UnknownError", message)
                target.unlink()
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
            written.append(str(target.relative_to(root)))

    def _run_scripts(self, event: str) -> None:
        # ApplicationStop and what comes before the download are the last revision's; the first deployment has none.
        if not self._archive.is_dir():
            return
        for script in self._appspec().hooks.get(event, ()):
            self._run_script(event, script.location, min(script.timeout, _LONGEST))

    def _run_script(self, event: str, location: str, seconds: int) -> None:
        script = self._archive / location.lstrip("/")
        if not script.is_file() or not script.resolve().is_relative_to(self._archive.resolve()):
            raise Failure(
                "ScriptMissing", f"Script does not exist at specified location: {script.resolve()}", script=location
            )
        script.chmod(0o755)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._root),
            "TMPDIR": str(self._root),
            "LIFECYCLE_EVENT": event,
            "DEPLOYMENT_ID": self._deployment["deploymentId"],
            "APPLICATION_NAME": self._deployment["applicationName"],
            "DEPLOYMENT_GROUP_NAME": self._deployment["deploymentGroupName"],
        }
        try:
            process = subprocess.Popen(
                [script],
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Failure("ScriptFailed", f"The script cannot be run: {error.strerror}", script=location) from error
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise Failure(
                "ScriptTimedOut",
                f"Script at specified location: {location} failed to complete in {seconds} seconds",
                script=location,
                log=_log(event, location, output),
            ) from None
        finally:
            # Nothing that a script leaves running outlives it here.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode:
            raise Failure(
                "ScriptFailed",
                f"Script at specified location: {location} failed with exit code {process.returncode}",
                script=location,
                log=_log(event, location, output),
            )


def _log(event: str, script: str, output: bytes) -> str:
    lines = output.decode(errors="replace").splitlines()
    return "\n".join([f"LifecycleEvent - {event}", f"Script - {script}", *(f"[stdout]{line}" for line in lines)])


def _unpack(body: bytes, directory: Path) -> None:
    """Unpack a bundle with its exec bits and links. Raises ValueError for a name that leads out of the directory."""
    directory.mkdir(parents=True)
    links: list[tuple[Path, str]] = []
    with zipfile.ZipFile(io.BytesIO(body)) as bundle:
        for entry in bundle.infolist():
            target = (directory / entry.filename).resolve()
            if not target.is_relative_to(directory.resolve()):
                raise ValueError(f"{entry.filename} leads out of the bundle")
            mode = entry.external_attr >> 16
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(mode):
                links.append((target, bundle.read(entry).decode(errors="surrogateescape")))
                continue
            target.write_bytes(bundle.read(entry))
            if mode & 0o111:
                target.chmod(0o755)
    # Last, as unzip does: no file is written through a link.
    for target, leads_to in links:
        target.symlink_to(leads_to)
    _strip_leading_directory(directory)


def _strip_leading_directory(directory: Path) -> None:
    """As the agent does where an archive has one directory at its root, with something like an appspec in it."""
    found = list(directory.iterdir())
    if len(found) == 1 and found[0].is_dir() and any("appspec" in each.name.lower() for each in found[0].iterdir()):
        inner = found[0].rename(directory.with_name(f"{directory.name}-temp"))
        directory.rmdir()
        inner.rename(directory)


def _tree(directory: Path) -> Tree:
    """What lies in an unpacked bundle."""
    files, directories, links = set[str](), set[str](), dict[str, str | None]()
    for place, below, names in os.walk(directory):
        for name in [*below, *names]:
            path = Path(place) / name
            relative = str(path.relative_to(directory))
            if path.is_symlink():
                links[relative] = str(path.readlink())
            else:
                (directories if name in below else files).add(relative)
    return Tree(files, files, directories, links)
