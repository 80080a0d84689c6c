"""Private keys of GitHub Apps: RSA, in PEM format, as GitHub hands them out."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from integrations.errors import InvalidValue

FIELD = "private_key"
SMALLEST = 2048  # bits: GitHub's keys have no fewer


def private_key(pem: str) -> RSAPrivateKey:
    """The key. Raises InvalidValue, which never quotes it."""
    try:
        # A copy out of a file of settings has its line ends written out.
        key = load_pem_private_key(pem.replace("\\n", "\n").encode("ascii"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidValue(
            "This is no private key in PEM format, or it has a password.",
            remedy="Paste the whole .pem file that GitHub gave you, from -----BEGIN to the end of the last line.",
            field=FIELD,
        ) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST:
        raise InvalidValue(
            f"Private keys of GitHub Apps are RSA keys of {SMALLEST} bits or more; this is another one.", field=FIELD
        )
    return key


def canonical(pem: str) -> str:
    """The same key in the form in which GitHub hands it out, whatever was pasted around it. Raises InvalidValue."""
    key = private_key(pem)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode("ascii")
