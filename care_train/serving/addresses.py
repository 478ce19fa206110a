"""Where a server listens, who can reach it there, and the secret that lets people in."""

import os
import socket
from ipaddress import ip_address
from pathlib import Path

from care_train.config import usage
from care_train.errors import CareError


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def open_socket(host: str, port: int) -> socket.socket:
    """A socket at the address, which nobody can connect to until a server listens; raises where it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        fix = "Give another --port (0 takes any that is free) or --host."
        raise CareError(f"cannot listen ({error.strerror or error})", where=f"{host}:{port}", fix=fix) from error
    return opened


def find_url(listening: socket.socket) -> str:
    """How to call a server there."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def read_secret(file: str | None, variable: str) -> str | None:
    """What the file holds, else the environment variable, None where neither is given; surrounding blanks are cut."""
    if file is None:
        found = os.environ.get(variable)
        return None if found is None else found.strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{file} cannot be read ({getattr(error, 'strerror', None) or 'no UTF-8'})", "Check it.") from error
