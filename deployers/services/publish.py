"""Puts templates and Lambda packages where a region's stacks find them.

Keys are derived from content: what is there never changes, and publishing again costs two requests.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from deployers import templates
from deployers.aws import s3, sts
from deployers.aws.session import Access
from deployers.catalog import KINDS, StackType
from deployers.errors import PackagesMissing
from deployers.models import AwsAccount
from deployers.services import accounts


@dataclass(frozen=True, slots=True)
class Published:
    """Where one kind of stack finds its templates and its packages."""

    bucket: str
    prefix: str
    templates_url: str
    """The folder of the templates, without a slash at its end."""
    template_url: str


def publish(
    *, kind: StackType, region: str, account: AwsAccount | None = None, bucket: str = "", directory: Path | None = None
) -> Published:
    """Publish the template and the packages of a kind of stack into one region; skip what is there already.

    `account` None is the account of the panel's own credentials; `bucket` empty is
    `sluice-artifacts-<account>-<region>`, which is made if it is missing. Raises PackagesMissing,
    AlreadyExistsAtAws for another's bucket, and the other errors of AWS.
    """
    access = accounts.access(account, region) if account else Access(method="ambient", region=region)
    packages = _read(kind, directory or settings.LAMBDA_PACKAGES)
    prefix = f"{kind.kind}/{_digest(packages)}"
    rendered = {templates.published_name(source): templates.render(source) for source in (kind.template, *kind.nested)}
    folder = f"templates/{_digest(rendered)}"

    caller = sts.caller(access)
    bucket = bucket or f"sluice-artifacts-{caller.account_id}-{region}"
    s3.ensure_private_bucket(access, bucket=bucket, owner=caller.account_id, partition=sts.partition(caller.arn))
    # The manifest is written last: where it is, all is.
    manifest = f"{prefix}/manifest.json"
    if not s3.exists(access, bucket=bucket, key=manifest, owner=caller.account_id):
        digests = {function: hashlib.sha256(body).hexdigest() for function, body in packages.items()}
        for function, body in packages.items():
            s3.put(
                access,
                bucket=bucket,
                key=f"{prefix}/{function}.zip",
                body=body,
                content_type="application/zip",
                owner=caller.account_id,
            )
        s3.put(
            access,
            bucket=bucket,
            key=manifest,
            body=json.dumps(digests, sort_keys=True).encode(),
            content_type="application/json",
            owner=caller.account_id,
        )
    # The main template is written last: where it is, those that it is made of are.
    main = f"{folder}/{templates.published_name(kind.template)}"
    if not s3.exists(access, bucket=bucket, key=main, owner=caller.account_id):
        for name, body in reversed(rendered.items()):
            s3.put(
                access,
                bucket=bucket,
                key=f"{folder}/{name}",
                body=body,
                content_type="application/json",
                owner=caller.account_id,
            )
    return Published(
        bucket,
        prefix,
        templates_url=s3.url(access, bucket=bucket, key=folder),
        template_url=s3.url(access, bucket=bucket, key=main),
    )


def publish_all(*, region: str, account: AwsAccount | None = None, bucket: str = "") -> dict[str, Published]:
    """Publish every kind of stack; by kind, where."""
    return {name: publish(kind=kind, region=region, account=account, bucket=bucket) for name, kind in KINDS.items()}


def _read(kind: StackType, directory: Path) -> dict[str, bytes]:
    packages = {}
    for function in kind.packages:
        try:
            packages[function] = (directory / f"{function}.zip").read_bytes()
        except OSError as error:
            raise PackagesMissing(
                f"The Lambda package {function}.zip is not in {directory}.",
                remedy="Build the packages: python -m lambdas.package --out DIR, and set SLUICE_LAMBDA_PACKAGES.",
            ) from error
    return packages


def _digest(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, body in sorted(files.items()):
        whole.update(f"{name}:{hashlib.sha256(body).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]
