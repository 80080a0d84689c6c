"""What the CodeDeploy agent does on an instance: download, check appspec.yml, copy files, run hook scripts.

An instance's disk is a directory. Scripts really run, as who runs the sandbox, in that directory.
"""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

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
_NO_LOCATION = "The deployment specification file contains a hook without the location of a script."
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

    def _appspec(self) -> dict[str, Any]:
        path = self._archive / "appspec.yml"
        if not path.is_file():
            raise Failure(
                "UnknownError",
                "The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at "
                'revision-relative path "appspec.yml". The revision was unpacked to directory '
                f'"{self._archive}", and the AppSpec file was expected but not found at path "{path}".',
            )
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise Failure("UnknownError", f"The AppSpec file cannot be read: {error}") from error
        if not isinstance(found, dict) or str(found.get("version")) != "0.0" or found.get("os") != "linux":
            raise Failure("UnknownError", "The deployment specification file must say version 0.0 and os linux.")
        return found

    def _install(self) -> None:
        self._remove_installed()
        written: list[str] = []
        try:
            for each in self._appspec().get("files") or []:
                if not isinstance(each, dict) or not each.get("source") or not each.get("destination"):
                    raise Failure("UnknownError", "Each of the files needs a source and a destination.")
                self._copy(str(each["source"]).lstrip("/"), str(each["destination"]).lstrip("/"), written)
        finally:
            self._installed.write_text("\n".join(written))

    def _remove_installed(self) -> None:
        """Before a revision is installed, the files of the one before it are removed."""
        for name in self._installed.read_text().splitlines() if self._installed.exists() else ():
            (self._root / name).unlink(missing_ok=True)

    def _copy(self, source: str, destination: str, written: list[str]) -> None:
        """Copy a file or a directory, and note what was written.

        https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html
        """
        start, to = (self._archive / source).resolve(), (self._root / destination).resolve()
        if not start.is_relative_to(self._archive.resolve()) or not to.is_relative_to(self._root.resolve()):
            raise Failure("UnknownError", f"{source} or {destination} leads out of the instance's directory.")
        if not start.exists():
            raise Failure("UnknownError", f"No such file or directory - {start}")
        files = [path for path in sorted(start.rglob("*")) if path.is_file()] if start.is_dir() else [start]
        behavior = self._deployment["fileExistsBehavior"]
        for path in files:
            target = to / (path.relative_to(start) if start.is_dir() else path.name)
            if target.exists():
                if behavior == "RETAIN":
                    continue
                if behavior != "OVERWRITE":
                    where = f"/{target.relative_to(self._root.resolve())}"
                    message = f"The deployment failed because a specified file already exists at this location: {where}"
                    raise Failure("UnknownError", message)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            written.append(str(target.relative_to(self._root.resolve())))

    def _run_scripts(self, event: str) -> None:
        # ApplicationStop and what comes before the download are the last revision's; the first deployment has none.
        if not self._archive.is_dir():
            return
        hooks = self._appspec().get("hooks") or {}
        if not isinstance(hooks, dict):
            raise Failure("UnknownError", "The deployment specification file's hooks are not a list of events.")
        for hook in hooks.get(event) or []:
            if not isinstance(hook, dict) or not hook.get("location"):
                raise Failure("UnknownError", _NO_LOCATION)
            asked = hook.get("timeout")
            seconds = int(str(asked)) if str(asked).isdigit() else _LONGEST
            self._run_script(event, str(hook["location"]), min(seconds, _LONGEST))

    def _run_script(self, event: str, location: str, seconds: int) -> None:
        script = self._archive / location
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
    """Unpack a bundle with its exec bits. Raises ValueError for a name that leads out of the directory."""
    directory.mkdir(parents=True)
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
            target.write_bytes(bundle.read(entry))
            if mode & 0o111:
                target.chmod(0o755)
