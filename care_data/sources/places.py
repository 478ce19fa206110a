"""Where a file lies: sources, upstream paths and their patterns, each held to its own folder."""

import re
from dataclasses import dataclass

from care_data.errors import CareError, Exit

PINNED = {"github", "hub", "modelscope"}  # schemes whose places end in @commit
NAME_LIMIT = 255  # bytes of a file name, on every file system in use


@dataclass(frozen=True)
class Place:
    """One place of upstream: `github:OWNER/REPO@PIN` as scheme, name and pin (empty where the host cannot pin)."""

    scheme: str
    name: str
    pin: str

    @property
    def plain(self) -> str:
        """The folder of the place without its pin, below a raw folder or a mirror."""
        return f"{self.scheme}/{self.name}"

    @property
    def folder(self) -> str:
        """The folder of the place below a raw folder: `<scheme>/<name>[@<pin>]`."""
        return f"{self.plain}@{self.pin}" if self.pin else self.plain

    def at(self, path: str) -> str:
        """Where a file of the place lies below a raw folder."""
        return f"{self.folder}/{path}"


def parse_source(source: str) -> Place:
    """The place a `from` names. Raises CareError for a source without a scheme, or one that leaves its folder."""
    scheme, colon, name = source.partition(":")
    if not (colon and name and re.fullmatch(r"[a-z]+", scheme)):
        raise CareError(f"{shown(source)!r} is not a source", fix="Write scheme:place, like github:OWNER/REPO@PIN.")
    name, pin = re.sub(r"^https?://", "", name).rstrip("/"), ""
    if scheme in PINNED and "@" in name:
        name, _, pin = name.rpartition("@")
    check_path(f"{name}@{pin}" if pin else name)
    if "/" in pin:
        raise CareError(f"{shown(source)!r} is pinned to {shown(pin)!r}, which is no commit", fix="Pin a commit.")
    return Place(scheme, name, pin)


def check_path(path: str) -> str:
    """The path itself, if it stays below any folder it is joined to. Raises CareError (4) naming it otherwise."""
    parts = path.split("/")
    if "\\" in path or "\0" in path:
        finding = "holds a backslash or NUL"
    elif path.startswith("/") or re.match(r"[A-Za-z]:", path):
        finding = "is absolute"
    elif ".." in parts:
        finding = "leaves its folder by '..'"
    elif not all(parts) or "." in parts:
        finding = "has an empty part or '.'"
    elif any("\ud800" <= letter <= "\udfff" for letter in path):
        finding = "is not valid text"
    elif any(len(part.encode()) > NAME_LIMIT for part in parts):
        finding = f"has a part longer than {NAME_LIMIT} bytes"
    else:
        return path
    raise CareError(
        f"the path '{shown(path)}' {finding} and is refused",
        fix="Correct the entry, or tell upstream: nothing was written.",
        code=Exit.INTEGRITY,
    )


def shown(name: str) -> str:
    """A name from outside, fit for one line of a terminal: what is not printable is escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def expand_braces(pattern: str) -> list[str]:
    """The patterns that `{a,b}` stands for, in order, each once; nested braces too. A lone brace is a letter."""
    for opening in (at for at, letter in enumerate(pattern) if letter == "{"):
        depth, start, choices = 0, opening + 1, []
        for at in range(opening, len(pattern)):
            depth += {"{": 1, "}": -1}.get(pattern[at], 0)
            if depth == 0 or (depth == 1 and pattern[at] == ","):
                choices.append(pattern[start:at])
                start = at + 1
            if depth == 0:
                head, tail = pattern[:opening], pattern[at + 1 :]
                return list(dict.fromkeys(name for each in choices for name in expand_braces(head + each + tail)))
    return [pattern]


def has_star(pattern: str) -> bool:
    """Whether the pattern needs a listing to be resolved."""
    return "*" in pattern


def match_paths(pattern: str, paths: list[str]) -> list[str]:
    """The paths that a pattern without braces names, sorted: `*` stays within a folder, `**/` is any depth.

    A part that begins with a dot must be written out, as in a shell.
    """
    if not has_star(pattern):
        return [pattern] if pattern in paths else []
    found = re.compile("".join(_translate(pattern.split("/"))))
    return sorted(path for path in paths if found.fullmatch(path))


def match_listed(pattern: str, paths: list[str]) -> list[str]:
    """The paths a pattern names among those a host lists. Raises CareError (4) where one leaves its folder."""
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            check_path(path)
    return match_paths(pattern, paths)


def _translate(parts: list[str]) -> list[str]:
    """Regexes for the parts of a pattern, the slash behind each but the last included."""
    texts = []
    for part in parts[:-1]:
        texts.append(r"(?:(?!\.)[^/]+/)*" if part == "**" else _translate_part(part) + "/")
    any_depth = r"(?!\.)[^/]+(?:/(?!\.)[^/]+)*"
    return [*texts, any_depth if parts[-1] == "**" else _translate_part(parts[-1])]


def _translate_part(part: str) -> str:
    """The regex of one part: a star is any run of letters, but no leading dot."""
    pieces = re.split(r"\*+", part)
    guard = r"(?!\.)" if part.startswith("*") else ""
    return guard + "[^/]*".join(re.escape(piece) for piece in pieces)
