"""The sandbox's own certificate authority and the certificate of its git host."""

import ssl
from pathlib import Path

import trustme


class Certificates:
    """A CA kept in a directory, so that what trusts it goes on trusting it."""

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "ca.pem"
        key_file = directory / "ca.key"
        if self.ca_file.exists() and key_file.exists():
            self._ca = trustme.CA.from_pem(self.ca_file.read_bytes(), key_file.read_bytes())
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA(organization_name="Sluice sandbox")
        key_file.touch(mode=0o600)
        self._ca.private_key_pem.write_to_path(key_file)
        self._ca.cert_pem.write_to_path(self.ca_file)

    @property
    def ca_pem(self) -> str:
        """The CA's certificate."""
        return self.ca_file.read_text()

    def server_context(self) -> ssl.SSLContext:
        """TLS for a server at 127.0.0.1 and localhost, with a certificate made now."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context
