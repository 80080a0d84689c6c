"""Where a provider serves git over SSH, as the clone address of a repository tells.

The SSH server need not be where the web page is: GitLab has `gitlab_ssh_host` and `gitlab_shell_ssh_port`, Gitea and
Forgejo have SSH_DOMAIN, SSH_PORT and SSH_USER, Bitbucket Data Center a port and host of its own. Each API tells the
clone address of each repository.
https://docs.gitlab.com/api/projects/ (`ssh_url_to_repo`), modules/setting/ssh.go of go-gitea/gitea,
https://docs.github.com/en/rest/repos/repos (`ssh_url`)
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

SSH_PORT = 22
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9.:][A-Za-z0-9.:-]{0,252}")
_SCP = re.compile(r"(?:(?P<user>[^@/:\[\]]+)@)?(?P<host>\[[^\]/]+\]|[^@/:\[\]]+):(?!//)(?P<path>.+)", re.DOTALL)
"""user@host:path, as git(1) reads it: https://git-scm.com/docs/git-clone#_git_urls"""


@dataclass(frozen=True, slots=True)
class SshAddress:
    """User, host and port; the host without brackets, in lower case."""

    user: str
    host: str
    port: int = SSH_PORT

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.port == SSH_PORT else f"{self.user}@{self.host}:{self.port}"


def parse(url: str) -> SshAddress | None:
    """What an `ssh://` address or `user@host:path` says; None for anything else. The user is git if there is none."""
    if match := _SCP.fullmatch(url):
        user, host, port = match["user"] or "git", match["host"].strip("[]"), SSH_PORT
    else:
        try:
            parts = urlsplit(url)
            # What a URL leaves out, and what it says in numbers: `ssh://git@host:0/` is no address.
            user, host, port = unquote(parts.username or "git"), parts.hostname or "", parts.port or SSH_PORT
            if parts.scheme not in {"ssh", "git+ssh", "ssh+git"} or parts.port == 0:
                return None
        except ValueError:
            return None
    return checked(user, host, port)


def checked(user: str, host: str, port: int) -> SshAddress | None:
    """The address, if a stack's parameters take it; else None."""
    if not _USER.fullmatch(user) or not is_host(host) or not 1 <= port <= 65535:
        return None
    return SshAddress(user, host.lower(), port)


def is_host(text: str) -> bool:
    """Whether it is written as a host's name or address."""
    return bool(_HOST.fullmatch(text))


def is_user(text: str) -> bool:
    """Whether it is written as a user's name."""
    return bool(_USER.fullmatch(text))
