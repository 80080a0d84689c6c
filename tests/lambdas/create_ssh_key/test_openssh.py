import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from lambdas.create_ssh_key.openssh import from_der
from tests.lambdas.conftest import der_key_pair


@pytest.mark.parametrize("round_", range(8))
def test_ssh_keygen_reads_the_pair(tmp_path: Path, round_: int) -> None:
    key = from_der(*der_key_pair())
    private = tmp_path / "key"
    private.write_text(key.private_key)
    private.chmod(0o600)

    shown = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    listed = subprocess.run(["ssh-keygen", "-lf", private], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == key.public_key
    assert listed.split()[1] == key.fingerprint


def test_the_private_half_is_the_one_that_was_given() -> None:
    private, public = der_key_pair()
    loaded = serialization.load_ssh_private_key(from_der(private, public).private_key.encode(), None)

    given = serialization.load_der_private_key(private, None)
    assert isinstance(loaded, ed25519.Ed25519PrivateKey)
    assert isinstance(given, ed25519.Ed25519PrivateKey)
    assert loaded.private_bytes_raw() == given.private_bytes_raw()


def test_the_second_version_of_the_der_form_is_read_too() -> None:
    """RFC 5958 lets the public key follow; the lengths and the version differ then."""
    private, public = der_key_pair()
    longer = b"\x30\x51\x02\x01\x01" + private[5:48] + b"\x81\x21\x00" + public[12:]

    assert from_der(longer, public).private_key == from_der(private, public).private_key


def test_the_private_key_is_not_in_its_repr() -> None:
    key = from_der(*der_key_pair())

    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize("broken", ["empty", "cut", "other curve"])
def test_other_keys_are_refused(broken: str) -> None:
    private, public = der_key_pair()
    other = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private = {"empty": b"", "cut": private[:40], "other curve": other.private_bytes(*pkcs8)}[broken]

    with pytest.raises(ValueError, match="not Ed25519"):
        from_der(private, public)
