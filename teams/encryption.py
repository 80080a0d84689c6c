"""Secrets at rest: AES-256-GCM with keys from the environment, bound to the row that holds them.

A stored value is `v1.<key id>.<base64 of nonce + ciphertext>`. The first key of `ENCRYPTION_KEYS` encrypts, all of them
decrypt, so a new key can be put in front without downtime. The model, row and field are authenticated with the
ciphertext: a value copied to another row or field does not decrypt.
"""

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute

VERSION = "v1"
NONCE_BYTES = 12


class DecryptionFailed(Exception):
    """A stored secret cannot be decrypted: its key is no longer configured, or it was written for another row."""


class Ciphertext(str):
    """An encrypted value as the database holds it."""

    __slots__ = ()


def _keys() -> dict[str, bytes]:
    keys = {}
    for encoded in settings.ENCRYPTION_KEYS:
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise ImproperlyConfigured("Each of SLUICE_ENCRYPTION_KEYS must be 32 bytes in base64.")
        keys[hashlib.sha256(key).hexdigest()[:8]] = key
    return keys


def encrypt(plaintext: str, *, bound_to: str) -> Ciphertext:
    """Encrypt with the newest key. `bound_to` names the place that may decrypt it."""
    key_id, key = next(iter(_keys().items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plaintext.encode(), f"{VERSION}|{bound_to}".encode())
    return Ciphertext(f"{VERSION}.{key_id}.{base64.b64encode(nonce + sealed).decode()}")


def decrypt(ciphertext: str, *, bound_to: str) -> str:
    """The plaintext. Raises DecryptionFailed; the message never holds any part of the value."""
    try:
        version, key_id, encoded = ciphertext.split(".")
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise DecryptionFailed("The stored value is not a ciphertext.") from error
    key = _keys().get(key_id)
    if version != VERSION or key is None:
        raise DecryptionFailed(f"No configured key has the id {key_id}; put it back into SLUICE_ENCRYPTION_KEYS.")
    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], f"{VERSION}|{bound_to}".encode()).decode()
    except InvalidTag as error:
        raise DecryptionFailed("The stored value was written for another row or was altered.") from error


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
            return decrypt(value, bound_to=self.field.bound_to(instance))
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

    def bound_to(self, instance: models.Model) -> str:
        """The model, row and field that a ciphertext belongs to."""
        return f"{self.model._meta.label_lower}|{instance.pk}|{self.attname}"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:  # noqa: ARG002
        return Ciphertext(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: ARG002
        value = model_instance.__dict__.get(self.attname)
        if value and not isinstance(value, Ciphertext):
            value = encrypt(str(value), bound_to=self.bound_to(model_instance))
            model_instance.__dict__[self.attname] = value
        return value

    def get_prep_value(self, value: Any) -> Any:
        if value and not isinstance(value, Ciphertext):
            raise TypeError(f"{self.name} holds a secret: assign it on an instance and save that.")
        return str(value) if value else value
