"""What a Git server says over SSH when it sends no repository: read to the first line with words, and judged.

libgit2 passes on at most the first block that a server writes, and nothing where it wrote to standard output first, as
Gitea does. So after a failure the server is asked once more, and its words are read.

The words are those of internal/console/console.go and internal/gitlabnet/accessverifier of gitlab-org/gitlab-shell,
cmd/serv.go and routers/private/serv.go of go-gitea/gitea (Forgejo's are the same under its own name), src/triggers and
src/lib/Gitolite/Conf/Load.pm of sitaramc/gitolite, and upload-pack of git.
"""

import re

from lambdas.common.errors import FetchError, PermanentFailure, TemporaryFailure
from lambdas.git_pull.ssh import KeyRefused

_FRAME = re.compile(r"^\s*(?:remote:\s*)?[=\-*\s]*$")
"""Lines without words: GitLab frames what it says in `remote:` and `====` lines."""
_PREFIX = re.compile(r"^\s*(?:remote:\s*)?(?:(?:ERROR|FATAL|error|fatal|GitLab|Gitea|Forgejo|Gogs|conq)\s*:\s*)*")
_MAX_WORDS = 200

_NO_ACCESS = "give the SSH key (PublicSSHKey) read access to the repository, or correct the repository's name"
_TABLE: tuple[tuple[str, type[FetchError], str], ...] = (
    (r"mismatched algorithms|object[- ]format.*sha256|unknown object format|sha256 object", PermanentFailure, "sha256"),
    (r"too many times|rate limit|too many (?:requests|connections)|slow down", TemporaryFailure, ""),
    (
        r"is being created|retry after|try again|temporarily|maintenance|unavailable|read-only mode",
        TemporaryFailure,
        "",
    ),
    (
        r"internal server error|internal api|api is not accessible|unable to get|failed to|gateway|timed? ?out",
        TemporaryFailure,
        "",
    ),
    (r"ssh has been disabled|git access over ssh is not allowed|ssh access is disabled", PermanentFailure, "disabled"),
    (r"key (?:has )?expired|key is expired", KeyRefused, "the SSH key has expired there: rotate it, or add it again"),
    (r"denied by|access denied|permission denied|unauthori[sz]ed|not authori[sz]ed|forbidden", KeyRefused, _NO_ACCESS),
    (r"not allowed to|not permitted|don't have permission|do not have permission|no access", KeyRefused, _NO_ACCESS),
    (r"not found|could not be found|cannot find|does not exist|no such|doesn't exist|does not appear", KeyRefused, ""),
    (r"cannot find key|key.*(?:unknown|not.*registered)", KeyRefused, _NO_ACCESS),
    (
        r"blocked|deactivated|suspended|archived|disabled|terms of service",
        PermanentFailure,
        "ask the server's operator",
    ),
    (r"sso|single sign-on|ip allow|ip address|allow list", PermanentFailure, "the organization restricts access"),
)
_SHA256 = (
    "The repository has the SHA-256 object format, which git pull cannot fetch: use zip download for this integration"
)


def first_words(text: str) -> str:
    """The first line that says something, without what frames it; empty if there is none."""
    for line in text.replace("\r", "\n").split("\n"):
        if not _FRAME.match(line):
            words = _PREFIX.sub("", line).strip()
            if words:
                return words[:_MAX_WORDS]
    return ""


def judge(text: str) -> FetchError | None:
    """What a server's words mean; None for no words, or for words that nobody knows."""
    words = first_words(text)
    for pattern, kind, advice in _TABLE:
        if words and re.search(pattern, words, re.IGNORECASE):
            if advice == "sha256":
                return PermanentFailure(_SHA256)
            if advice == "disabled":
                return PermanentFailure(f'The Git server says "{words}": fetch over HTTPS, or use zip download')
            shown = f'The Git server says "{words}"'
            if kind is TemporaryFailure:
                return TemporaryFailure(shown)
            if kind is KeyRefused:
                shown = f'The Git server has no such repository, or the SSH key may not read it. It says "{words}"'
            return kind(f"{shown}: {advice or _NO_ACCESS}")
    return None


def sha256() -> PermanentFailure:
    """What is said of a repository whose objects have SHA-256 names; libgit2's released versions know none."""
    return PermanentFailure(_SHA256)


def no_common_algorithms(host: str, detail: str = "") -> PermanentFailure:
    """What is said of a server that shares no type of host key, key exchange or cipher with git pull."""
    more = f" ({detail[:_MAX_WORDS]})" if detail else ""
    return PermanentFailure(
        f"{host} and git pull have no way in common to set up an SSH connection{more}. Git pull takes host keys of the "
        "types ed25519, ecdsa and rsa that are pinned, and the key exchanges curve25519, ecdh and diffie-hellman, not "
        "post-quantum ones: allow one of these there, confirm the host keys anew, or fetch over HTTPS"
    )
