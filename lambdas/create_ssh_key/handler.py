"""Custom resource: makes the stack's SSH key, once, and returns its public half."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common import clients, custom_resource
from lambdas.common.deliveries import timestamp
from lambdas.common.environment import required
from lambdas.create_ssh_key import openssh

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

PHYSICAL_ID = "sluice-ssh-key"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the template says."""

    secret_arn: str
    kms_key_id: str

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read it. Raises RuntimeError if something is missing."""
        return cls(secret_arn=required("SSH_KEY_SECRET_ARN"), kms_key_id=required("KMS_KEY_ID"))


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    """Create and Update see to it that there is a key; Delete leaves it to the secret's own deletion."""

    def act(request: Mapping[str, Any]) -> Mapping[str, str]:
        if request["RequestType"] == "Delete":
            return {}
        settings = Settings.from_environment()
        return ensure_key(settings, clients.secrets_manager(), clients.kms(), token=request["RequestId"])

    custom_resource.handle(event, act, physical_id=PHYSICAL_ID)


def ensure_key(
    settings: Settings, secrets: "SecretsManagerClient", kms: "KMSClient", *, token: str
) -> Mapping[str, str]:
    """Make a key unless there is one, and return its `PublicKey` and `Fingerprint`.

    `token` makes a request that AWS repeats write one version of the secret, not two.
    """
    current = _current(settings, secrets)
    if current is None:
        pair = kms.generate_data_key_pair(KeyId=settings.kms_key_id, KeyPairSpec="ECC_NIST_EDWARDS25519")
        key = openssh.from_der(pair["PrivateKeyPlaintext"], pair["PublicKey"])
        current = {**asdict(key), "created_at": timestamp()}
        try:
            secrets.put_secret_value(
                SecretId=settings.secret_arn,
                ClientRequestToken=token,
                SecretString=json.dumps({"current": current, "pending": None}),
            )
        except secrets.exceptions.ResourceExistsException:
            current = _current(settings, secrets) or current
    return {"PublicKey": current["public_key"], "Fingerprint": current["fingerprint"]}


def _current(settings: Settings, secrets: "SecretsManagerClient") -> dict[str, str] | None:
    try:
        value = secrets.get_secret_value(SecretId=settings.secret_arn).get("SecretString", "")
    except secrets.exceptions.ResourceNotFoundException:
        return None  # the secret is there, but nothing was ever put into it
    try:
        document = json.loads(value or "{}")
    except ValueError:
        return None
    return document.get("current") or None
