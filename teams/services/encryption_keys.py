"""Moving what older encryption keys wrote to the newest one, while the panel runs."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from teams import encryption
from teams.encryption import Ciphertext, DecryptionFailed, EncryptedTextField
from teams.services import second_factors

BATCH = 200


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored secret that no configured key decrypts at its place. Never holds any part of the value."""

    model: str
    pk: Any
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.model} {self.pk} {self.field}: {self.reason}"


@dataclass(slots=True)
class Survey:
    """All stored secrets: how many each key encrypts, by its id, and which do not decrypt."""

    used: Counter[str] = field(default_factory=Counter)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def older(self) -> int:
        """How many are not under the newest key."""
        return self.used.total() - self.used[encryption.key_ids()[0]]


def fields() -> list[EncryptedTextField]:
    """Every field that holds secrets, of all models."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, EncryptedTextField)
    ]


def rotate(*, progress: Callable[[EncryptedTextField, int], object]) -> int:
    """Encrypt with the newest key whatever an older one encrypts; returns how many values that were.

    Each value is replaced only where it is still the one that was read, so what the panel writes meanwhile stays. It
    may be killed at any moment: the next run finds what is left. What does not decrypt is left as it is. `progress`
    is called with the field and its number of values so far after each `BATCH` of them.
    """
    moved = 0
    for each in fields():
        done = 0
        for pk, old in _stored(each, older=True):
            try:
                new = each.under_newest_key(old, pk)
            except DecryptionFailed:  # `survey` tells
                continue
            replaced = QuerySet(each.model).filter(pk=pk, **{each.attname: old}).update(**{each.attname: new})
            done += replaced
            if replaced and done % BATCH == 0:
                progress(each, done)
        moved += done
    return moved + _rotate_second_factors()


def _rotate_second_factors() -> int:
    newest, moved = encryption.key_ids()[0], 0
    older = {pk for pk, stored in second_factors.stored_secrets() if encryption.key_id(stored) != newest}
    for pk in sorted(older):
        with suppress(DecryptionFailed):  # `survey` tells
            moved += second_factors.move_to_newest_key(pk)
    return moved


def survey() -> Survey:
    """Read all secrets, and say which keys they need. Changes nothing."""
    found = Survey()
    for each in fields():
        for pk, stored in _stored(each):
            found.used[encryption.key_id(stored)] += 1
            try:
                encryption.decrypt(stored, bound_to=each.bound_to(pk))
            except DecryptionFailed as error:
                found.unreadable.append(Unreadable(each.model._meta.label, pk, each.name, error.message))
    for factor, sealed in second_factors.stored_secrets():
        found.used[encryption.key_id(sealed)] += 1
        try:
            encryption.decrypt(sealed, bound_to=second_factors.BOUND_TO)
        except DecryptionFailed as error:
            found.unreadable.append(Unreadable("mfa.Authenticator", factor, "data", error.message))
    return found


def _stored(each: EncryptedTextField, *, older: bool = False) -> Iterator[tuple[Any, Ciphertext]]:
    """The field's values with their rows' keys, in batches that hold no cursor open; `older`: not the newest key's."""
    rows: QuerySet[Any] = QuerySet(each.model).exclude(**{each.attname: ""}).order_by("pk")
    if older:
        newest = Ciphertext(f"{encryption.VERSION}.{encryption.key_ids()[0]}.")
        rows = rows.exclude(**{f"{each.attname}__startswith": newest})
    batch = list(rows.values_list("pk", each.attname)[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1][0]).values_list("pk", each.attname)[:BATCH])
