"""Secrets at rest: AES-256-GCM with keys from the environment, bound to the row that holds them.

A stored value is `v1.<key id>.<base64 of nonce + ciphertext>`. The first key of `ENCRYPTION_KEYS` encrypts, all of them
decrypt, so a new key can be put in front without downtime; `manage.py rotate_encryption_key` then moves to it what was
written before. The model, row and field are authenticated with the ciphertext: a value copied to another row or field
does not decrypt.
"""

import base64
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from teams.errors import SluiceError

VERSION = "v1"
NONCE_BYTES = 12


class DecryptionFailed(SluiceError):
    """A stored secret cannot be decrypted: its key is no longer configured, or it was written for another row."""

    code = "secret_unreadable"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(
            message, remedy="Bring its key back into SLUICE_ENCRYPTION_KEYS, or replace the secret: docs/security.md."
        )


class Ciphertext(str):
    """An encrypted value as the database holds it."""

    __slots__ = ()


def _id_of(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def key_ids() -> list[str]:
    """The ids of the configured keys, newest first. An id tells nothing of its key."""
    return [_id_of(key) for key in settings.ENCRYPTION_KEYS]


def key_id(ciphertext: str) -> str:
    """The id of the key that a stored value was encrypted with; empty if it is not a ciphertext."""
    version, _, rest = ciphertext.partition(".")
    return rest.partition(".")[0] if version == VERSION else ""


def encrypt(plaintext: str, *, bound_to: str) -> Ciphertext:
    """Encrypt with the newest key. `bound_to` names the place that may decrypt it."""
    key: bytes = settings.ENCRYPTION_KEYS[0]
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plaintext.encode(), f"{VERSION}|{bound_to}".encode())
    return Ciphertext(f"{VERSION}.{_id_of(key)}.{base64.b64encode(nonce + sealed).decode()}")


def decrypt(ciphertext: str, *, bound_to: str) -> str:
    """The plaintext. Raises DecryptionFailed; the message never holds any part of the value."""
    try:
        version, used, encoded = ciphertext.split(".")
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise DecryptionFailed("The stored value is not a ciphertext.") from error
    key = next((key for key in settings.ENCRYPTION_KEYS if _id_of(key) == used), None)
    if version != VERSION or key is None:
        raise DecryptionFailed(f"No configured key has the id {used}.")
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], f"{VERSION}|{bound_to}".encode()).decode()
    except InvalidTag as error:
        raise DecryptionFailed("The stored value was written for another row or was altered.") from error


def readable(instance: models.Model, name: str) -> str:
    """The secret of that field, or nothing where it cannot be decrypted any more, so that it can be replaced."""
    try:
        value: str = getattr(instance, name)
    except DecryptionFailed:
        return ""
    return value


class _Decrypted(DeferredAttribute):
    """Decrypts on access; keeps whatever was assigned until it is saved."""

    field: "EncryptedTextField"

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__.get(self.field.attname)
        if value is None:
            value = super().__get__(instance, cls)
        if isinstance(value, Ciphertext):
            return decrypt(value, bound_to=self.field.bound_to(instance.pk))
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class EncryptedTextField(_TextField):
    """Text that reads and writes as plaintext on the instance and is encrypted in the database.

    The row's primary key must be known before the first save (a UUID), as the ciphertext is bound to it. An empty
    string is stored as it is. A queryset can neither filter by it nor update it.
    """

    descriptor_class = _Decrypted

    def bound_to(self, pk: Any) -> str:
        """The model, row and field that a ciphertext belongs to."""
        return f"{self.model._meta.label_lower}|{pk}|{self.attname}"

    def under_newest_key(self, ciphertext: Ciphertext, pk: Any) -> Ciphertext:
        """The same secret encrypted with the newest key; itself if it is already. Raises DecryptionFailed."""
        if key_id(ciphertext) == key_ids()[0]:
            return ciphertext
        place = self.bound_to(pk)
        return encrypt(decrypt(ciphertext, bound_to=place), bound_to=place)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:  # noqa: ARG002
        return Ciphertext(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Ciphertext):
            # It was read before a rotation moved the row, perhaps: the older key must not come back.
            with suppress(DecryptionFailed):
                value = self.under_newest_key(value, model_instance.pk)
        elif value:
            value = encrypt(str(value), bound_to=self.bound_to(model_instance.pk))
        model_instance.__dict__[self.attname] = value
        return value

    def get_prep_value(self, value: Any) -> Any:
        if value and not isinstance(value, Ciphertext):
            raise TypeError(f"{self.name} holds a secret: assign it on an instance and save that.")
        return str(value) if value else value
