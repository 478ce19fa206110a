"""Which hosts stand for upstream: its own, or the mirrors and proxies that a user names."""

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from care_data.errors import CareError, Exit
from care_data.sources.places import shown

HUB = "https://huggingface.co"
DIRECT = "direct"  # stands for GitHub's own host among the proxies


@dataclass(frozen=True)
class Hosts:
    """Base addresses, without a slash at the end.

    github answers for Git LFS, github_raw for files, github_api for listings; drive for downloads, drive_pages for
    folders. github_proxies: prefixes put before the whole address of a raw file (`https://proxy/https://raw...`), tried
    in order once GitHub cannot be reached; the word "direct" among them says when GitHub itself is asked, else first.
    web: host to base address, for hosts that are to be asked elsewhere. send_token: the Hub's token may go to `hub`
    even if that is not huggingface.co.
    """

    github: str = "https://github.com"
    github_raw: str = "https://raw.githubusercontent.com"
    github_api: str = "https://api.github.com"
    github_proxies: tuple[str, ...] = ()
    hub: str = HUB
    modelscope: str = "https://modelscope.cn"
    drive: str = "https://drive.usercontent.google.com"
    drive_pages: str = "https://drive.google.com"
    web: dict[str, str] = field(default_factory=dict)
    send_token: bool = False

    def web_base(self, host: str) -> str:
        """Where a web host's pages are asked for."""
        return self.web.get(host, f"https://{host}")


def load_hosts(hub: str | None = None, send_token: bool = False) -> Hosts:
    """The hosts of this run: the argument, else HF_ENDPOINT and MODELSCOPE_ENDPOINT, else [hosts] of the config file.

    The file is $CARE_CONFIG, else care/config.toml in $XDG_CONFIG_HOME or ~/.config; it need not exist unless named.
    Raises CareError (2) for a file that cannot be read, an unknown key, and what is not an http address.
    """
    path, named = _config()
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if named:
            raise _misuse(f"{shown(str(path))} does not exist", "Correct CARE_CONFIG, or unset it.") from None
        tables = {}
    except (OSError, ValueError) as error:
        raise _misuse(f"{shown(str(path))} cannot be read: {shown(str(error))}", "It is a TOML file.") from error
    where, given = shown(str(path)), tables.pop("hosts", {})
    if tables:
        raise _misuse(f"{where}: nothing is known of {shown(next(iter(tables)))}", "Its one table is [hosts].")
    if not isinstance(given, dict):
        raise _misuse(f"{where}: hosts is not a table", 'Write [hosts], then lines like hub = "https://...".')
    values = {key: _check(key, value, f"{where}: hosts.{shown(key)}") for key, value in given.items()}
    trusted = values.get("hub") if values.pop("send_token", False) else None
    for key, name in (("hub", "HF_ENDPOINT"), ("modelscope", "MODELSCOPE_ENDPOINT")):
        if os.environ.get(name):
            values[key] = _base(os.environ[name], name)
    if hub:
        values["hub"] = _base(hub, "--hf-endpoint")
    # The file's word holds for the file's hub, and for no other that the environment or the command names.
    return Hosts(**values, send_token=send_token or (trusted is not None and values.get("hub") == trusted))


def read_token() -> str | None:
    """The Hub's token: HF_TOKEN, else the file where the Hub's own client keeps it; None where there is neither.

    Raises CareError (2) for one that cannot be sent.
    """
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    path, named = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser(), "HF_TOKEN"
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        try:
            token, named = path.read_text("utf-8").strip(), str(path)
        except (OSError, ValueError):
            return None
    if not re.fullmatch(r"[\x21-\x7e]*", token):
        raise _misuse(f"{shown(named)} holds no token: it has letters that no token has", "Log in again, or unset it.")
    return token or None


def _config() -> tuple[Path, bool]:
    """The config file, and whether the user named it."""
    if os.environ.get("CARE_CONFIG"):
        return Path(os.environ["CARE_CONFIG"]).expanduser(), True
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "care/config.toml", False


def _check(key: str, value: Any, where: str) -> Any:
    """The value of one key, as Hosts has it."""
    known = [each.name for each in fields(Hosts)]
    if key not in known:
        raise _misuse(f"{where} is unknown", f"Known are {', '.join(known)}.")
    if key == "send_token":
        if not isinstance(value, bool):
            raise _misuse(f"{where} is not true or false", "Write send_token = true.")
        return value
    if key == "github_proxies":
        if not isinstance(value, list):
            raise _misuse(f"{where} is not a list", 'Write github_proxies = ["https://..."].')
        return tuple(each if each == DIRECT else _base(each, where) for each in value)
    if key == "web":
        if not isinstance(value, dict):
            raise _misuse(f"{where} is not a table", 'Write [hosts.web], then lines like "host" = "https://...".')
        return {host: _base(each, f"{where}.{shown(host)}") for host, each in value.items()}
    return _base(value, where)


def _base(value: Any, where: str) -> str:
    """An address to put paths behind. Raises CareError (2) for what is none."""
    from httpx2 import URL, InvalidURL

    try:
        url = URL(value)
    except (InvalidURL, TypeError):
        url = None
    if url is None or url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise _misuse(f"{where}: {shown(repr(value))} is not an http address", "Write it like https://example.org.")
    return str(value).rstrip("/")


def _misuse(what: str, fix: str) -> CareError:
    return CareError(what, fix=fix, code=Exit.USAGE)
