"""Sessions and clients for an AWS account: one of each in a process, as making them is slow."""

import threading
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from deployers.aws import regions
from deployers.aws.faults import aws_faults
from deployers.errors import CredentialsRefused

CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=3,
    read_timeout=15,
    user_agent_extra="sluice",
    signature_version="v4",
)
QUICK = CONFIG.merge(Config(retries={"mode": "standard", "max_attempts": 1}, connect_timeout=1, read_timeout=2))
# A function may take a while, such as for a probe of a git host that does not answer.
LAMBDA_CONFIG = CONFIG.merge(Config(retries={"mode": "standard", "max_attempts": 2}, read_timeout=60))
S3_CONFIG = CONFIG.merge(Config(signature_version="s3v4"))
ROLE_SESSION_NAME = "sluice"

# boto3's sessions may not make clients in two threads at once; the clients themselves are thread-safe.
_making = threading.RLock()


@dataclass(frozen=True, slots=True)
class Access:
    """The way into one region of an AWS account: `role`, `keys` or `ambient` (what boto3 finds by itself).

    Of accounts that people add, only `services.accounts` makes one, once the account's check has passed.
    """

    method: str
    region: str
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)


def client(access: Access, service: str, *, quick: bool = False) -> Any:
    """The client of an AWS service; a `quick` one gives up soon, for what a person waits for and can do without.

    Raises CredentialsRefused when there are no credentials to begin with.
    """
    with _making:
        return _client(access, service, quick)


def forget() -> None:
    """Drop every session and client, such as after the environment changed."""
    with _making:
        _client.cache_clear()
        _session.cache_clear()


@lru_cache(maxsize=512)
def _client(access: Access, service: str, quick: bool) -> Any:
    config = QUICK if quick else {"s3": S3_CONFIG, "lambda": LAMBDA_CONFIG}.get(service, CONFIG)
    with aws_faults():
        return _session(access).client(service, config=config)  # type: ignore[call-overload]


@lru_cache(maxsize=128)
def _session(access: Access) -> boto3.Session:
    if access.method == "keys":
        return boto3.Session(
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            region_name=access.region,
        )
    if access.method == "role":
        assumed = botocore.session.get_session()
        # botocore has no public way to hand a session credentials that renew themselves.
        assumed._credentials = _role_credentials(access)  # type: ignore[attr-defined]  # noqa: SLF001
        return boto3.Session(botocore_session=assumed, region_name=access.region)
    return boto3.Session(region_name=access.region)


def _role_credentials(access: Access) -> DeferredRefreshableCredentials:
    source = botocore.session.get_session()
    credentials = source.get_credentials()
    if credentials is None:
        raise CredentialsRefused(
            "The panel has no AWS credentials of its own to assume the role with.",
            remedy="Give the panel's processes an instance role, a task role or AWS_* variables.",
        )
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(
            source.create_client, region_name=regions.home(access.role_arn.split(":")[1]), config=CONFIG
        ),
        source_credentials=credentials,
        role_arn=access.role_arn,
        extra_args={"RoleSessionName": ROLE_SESSION_NAME, "ExternalId": access.external_id},
    )
    return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
