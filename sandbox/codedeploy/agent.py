"""What the CodeDeploy agent does on an instance: download, check appspec.yml, copy files, run hook scripts.

An instance's disk is a directory. Scripts really run, as who runs the sandbox, in that directory.
"""

import io
import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

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

    def __init__(self, disk: Path, deployment: dict[str, Any], *, healthy: bool) -> None:
        self._deployment, self._healthy = deployment, healthy
        self._archive = disk / "deployment-archive"
        self._root = disk / "root"
        self._root.mkdir(parents=True, exist_ok=True)

    def act(self, event: str) -> None:
        """Do what belongs to one lifecycle event. Raises Failure."""
        if not self._healthy:
            raise Failure("UnknownError", _WITHOUT_AGENT)
        if event == "DownloadBundle":
            self._download()
        elif event == "Install":
            self._install()
        elif event not in _NO_SCRIPTS:
            self._run_scripts(event)

    def _download(self) -> None:
        location = self._deployment["revision"]["s3Location"]
        s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}")
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
        for each in self._appspec().get("files") or []:
            source, to = (
                self._archive / str(each["source"]).lstrip("/"),
                self._root / str(each["destination"]).lstrip("/"),
            )
            if not source.exists():
                raise Failure("UnknownError", f"No such file or directory - {source}")
            if source.is_dir():
                shutil.copytree(source, to, dirs_exist_ok=True, symlinks=True)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, to / source.name)

    def _run_scripts(self, event: str) -> None:
        # ApplicationStop and what comes before the download are the last revision's; the first deployment has none.
        if not self._archive.is_dir():
            return
        for hook in (self._appspec().get("hooks") or {}).get(event) or []:
            self._run_script(event, str(hook["location"]), min(int(hook.get("timeout") or _LONGEST), _LONGEST))

    def _run_script(self, event: str, location: str, seconds: int) -> None:
        script = self._archive / location
        if not script.is_file():
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
