"""Names of repositories, and the object keys of their artifacts. Nothing here can leave its repository's prefix."""

import re

from lambdas.common.errors import InvalidName
from lambdas.common.refs import Ref, RefKind

# The widest of the providers' rules: GitLab nests groups, Bitbucket Data Center writes personal projects as ~user.
_PART = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,254}|\.[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,253}")
MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""


def check_full_name(full_name: str) -> str:
    """Return a repository's full name (owner/name, or group/subgroup/name) as given. Raises InvalidName."""
    parts = full_name.split("/")
    if not 2 <= len(parts) <= 21 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidName(f"{full_name[:100]!r} is not the full name of a repository")
    if "refs" in parts[2:]:  # GitLab, which alone nests groups, gives that name to no group and no project in a group
        raise InvalidName(f"{full_name[:100]!r} has a part called refs")
    return full_name


def artifact_key(full_name: str, ref: Ref) -> str:
    """Where a ref's artifact lies: `<full name>/<branch>/<name>.zip`, tags under `<full name>/refs/tags/`.

    No two refs of any repositories have one key. Groups may be nested, so `b/main` of acme/b would lie where `main` of
    acme/b/b does: a branch with a folder that is called as its repository lies under `<full name>/refs/heads/`.

    Raises InvalidName, also for branches called refs/..., whose keys could be those of tags.
    """
    name = check_full_name(full_name).rsplit("/", 1)[-1]
    if ref.kind is RefKind.OTHER or (ref.kind is RefKind.BRANCH and ref.name.startswith("refs/")):
        raise InvalidName(f"{ref.full[:100]!r} cannot be mirrored: only branches and tags have artifacts")
    plain = ref.kind is RefKind.BRANCH and name not in ref.name.split("/")[:-1]
    place = ref.name if plain else ref.full
    key = f"{full_name}/{place}/{name}.zip"
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidName(f"The object key for {ref.full[:100]!r} would be longer than {MAX_KEY_BYTES} bytes")
    return key
