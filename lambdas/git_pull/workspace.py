"""The folder that this function keeps its repositories and host keys in, private to it."""

import os
import stat
import tempfile
from pathlib import Path

PRIVATE = 0o700


class FolderNotOurs(OSError):
    """Something else stands where the function's folder should be: a link, a file, or another user's folder."""


def folder(function_name: str) -> Path:
    """Make the folder if it is missing, and return it.

    On AWS each execution environment has a /tmp of its own. On one machine, functions of many stacks and users share
    it: one would refuse the host key that another pinned, and read its private code.

    Raises FolderNotOurs rather than use a folder that somebody else made.
    """
    path = Path(tempfile.gettempdir()) / f"sluice-{function_name}"
    path.mkdir(mode=PRIVATE, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise FolderNotOurs(f"{path} is not a folder of this user")
    path.chmod(PRIVATE)
    return path
