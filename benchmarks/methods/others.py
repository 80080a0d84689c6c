"""What our functions are compared with."""

import shutil
import ssl
import subprocess
import urllib.request
import zipfile
from pathlib import Path

from benchmarks.methods import KEY, Action, Run
from benchmarks.methods.upload import relay
from benchmarks.trees import git_environment


def zip_download_reference(run: Run) -> Action:
    """The reference's approach: the zip in memory, its files on the disk, and zipped again from there."""
    import io

    import requests

    s3 = run.s3

    def action() -> None:
        answer = requests.get(
            run.zip_url, headers={"Authorization": "Bearer token"}, verify=str(run.folder.ca), timeout=60
        )
        answer.raise_for_status()
        files = run.work / "files"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(files)
        (folder,) = files.iterdir()
        s3.upload_file(shutil.make_archive(str(run.work / "artifact"), "zip", folder), run.bucket, KEY)

    return action


def zip_download_relay(run: Run) -> Action:
    """The limit of zip download: the provider's bytes as they are, leading folder and all."""
    s3 = run.s3

    def action() -> None:
        context = ssl.create_default_context()
        context.load_verify_locations(run.folder.ca)
        with urllib.request.urlopen(run.zip_url, context=context, timeout=60) as answer:
            relay(s3, run.bucket, answer.read)

    return action


def git_pull_reference(run: Run) -> Action:
    """The reference's approach: a full clone, a checkout, and a deflated zip of it."""
    import pygit2

    key = run.folder.client_key.read_text()

    class Callbacks(pygit2.RemoteCallbacks):
        def credentials(self, url: str, username_from_url: str | None, allowed_types: int) -> pygit2.Keypair:  # noqa: ARG002
            return pygit2.KeypairFromMemory(username_from_url or "git", None, key, "")

        def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:  # noqa: ARG002
            return True

    s3 = run.s3

    def action() -> None:
        clone = run.work / "clone"
        pygit2.clone_repository(run.ssh_url, str(clone), callbacks=Callbacks())
        with zipfile.ZipFile(run.work / "artifact.zip", "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in clone.rglob("*"):
                relative = path.relative_to(clone)
                if relative.parts[0] != ".git" and (path.is_symlink() or not path.is_dir()):
                    _add(archive, path, relative)
        s3.upload_file(str(run.work / "artifact.zip"), run.bucket, KEY)

    return action


def git_archive(run: Run) -> Action:
    """What people write in a shell: `git clone --depth 1`, then `git archive -6` into the upload."""
    known_hosts = run.work / "known_hosts"
    known_hosts.write_text(run.known_hosts + "\n")
    options = f"-F /dev/null -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts} -i {run.folder.client_key}"
    environment = git_environment() | {"GIT_SSH_COMMAND": f"ssh {options}"}
    clone, s3 = run.work / "clone.git", run.s3

    def action() -> None:
        command = ["git", "clone", "--quiet", "--bare", "--depth", "1", "--branch", "main", run.ssh_url, str(clone)]
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)
        command = ["git", f"--git-dir={clone}", "archive", "--format=zip", "-6", run.commit]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as archive:
            assert archive.stdout
            relay(s3, run.bucket, archive.stdout.read)
        if archive.returncode:
            raise subprocess.CalledProcessError(archive.returncode, command)

    return action


def _add(archive: zipfile.ZipFile, path: Path, name: Path) -> None:
    if path.is_symlink():
        archive.writestr(str(name), str(path.readlink()))
    else:
        archive.write(path, name)
