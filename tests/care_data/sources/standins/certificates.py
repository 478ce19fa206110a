"""Certificates that no one should trust, made by openssl, and a server that shows them."""

import ssl
import subprocess
from pathlib import Path

from standins.faults import FaultServer


def make(folder: Path, name: str, days: int) -> tuple[Path, Path]:
    """A self-signed certificate for loopback and its key. days: below 0 for one that has expired."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key, request = (folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
    names = folder / "names"
    names.write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
    for words in (
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request],
        ["x509", "-req", "-in", request, "-signkey", key, "-days", days, "-extfile", names, "-out", certificate],
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return certificate, key


class SecureServer(FaultServer):
    """The same server behind TLS."""

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"
