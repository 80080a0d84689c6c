"""The SSH keys in the stack's secret: the current one, and during a rotation the pending one.

The secret's value is JSON: `{"current": {...} or null, "pending": {...} or null}`, each with `private_key`,
`public_key`, `fingerprint` and `created_at`; one that a rotation made also has the `rotation`. Private halves never
leave here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common.deliveries import timestamp
from lambdas.create_ssh_key import openssh

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

Document = dict[str, Any]


class NoSuchKey(Exception):
    """The secret holds no key with that fingerprint, or not where it is needed."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Reads and writes the secret. Every method may be called twice with the same arguments."""

    secret_arn: str
    kms_key_id: str
    secrets: "SecretsManagerClient"
    kms: "KMSClient"

    def ensure(self, *, token: str) -> Mapping[str, str]:
        """Make a current key unless there is one; its public half.

        `token` makes a request that AWS repeats write one version of the secret, not two.
        """
        document = self._read()
        if document["current"] is None:
            document["current"] = self._new_key()
            document = self._write(document, token=token)
        return public(document["current"]) or {}

    def describe(self) -> dict[str, Mapping[str, str] | None]:
        """The public halves of both keys; None for one that is not there."""
        return _described(self._read())

    def make_pending(self, *, rotation: str) -> dict[str, Mapping[str, str] | None]:
        """Make the pending key of a rotation, in place of one that an earlier rotation left.

        `rotation` is a UUID: the same one never makes a second key.
        """
        document = self._read()
        if not any(key and key.get("rotation") == rotation for key in document.values()):
            document["pending"] = self._new_key() | {"rotation": rotation}
            document = self._write(document, token=rotation)
        return _described(document)

    def promote(self, *, fingerprint: str) -> dict[str, Mapping[str, str] | None]:
        """Make the pending key the current one. Raises NoSuchKey when it is neither."""
        document = self._read()
        if _is(document["current"], fingerprint):
            return _described(document)
        if not _is(document["pending"], fingerprint):
            raise NoSuchKey(f"No pending key has the fingerprint {fingerprint}")
        return _described(self._write({"current": document["pending"], "pending": None}))

    def forget(self, *, fingerprint: str) -> dict[str, Mapping[str, str] | None]:
        """Throw a key away, current or pending; from then on nothing is fetched with it."""
        document = self._read()
        kept = {name: None if _is(key, fingerprint) else key for name, key in document.items()}
        return _described(document if kept == document else self._write(kept))

    def _new_key(self) -> Document:
        pair = self.kms.generate_data_key_pair(KeyId=self.kms_key_id, KeyPairSpec="ECC_NIST_EDWARDS25519")
        key = openssh.from_der(pair["PrivateKeyPlaintext"], pair["PublicKey"])
        return {**asdict(key), "created_at": timestamp()}

    def _read(self) -> Document:
        empty: Document = {"current": None, "pending": None}
        try:
            value = self.secrets.get_secret_value(SecretId=self.secret_arn).get("SecretString", "")
        except self.secrets.exceptions.ResourceNotFoundException:
            return empty  # the secret is there, but nothing was ever put into it
        try:
            found = json.loads(value or "{}")
        except ValueError:
            return empty
        return {name: found.get(name) or None for name in empty}

    def _write(self, document: Document, *, token: str = "") -> Document:
        """Put a new version; with a `token` that was used before, what was put then counts."""
        once = {"ClientRequestToken": token} if token else {}
        try:
            self.secrets.put_secret_value(SecretId=self.secret_arn, SecretString=json.dumps(document), **once)
        except self.secrets.exceptions.ResourceExistsException:
            return self._read()
        return document


def public(key: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """What of a key others may know."""
    return key and {"PublicKey": key["public_key"], "Fingerprint": key["fingerprint"]}


def _described(document: Document) -> dict[str, Mapping[str, str] | None]:
    return {name: public(key) for name, key in document.items()}


def _is(key: Mapping[str, str] | None, fingerprint: str) -> bool:
    return key is not None and key["fingerprint"] == fingerprint
