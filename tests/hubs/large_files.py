"""Calls that carry large files: Git LFS, whole or in parts, and the tokens for Xet."""

import hashlib
import time
from typing import TYPE_CHECKING

from hubs.access import API, PAGE, need_account, need_content, need_writable
from hubs.calls import Call, Refused, Reply, tell

if TYPE_CHECKING:
    from hubs.server import Hub

STORE = r"/store/(?P<oid>[0-9a-f]{64})"


def plan_transfer(hub: "Hub", call: Call) -> Reply:
    """Where to send each large file; nothing to do for those that are here."""
    need_writable(hub, call)
    objects = []
    for asked in call.json["objects"]:
        oid, size = asked["oid"], asked["size"]
        told = {"oid": oid, "size": size}
        if oid not in hub.blobs:
            href, header = f"{hub.store}/store/{oid}", {}
            if size > hub.parts_from:
                parts = range(1, -(-size // hub.part) + 1)
                header = {"chunk_size": str(hub.part), **{f"{n:05d}": f"{href}/part/{n}" for n in parts}}
                href += "/complete"
            upload = {"href": href, "header": header}
            told["actions"] = {"upload": upload, "verify": {"href": f"{hub.url}/verify/{oid}", "header": {}}}
        objects.append(told)
    return tell({"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")


def take_whole(hub: "Hub", call: Call) -> Reply:
    return _keep(hub, call.name("oid"), call.body)


def take_part(hub: "Hub", call: Call) -> Reply:
    hub.parts[call.name("oid"), int(call.name("number"))] = call.body
    return tell({}, ETag=f'"{_tag(call.body)}"')


def join_parts(hub: "Hub", call: Call) -> Reply:
    oid, body = call.name("oid"), b""
    for part in call.json["parts"]:
        piece = hub.parts.get((oid, part["partNumber"]))
        if piece is None or part["etag"].strip('"') != _tag(piece):
            raise Refused(400, "One or more of the specified parts could not be found.")
        body += piece
    return _keep(hub, oid, body)


def verify(hub: "Hub", call: Call) -> Reply:
    need_account(hub, call)
    there = len(hub.blobs.get(call.name("oid"), b"")) == call.json["size"]
    if not there:
        raise Refused(404, "Object does not exist")
    return tell({})


def lend_xet(hub: "Hub", call: Call) -> Reply:
    """A token for the Xet store, to read or to write."""
    writing = call.name("what") == "write"
    (need_writable if writing else need_content)(hub, call)
    if hub.xet is None:
        raise Refused(404, "Xet is not enabled for this repository")
    address, until = hub.xet.lend(writing), int(time.time()) + 3600
    headers = {"X_Xet_Cas_Url": address, "X_Xet_Access_Token": "xet", "X_Xet_Token_Expiration": str(until)}
    return tell({"accessToken": "xet", "exp": until, "casUrl": address}, **headers)


def _keep(hub: "Hub", oid: str, body: bytes) -> Reply:
    if hashlib.sha256(body).hexdigest() != oid:
        raise Refused(400, "The sha256 is not that of the object.")
    hub.blobs[oid] = body
    return tell({}, ETag=f'"{_tag(body)}"')


def _tag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


ROUTES = {
    "lfs_batch": ("POST", rf"{PAGE}\.git/info/lfs/objects/batch", plan_transfer),
    "lfs_put": ("PUT", STORE, take_whole),
    "lfs_part": ("PUT", rf"{STORE}/part/(?P<number>\d+)", take_part),
    "lfs_complete": ("POST", rf"{STORE}/complete", join_parts),
    "lfs_verify": ("POST", r"/verify/(?P<oid>[0-9a-f]{64})", verify),
    "xet_write": ("GET", rf"{API}/xet-(?P<what>write)-token(?:/(?P<revision>[^/]+))?", lend_xet),
    "xet_read": ("GET", rf"{API}/xet-(?P<what>read)-token(?:/(?P<revision>[^/]+))?", lend_xet),
}
