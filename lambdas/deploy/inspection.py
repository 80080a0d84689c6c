"""Looking into an artifact without fetching it: its directory and its appspec.yml are all that is read."""

import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from lambdas.common.s3_file import S3File
from lambdas.deploy import appspec
from lambdas.deploy.tree import Kind, Tree

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError)
"""What zipfile raises for an archive that is damaged, encrypted, or packed in a way that is not known."""

MAX_LINKS = 200
"""Links of an artifact whose targets are read; further ones count as leading to where only the instance can look."""
_LONGEST_PATH = 4096


def inspect(s3: "S3Client", *, bucket: str, key: str, version_id: str, size: int) -> appspec.Findings:
    """What is wrong with an artifact for a deployment to instances. Raises botocore's errors."""
    source = S3File(s3, bucket=bucket, key=key, version_id=version_id, size=size)
    try:
        with zipfile.ZipFile(source.buffered()) as archive:
            return _look_into(archive)
    except _DAMAGED as error:
        return appspec.Findings([f"The artifact is no zip archive that can be unpacked: {str(error)[:200]}."])


def _look_into(archive: zipfile.ZipFile) -> appspec.Findings:
    entries = _without_leading_directory({entry.filename.rstrip("/"): entry for entry in archive.infolist()})
    files = {name: entry for name, entry in entries.items() if not entry.is_dir()}
    links = {name: entry for name, entry in files.items() if stat.S_ISLNK(entry.external_attr >> 16)}
    plain = files.keys() - links.keys()
    tree = Tree(
        plain,
        {name for name in plain if files[name].external_attr >> 16 & 0o111},
        entries.keys() - files.keys(),
        _targets(archive, links),
    )
    place = tree.find(appspec.NAME)
    if place.kind is not Kind.FILE:
        return appspec.Findings([_missing(files)])
    found = files[place.name]
    if found.file_size > appspec.MAX_SIZE:
        return appspec.Findings(
            [f"appspec.yml has {found.file_size} bytes; {appspec.MAX_SIZE} are enough for anybody."]
        )
    with archive.open(found) as stream:
        text = stream.read(appspec.MAX_SIZE + 1)
    return appspec.check(text, tree)


def _without_leading_directory(entries: "dict[str, zipfile.ZipInfo]") -> "dict[str, zipfile.ZipInfo]":
    """The agent strips the one directory at an archive's root if it has something like an appspec right in it.

    https://github.com/aws/aws-codedeploy-agent, command_executor.rb, unpack_bundle
    """
    tops = {name.partition("/")[0] for name in entries}
    if len(tops) != 1 or (top := tops.pop()) not in {name.rpartition("/")[0] for name in entries}:
        return entries
    inner = {name.removeprefix(f"{top}/"): entry for name, entry in entries.items() if name != top}
    return inner if any("appspec" in name.partition("/")[0].lower() for name in inner) else entries


def _targets(archive: zipfile.ZipFile, links: "dict[str, zipfile.ZipInfo]") -> dict[str, str | None]:
    """Where links lead. Those past MAX_LINKS are not read: each may cost a request."""
    found: dict[str, str | None] = dict.fromkeys(links)
    for name, entry in list(links.items())[:MAX_LINKS]:
        if entry.file_size <= _LONGEST_PATH:
            with archive.open(entry) as stream:
                found[name] = stream.read(_LONGEST_PATH + 1).decode(errors="surrogateescape")
    return found


def _missing(names: "dict[str, zipfile.ZipInfo]") -> str:
    advice = "add one, see the AppSpec file reference of CodeDeploy"
    near = sorted(
        (name for name in names if name.rpartition("/")[2].lower() in ("appspec.yml", "appspec.yaml")),
        key=lambda name: (name.count("/"), name),
    )
    if near:
        advice = f"{near[0][:200]} has to be called appspec.yml and lie at the root"
    return f"The artifact has no appspec.yml at its root: {advice}."
