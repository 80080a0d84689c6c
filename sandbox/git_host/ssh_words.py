"""What each kind of Git server says over SSH when it sends no repository, and where it writes it.

internal/console/console.go of gitlab-org/gitlab-shell; cmd/serv.go and routers/private/serv.go of go-gitea/gitea
(Forgejo's differ in their name); src/lib/Gitolite/Conf/Load.pm of sitaramc/gitolite.
"""

from dataclasses import dataclass

_RULER = "=" * 72


@dataclass(frozen=True, slots=True)
class Said:
    """What goes to standard output and to standard error, and how the command ends."""

    output: bytes
    error: bytes
    status: int


def github(repository: str, reason: str) -> Said:  # noqa: ARG001 - as the others
    """One line, after ERROR."""
    return Said(b"", f"ERROR: {reason}\n".encode(), 128)


def gitlab(repository: str, reason: str) -> Said:  # noqa: ARG001 - as the others
    """Framed; the words are the same for what is not there and what may not be read."""
    words = (
        "ERROR: The project you were looking for could not be found or you don't have permission to view it."
        if "not found" in reason
        else f"ERROR: {reason}"
    )
    frame = f"remote: \nremote: {_RULER}\nremote: \n"
    return Said(b"", f"{frame}remote: {words}\n{frame}".encode(), 1)


def _gitea(name: str, repository: str, reason: str) -> Said:
    words = f"Cannot find repository: {repository}" if "not found" in reason else reason
    # An empty line goes to standard output first, where git waits for refs.
    return Said(b"\n", f"{name}: {words}\n".encode(), 1)


def gitea(repository: str, reason: str) -> Said:
    """After the server's name."""
    return _gitea("Gitea", repository, reason)


def forgejo(repository: str, reason: str) -> Said:
    """As Gitea, which it comes from."""
    return _gitea("Forgejo", repository, reason)


def gitolite(repository: str, reason: str) -> Said:  # noqa: ARG001 - as the others
    """The same for what is not there and what may not be read."""
    words = f"FATAL: R any {repository} sluice DENIED by fallthru\n(or you mis-spelled the reponame)\n"
    return Said(b"", words.encode(), 255)


WORDS = {"github": github, "gitlab": gitlab, "gitea": gitea, "forgejo": forgejo, "gitolite": gitolite}
