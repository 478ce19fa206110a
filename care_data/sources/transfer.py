"""One file over HTTP: resumed, retried, hashed while it streams, and never taken for something it is not."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
from care_data.sources.checksums import CHUNK, Pin, Received, measure
from care_data.sources.impostors import HEAD, refuse_impostor
from care_data.sources.limits import Pace
from care_data.sources.partials import Partial
from care_data.sources.places import shown
from care_data.sources.replies import Passing, address, naming
from care_data.sources.session import Session

if TYPE_CHECKING:
    import httpx2

CHANGED = "Upstream or the connection changed it: compare, then correct [checksums] or use another mirror."
STATED = "The bytes changed on their way: run again, or use another mirror."


@dataclass(frozen=True)
class Source:
    """Where a file is downloaded from. path: its upstream path, for people and for the suffix.

    token, private: for that host alone. key: names the bytes where the address changes with every request; else the
    address does. read: what the host states of the file in the headers of its answers.
    """

    url: str
    path: str
    token: str | None = None
    private: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    stated: Pin = field(default_factory=Pin)
    read: Callable[["httpx2.Headers"], Pin] | None = None

    @property
    def name(self) -> str:
        """What the partial file's state calls it."""
        return self.key or self.url


@dataclass(frozen=True)
class _Taken:
    """A body that is complete by the host's word. resumed: pieced together from more than one response."""

    sha256: str
    resumed: bool
    stated: Pin


def download(
    session: Session, url: str, path: str, part: Partial, pin: Pin, *, token: str | None = None, tolerant: bool = False
) -> Received:
    """The file at `url`, whole in `part`. path: its upstream path, for people and for the suffix.

    tolerant: a checksum that does not hold is the caller's affair (a mirror's cut sample).
    """
    return take(session, Source(url, path, token), part, pin, tolerant=tolerant)


def take(session: Session, source: Source, part: Partial, pin: Pin, *, tolerant: bool = False) -> Received:
    """The file of a source, whole in `part`, and what the pin says; without a pin, what the host states.

    A file that is not is fetched once more from the start if it was pieced together. If the bytes are what the host
    has, they are put aside, and CareError (4) shows both checksums. Every error names the path.
    """
    with naming(source.path, source.url):
        return _take_whole(session, source, part, pin, tolerant)


def _take_whole(session: Session, source: Source, part: Partial, pin: Pin, tolerant: bool) -> Received:
    bound = Pin() if tolerant else pin
    part.require(bound.bytes or 0)
    for again in (True, False):
        taken = session.persist(source.url, lambda: _take(session, source, part, bound), lambda: part.held)
        stated, file = taken.stated, measure(part.path, pin, taken.sha256)
        seen = file if stated.git in ("", file.git) else measure(part.path, stated, taken.sha256)
        agrees = bool(stated) and stated.holds(seen)
        if bound.holds(file) and (bound or agrees or not stated):
            return replace(file, stated=agrees)
        if not (taken.resumed and again):
            break
        part.drop()
    wrong = bound.differs(file) if bound else stated.differs(seen)
    raise CareError(
        f"{address(source.url)} is not what was {(bound or stated).by}: {wrong}; kept aside as"
        f" {shown(part.quarantine(file.sha256))}",
        fix=CHANGED if bound else STATED,
        code=Exit.INTEGRITY,
    )


def _take(session: Session, source: Source, part: Partial, pin: Pin) -> _Taken:
    """One request: the body from where the partial ends, to the end. Raises Passing where another may go on."""
    state = part.read_state() if part.held else {}
    at, headers = _resume(part, state, source.name)
    stated = source.stated

    def watch(answer: "httpx2.Headers") -> None:
        nonlocal stated
        told = source.read(answer) if source.read is not None else Pin()
        if told and (told.sha256, told.git) != (stated.sha256, stated.git):  # else the one before may know the size
            stated = told

    opened = session.open(source.url, headers, source.token, private=dict(source.private), watch=watch)
    with opened as response:
        bound = pin or stated
        if response.status_code == 416:
            part.drop()
            raise Passing(f"the host has nothing from byte {at} on", wait=0.0)
        if response.status_code == 206 and not (at and _continues(response, at, state)):
            part.drop()
            raise Passing("the host sent another part than was asked for", wait=0.0)
        if response.status_code == 200:
            at = 0
        total = _total(response, at, source.url, bound)
        if not at:
            part.drop()
            part.require(total or bound.bytes or 0)
            encoded = response.headers.get("content-encoding", "identity") != "identity"
            validator = _validator(response)
            if validator and total is not None and not encoded:
                part.write_state({"url": source.name, "validator": validator, "total": total})
        sha256 = _stream(session, response, source, part, bound, at, total)
        return _Taken(sha256, resumed=at > 0, stated=stated)


def _resume(part: Partial, state: dict[str, object], name: str) -> tuple[int, dict[str, str]]:
    """Where to go on, and the headers that ask for it: only if the host can tell that the file is still the same."""
    validator, at = state.get("validator"), part.held
    if not at or state.get("url") != name or not isinstance(validator, str):
        return 0, {}
    return at, {"Range": f"bytes={at}-", "If-Range": validator}


def _validator(response: "httpx2.Response") -> str:
    """What If-Range may hold: a strong ETag, else the time of the last change."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _continues(response: "httpx2.Response", at: int, state: dict[str, object]) -> bool:
    """Whether the body goes on exactly where ours ends, in the same file."""
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("content-range", ""))
    if not span or _validator(response) not in ("", state["validator"]):
        return False
    first, last, total = (int(number) for number in span.groups())
    return first == at and total == state["total"] == last + 1


def _total(response: "httpx2.Response", at: int, url: str, pin: Pin) -> int | None:
    """The size of the whole file by the host's word. Raises CareError where the end of a body could not be told."""
    length = response.headers.get("content-length", "")
    if length.isdecimal():
        return int(length) + at if response.headers.get("content-encoding", "identity") == "identity" else None
    if response.headers.get("transfer-encoding", "").lower() == "chunked" or pin:
        return None
    raise CareError(
        f"{address(url)}: the host does not say how long the file is, so a cut one would not be noticed",
        fix="Pin it in [checksums], or fetch it by hand and use --mirror FOLDER.",
        code=Exit.INTEGRITY,
    )


def _stream(
    session: Session, response: "httpx2.Response", source: Source, part: Partial, pin: Pin, at: int, total: int | None
) -> str:
    """Write the body behind the `at` bytes there; the sha256 of the whole. Stops one byte past the size that is due."""
    state = hashlib.sha256()
    with part.path.open("rb") as file:  # what is there is hashed as it is now, not as it was meant to be
        head = file.read(HEAD)
        file.seek(0)
        while chunk := file.read(CHUNK):
            state.update(chunk)
    kind, where, looked = response.headers.get("content-type", ""), address(source.url), False
    pace, held = Pace(session.limits), at
    for chunk in response.iter_bytes():
        part.write(chunk)
        state.update(chunk)
        held += len(chunk)
        head += chunk[: HEAD - len(head)]
        if not looked and len(head) == HEAD:
            _look(part, head, source.path, where, kind)
            looked = True
        if looked and pin.bytes is not None and max(held, total or 0) > pin.bytes:
            part.drop()
            raise CareError(
                f"{where} is longer than the {pin.bytes} bytes {pin.by}; nothing was kept",
                fix=CHANGED,
                code=Exit.INTEGRITY,
            )
        session.progress(source.path, held, total or pin.bytes)
        pace.add(len(chunk))
    if not looked:
        _look(part, head, source.path, where, kind)
    if held < (pin.bytes or 0) and not {"content-length", "transfer-encoding"} & response.headers.keys():
        raise Passing(f"the body ends after {held} of {pin.bytes} bytes")
    return state.hexdigest()


def _look(part: Partial, head: bytes, path: str, where: str, kind: str) -> None:
    """Let go of the bytes if they are not data."""
    try:
        refuse_impostor(head, path, where, kind)
    except CareError:
        part.drop()
        raise
