"""Looking into an artifact without fetching it: its directory and its appspec.yml are all that is read."""

import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from lambdas.common.s3_file import S3File
from lambdas.deploy import appspec

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError)
"""What zipfile raises for an archive that is damaged, encrypted, or packed in a way that is not known."""


def inspect(s3: "S3Client", *, bucket: str, key: str, version_id: str, size: int) -> appspec.Findings:
    """What is wrong with an artifact for a deployment to instances. Raises botocore's errors."""
    source = S3File(s3, bucket=bucket, key=key, version_id=version_id, size=size)
    try:
        with zipfile.ZipFile(source.buffered()) as archive:
            return _look_into(archive)
    except _DAMAGED as error:
        return appspec.Findings([f"The artifact is no zip archive that can be unpacked: {str(error)[:200]}."])


def _look_into(archive: zipfile.ZipFile) -> appspec.Findings:
    entries = {entry.filename.rstrip("/"): entry for entry in archive.infolist()}
    files = {name: entry for name, entry in entries.items() if not entry.is_dir()}
    if appspec.NAME not in files:
        return appspec.Findings([_missing(files)])
    found = files[appspec.NAME]
    if found.file_size > appspec.MAX_SIZE:
        return appspec.Findings(
            [f"appspec.yml has {found.file_size} bytes; {appspec.MAX_SIZE} are enough for anybody."]
        )
    with archive.open(found) as stream:
        text = stream.read(appspec.MAX_SIZE + 1)
    directories = {name for name, entry in entries.items() if entry.is_dir()}
    for name in entries:
        while "/" in name:
            name = name.rpartition("/")[0]  # noqa: PLW2901 - walks up
            if name in directories:
                break
            directories.add(name)
    executable = {name for name, entry in files.items() if _is_executable(entry)}
    return appspec.check(text, appspec.Files(files.keys(), executable, directories))


def _is_executable(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16
    return stat.S_ISLNK(mode) or bool(mode & 0o111)


def _missing(names: "dict[str, zipfile.ZipInfo]") -> str:
    advice = "add one, see the AppSpec file reference of CodeDeploy"
    near = sorted(
        (name for name in names if name.rpartition("/")[2].lower() in ("appspec.yml", "appspec.yaml")),
        key=lambda name: (name.count("/"), name),
    )
    if near:
        advice = f"{near[0][:200]} has to be called appspec.yml and lie at the root"
    return f"The artifact has no appspec.yml at its root: {advice}."
