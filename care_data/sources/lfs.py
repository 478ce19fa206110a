"""Files that a GitHub repository keeps in Git LFS: the pointer read, the object asked for by the batch API.

Source: git-lfs docs/spec.md (pointers) and docs/api/batch.md.
"""

import re
from typing import Any

from care_data.errors import CareError, Exit
from care_data.sources.checksums import Pin, Received, blob_id
from care_data.sources.impostors import BY_HAND
from care_data.sources.partials import Partial
from care_data.sources.places import shown
from care_data.sources.replies import Absent, Pointer, address, naming, parse_url, redirect
from care_data.sources.session import Session
from care_data.sources.transfer import Source, take

KEY = "lfs:"  # what the state of a partial begins with, before the oid
KIND = "application/vnd.git-lfs+json"
OURS = {"accept-encoding", "connection", "content-length", "host", "if-range", "range", "transfer-encoding"}
TELLING = 200  # letters of a host's message that are shown


def bring_object(
    session: Session, repository: str, pointer: Pointer, path: str, part: Partial, pin: Pin, listed: Pin
) -> Received:
    """The file that a pointer stands for, whole in `part`; its oid is its sha256. listed: what the listing says.

    Raises Absent where the host lacks it, CareError (4) for a pointer that is not the one pinned or listed.
    """
    oid, size = _read(pointer)
    told = pin if pin.git else listed
    if pin.sha256 not in ("", oid) or (told.git and told.git != blob_id(pointer.text) and pin.sha256 != oid):
        wrong = pin.differs(Received(size, oid, blob_id(pointer.text)))
        raise CareError(f"{shown(path)}: the Git LFS pointer is not the one pinned: {wrong}", code=Exit.INTEGRITY)
    stated = Pin(oid, "", size, by="stated")
    for last in (False, True):
        with naming(path, repository):
            url, headers = _ask(session, repository, oid, size)
        source = Source(url, path, private=headers, key=KEY + oid, stated=stated)
        try:
            return take(session, source, part, pin)
        except CareError as error:
            if error.code != Exit.MANUAL or last:  # what was signed for a time may have run out: asked for once more
                raise
    raise AssertionError("the second try returns or raises")


def _read(pointer: Pointer) -> tuple[str, int]:
    """The sha256 and the size that a pointer names."""
    lines = dict(re.findall(r"^(\w+) (.+)$", pointer.text.decode("utf-8", "replace"), re.MULTILINE))
    oid = re.fullmatch(r"sha256:([0-9a-f]{64})", lines.get("oid", ""))
    if oid is None or not re.fullmatch(r"[0-9]{1,18}", lines.get("size", ""), re.ASCII):
        raise CareError(f"{pointer.what}, and it names no sha256 and size", fix=BY_HAND, code=Exit.INTEGRITY)
    return oid[1], int(lines["size"])


def _ask(session: Session, repository: str, oid: str, size: int) -> tuple[str, dict[str, str]]:
    """Where the object is to be had, and the headers for that address alone."""
    url = f"{session.hosts.github}/{repository}.git/info/lfs/objects/batch"
    question = {
        "operation": "download",
        "transfers": ["basic"],
        "objects": [{"oid": oid, "size": size}],
        "hash_algo": "sha256",
    }
    answer = session.post_json(url, question, {"Accept": KIND, "Content-Type": KIND})
    try:
        found = next(each for each in answer["objects"] if each["oid"] == oid)
        if "error" in found:
            raise _refused(found["error"], address(url))
        download = found["actions"]["download"]
        target = redirect(parse_url(url), str(download["href"]), session.leads_home, word="points")
        return str(target), _headers(download.get("header") or {})
    except (TypeError, KeyError, StopIteration, AttributeError) as error:
        raise CareError(
            f"{address(url)} does not say where the Git LFS object is", fix=BY_HAND, code=Exit.NETWORK
        ) from error


def _headers(given: dict[str, Any]) -> dict[str, str]:
    """The headers asked for, but for those that are ours to set and those no header can be."""
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str)
        and re.fullmatch(r"[A-Za-z0-9-]+", name)
        and re.fullmatch(r"[\x20-\x7e]*", value)
        and name.lower() not in OURS
    }


def _refused(error: Any, where: str) -> CareError:
    """What the host says of one object that it does not give."""
    code, message = error.get("code"), re.sub(r"\?\S*", "", shown(str(error.get("message", ""))[:TELLING]))
    finding = f"{where} does not give the Git LFS object: {message} ({code})"
    if code in {404, 410}:
        return Absent(finding, fix="See whether upstream still has it; " + BY_HAND, code=Exit.NETWORK)
    if code in {401, 403}:
        return CareError(finding, fix=f"It wants a login. {BY_HAND}", code=Exit.MANUAL)
    return CareError(finding, fix=f"Try again later. {BY_HAND}", code=Exit.NETWORK)
