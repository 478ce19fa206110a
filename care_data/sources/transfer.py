"""One file over HTTP: resumed, retried, hashed while it streams, and never taken for something it is not."""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from care_data.errors import CareError, Exit
from care_data.sources.checksums import CHUNK, Pin, Received, measure
from care_data.sources.partials import Partial
from care_data.sources.replies import Passing, address
from care_data.sources.session import Pace, Session

if TYPE_CHECKING:
    import httpx2

HEAD = 1024  # bytes looked at to tell a page or a pointer from data; a pointer is never longer
BY_HAND = "Fetch it by hand and use --mirror FOLDER."
CHANGED = "Upstream or the connection changed it: compare, then correct [checksums] or use another mirror."


@dataclass(frozen=True)
class _Taken:
    """A body that is complete by the host's word. resumed: pieced together from more than one response."""

    sha256: str
    resumed: bool


def download(
    session: Session, url: str, path: str, part: Partial, pin: Pin, *, token: str | None = None, tolerant: bool = False
) -> Received:
    """The file at `url`, whole in `part`. path: its upstream path, for people and for the suffix.

    tolerant: a checksum that does not hold is the caller's affair (a mirror's cut sample). Else such a file is fetched
    once more from the start if it was pieced together, and raises CareError (4) if the bytes are what the host has.
    """
    bound = Pin() if tolerant else pin

    def take() -> _Taken:
        return _take(session, url, path, part, bound, token)

    for again in (True, False):
        taken = session.persist(url, take, lambda: part.held)
        file = measure(part.path, pin, taken.sha256)
        if bound.holds(file):
            return file
        part.drop()
        if not (taken.resumed and again):
            break
    raise CareError(
        f"{address(url)} is not what was pinned: {pin.differs(file)}; nothing was kept",
        fix=CHANGED,
        code=Exit.INTEGRITY,
    )


def refuse_impostor(head: bytes, path: str, where: str, kind: str = "") -> None:
    """Raise CareError (5) if a file begins like a web page or a Git LFS pointer and should not. kind: Content-Type."""
    start = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    page = kind.partition(";")[0].strip().lower() == "text/html" or start.startswith((b"<!doctype html", b"<html"))
    if page and not path.lower().endswith((".html", ".htm", ".xhtml")):
        finding = "is a web page, not the file: a login, a quota notice or a network's own page"
    elif start.startswith(b"version https://git-lfs.github.com/spec/") and len(head) < HEAD:
        finding = "is a Git LFS pointer, not the file it points to"
    else:
        return
    raise CareError(f"{where} {finding}; nothing was kept", fix=BY_HAND, code=Exit.MANUAL)


def _take(session: Session, url: str, path: str, part: Partial, pin: Pin, token: str | None) -> _Taken:
    """One request: the body from where the partial ends, to the end. Raises Passing where another may go on."""
    state = part.read_state() if part.held else {}
    at, headers = _resume(part, state, url)
    with session.open(url, headers, token) as response:
        if response.status_code == 416:
            part.drop()
            raise Passing(f"the host has nothing from byte {at} on", wait=0.0)
        if response.status_code == 206 and not (at and _continues(response, at, state)):
            part.drop()
            raise Passing("the host sent another part than was asked for", wait=0.0)
        if response.status_code == 200:
            at = 0
        total = _total(response, at, url, pin)
        if not at:
            part.drop()
            encoded = response.headers.get("content-encoding", "identity") != "identity"
            validator = _validator(response)
            if validator and total is not None and not encoded:
                part.write_state({"url": url, "validator": validator, "total": total})
        return _Taken(_stream(session, response, path, part, pin, at, total, url), resumed=at > 0)


def _resume(part: Partial, state: dict[str, object], url: str) -> tuple[int, dict[str, str]]:
    """Where to go on, and the headers that ask for it: only if the host can tell that the file is still the same."""
    validator, at = state.get("validator"), part.held
    if not at or state.get("url") != url or not isinstance(validator, str):
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
    session: Session,
    response: "httpx2.Response",
    path: str,
    part: Partial,
    pin: Pin,
    at: int,
    total: int | None,
    url: str,
) -> str:
    """Write the body behind the `at` bytes there; the sha256 of the whole. Stops one byte past the pinned size."""
    state = hashlib.sha256()
    with part.path.open("rb") as file:  # what is there is hashed as it is now, not as it was meant to be
        head = file.read(HEAD)
        file.seek(0)
        while chunk := file.read(CHUNK):
            state.update(chunk)
    kind, where, looked = response.headers.get("content-type", ""), address(url), False
    pace, held = Pace(session.limits), at
    for chunk in response.iter_bytes():
        part.write(chunk)
        state.update(chunk)
        held += len(chunk)
        head += chunk[: HEAD - len(head)]
        if not looked and len(head) == HEAD:
            _look(part, head, path, where, kind)
            looked = True
        if looked and pin.bytes is not None and max(held, total or 0) > pin.bytes:
            part.drop()
            raise CareError(
                f"{where} is longer than the {pin.bytes} bytes pinned; nothing was kept",
                fix=CHANGED,
                code=Exit.INTEGRITY,
            )
        session.progress(path, held, total or pin.bytes)
        pace.add(len(chunk))
    if not looked:
        _look(part, head, path, where, kind)
    return state.hexdigest()


def _look(part: Partial, head: bytes, path: str, where: str, kind: str) -> None:
    """Let go of the bytes if they are not data."""
    try:
        refuse_impostor(head, path, where, kind)
    except CareError:
        part.drop()
        raise
