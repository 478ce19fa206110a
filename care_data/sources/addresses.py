"""Which hosts are of the local network: by name, by number, and by what a name stands for."""

import ipaddress
import socket
import threading
from contextlib import suppress

LOCAL_NAMES = (".localhost", ".local", ".internal")


def is_local(name: str) -> bool:
    """Whether a host's name or number is one of the local network; the name is not looked up."""
    if name == "localhost" or name.endswith(LOCAL_NAMES):
        return True
    try:
        return not ipaddress.ip_address(name.strip("[]")).is_global
    except ValueError:
        return False


def leads_home(name: str, seconds: float) -> bool:
    """Whether a host is of the local network, or one of the addresses that its name stands for is.

    A name that cannot be looked up within `seconds` is not: behind a proxy only the proxy knows it.
    """
    return is_local(name) or any(is_local(address) for address in look_up(name, seconds))


def look_up(name: str, seconds: float) -> list[str]:
    """The addresses of a name; none where there is no answer in time. The system's own call has no limit of time."""
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(str(each[4][0]) for each in socket.getaddrinfo(name.strip("[]"), None))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)
