"""What the git host holds from the start: a person with a token and an SSH key, and a repository to push to."""

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from sandbox.git_host import GitHost
from sandbox.git_host.git import environment
from sandbox.git_host.store import KeyTaken
from sandbox.state import write_private

PERSON = "ada"
REPOSITORY = "acme/shop"
_README = "# Shop\n\nPush to this repository and see what Sluice makes of it.\n"


@dataclass(frozen=True, slots=True)
class Person:
    """How the person of this sandbox reaches the git host.

    Attributes:
        login: the user on the git host.
        key_file: private SSH key.
        known_hosts: known_hosts file that names the git host.
    """

    login: str
    key_file: Path
    known_hosts: Path

    def ssh_command(self) -> str:
        """For `GIT_SSH_COMMAND`."""
        return (
            f"ssh -i {self.key_file} -o IdentitiesOnly=yes -o UserKnownHostsFile={self.known_hosts}"
            " -o StrictHostKeyChecking=yes -F none"
        )


def seed(host: GitHost, directory: Path, token: str) -> Person:
    """Make the person, their keys and the repository, where they are missing.

    Args:
        host: the git host, running or not, its ports known.
        directory: where the person's key and known_hosts lie.
        token: the person's token: all of `repo`, and their own SSH keys.
    """
    host.create_user(PERSON)
    host.create_token(PERSON, scopes=("repo", "admin:repo_hook", "admin:public_key"), token=token)
    key_file, known_hosts = directory / "id_ed25519", directory / "known_hosts"
    if not key_file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment=PERSON)
        write_private(key_file, key.export_private_key().decode())
    public = asyncssh.read_private_key(key_file).export_public_key().decode()
    write_private(known_hosts, host.known_hosts_line + "\n")
    with contextlib.suppress(KeyTaken):
        host.add_user_key(PERSON, public, "sandbox")
    host.create_repository(REPOSITORY, admins=[PERSON])
    _first_commit(host, host.repository_path(REPOSITORY))
    return Person(PERSON, key_file, known_hosts)


def _first_commit(host: GitHost, repository: Path) -> None:
    variables = environment(host.state_dir / "hooks")
    branches = subprocess.run(
        ["git", f"--git-dir={repository}", "for-each-ref"], env=variables, capture_output=True, check=True
    )
    if branches.stdout:
        return
    who = f"Ada Lovelace <{PERSON}@example.com> now"
    stream = f"commit refs/heads/main\ncommitter {who}\ndata 12\nFirst commit\nM 100644 inline README.md\n"
    stream += f"data {len(_README.encode())}\n{_README}\n"
    subprocess.run(
        ["git", f"--git-dir={repository}", "fast-import", "--quiet", "--date-format=now"],
        env=variables,
        input=stream.encode(),
        check=True,
    )
