"""An authority of its own, and what it has signed, for tests of TLS; made by openssl."""

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """One that signs certificates.

    :param folder: where its files are made.
    :ivar ca: the file that those who trust it name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl("req", "-x509", *_NEW, "-subj", "/CN=authority", "-keyout", self._key, "-out", self.ca)

    def signed(self, name: str) -> Certificate:
        """A certificate for a host or a client of this name."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        asked, names = self._folder / f"{name}.csr", self._folder / f"{name}.names"
        names.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl("req", *_NEW, "-subj", f"/CN={name}", "-keyout", made.key, "-out", asked)
        signer = ("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "2", "-extfile", names)
        _openssl("x509", "-req", "-in", asked, *signer, "-out", made.certificate)
        return made

    def of_server(self, certificate: Certificate, *, asks_clients: bool = False) -> ssl.SSLContext:
        """For a server with this certificate.

        :param asks_clients: whether only clients with a certificate of this authority are let in.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        if asks_clients:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


_NEW = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
