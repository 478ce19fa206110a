"""Calls that read: what a repository is, its tree and history, its files, and the store behind the large ones."""

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from hubs.access import API, PAGE, find_repository, need_content
from hubs.calls import Call, Refused, Reply, tell
from hubs.large_files import STORE
from hubs.repositories import File, pointer

if TYPE_CHECKING:
    from hubs.server import Hub

SIGNATURE = "X-Amz-Signature=5ec2e7"
"""What a redirect to the store carries, and no log may hold."""


def tell_repository(hub: "Hub", call: Call) -> Reply:
    """The repository at a revision."""
    repository = find_repository(hub, call)
    commit = repository.find(call.name("revision") or "main")
    return tell(
        {
            "_id": "0" * 24,
            "id": repository.name,
            "author": repository.name.partition("/")[0],
            "sha": commit.id,
            "lastModified": commit.date,
            "createdAt": repository.history(commit.id)[-1].date,
            "private": repository.private,
            "gated": repository.gated,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "usedStorage": sum(file.size for file in commit.files.values()),
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }
    )


def list_tree(hub: "Hub", call: Call) -> Reply:
    """A page of the entries below a folder, and the way to the next."""
    repository = need_content(hub, call)
    files = repository.find(call.name("revision")).files
    folder = call.name("path").strip("/")
    start = folder + "/" if folder else ""
    entries, deep = {}, call.query.get("recursive", "").lower() in ("true", "1")
    for path, file in files.items():
        if path.startswith(start):
            names = path[len(start) :].split("/")
            for depth in range(1, len(names) if deep else min(len(names), 2)):
                parent = start + "/".join(names[:depth])
                entries[parent] = _describe_folder(parent)
            if deep or len(names) == 1:
                entries[path] = _describe(path, file)
    if folder and not entries:
        raise Refused(404, f"{folder} does not exist on {call.name('revision')}", "EntryNotFound")
    at = int(call.query.get("cursor", 0))
    page = [entries[path] for path in sorted(entries)][at : at + hub.page]
    if at + hub.page >= len(entries):
        return tell(page)
    query = urlencode({**call.query, "cursor": at + hub.page})
    return tell(page, Link=f'<{hub.url}{call.path}?{query}>; rel="next"')


def describe_paths(hub: "Hub", call: Call) -> Reply:
    """Those of the paths asked for that are there."""
    files = need_content(hub, call).find(call.name("revision")).files
    in_json = "json" in call.headers.get("content-type", "")
    asked = call.json["paths"] if in_json else parse_qs(call.body.decode()).get("paths", [])
    told = []
    for path in [asked] if isinstance(asked, str) else asked:
        if path in files:
            told.append(_describe(path, files[path]))
        elif any(each.startswith(path.rstrip("/") + "/") for each in files):
            told.append(_describe_folder(path))
    return tell(told)


def list_commits(hub: "Hub", call: Call) -> Reply:
    """The history of a revision, the latest first."""
    told = [
        {"id": commit.id, "title": commit.title, "message": commit.message, "authors": [], "date": commit.date}
        for commit in find_repository(hub, call).history(call.name("revision"))
    ]
    return tell(told)


def send_file(hub: "Hub", call: Call) -> Reply:
    """A file of a revision; of a large one, the way to the store and, if it is there, to Xet."""
    repository = need_content(hub, call)
    commit = repository.find(call.name("revision"))
    file = commit.files.get(call.name("path"))
    if file is None:
        raise Refused(404, "Entry not found", "EntryNotFound")
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    if not file.large:
        return _cut(call, Reply(200, hub.blobs[file.sha256], headers))
    headers |= {"X-Linked-ETag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    headers |= {"Location": f"{hub.store}/store/{file.sha256}?{SIGNATURE}"}
    if file.xet:
        route = f"{hub.url}/api/{repository.kind}/{repository.name}/xet-read-token/{commit.id}"
        headers |= {"X-Xet-Hash": file.xet, "X-Xet-Refresh-Route": route}
    return Reply(302, b"Found. Redirecting", headers)


def send_large(hub: "Hub", call: Call) -> Reply:
    """The bytes of a large file, to whoever was shown the way."""
    body = hub.blobs.get(call.name("oid"))
    if body is None or SIGNATURE.partition("=")[0] not in call.query:
        raise Refused(403, "Access denied")
    return _cut(call, Reply(200, body, {"ETag": f'"{call.name("oid")}"', "Accept-Ranges": "bytes"}))


def _cut(call: Call, reply: Reply) -> Reply:
    """The part of a body that was asked for."""
    kind, size = {"Content-Type": "application/octet-stream"}, len(reply.body)
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range", ""))
    if asked is None or call.method == "HEAD":
        return replace(reply, headers={**kind, **reply.headers})
    first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
    if first >= size:
        return Reply(416, b"", {**reply.headers, "Content-Range": f"bytes */{size}"})
    place = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return Reply(206, reply.body[first : last + 1], {**kind, **reply.headers, **place})


def _describe(path: str, file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.large:
        size = len(pointer(file.sha256, file.size))
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": size}
    return {**entry, **({"xetHash": file.xet} if file.xet else {})}


def _describe_folder(path: str) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


ROUTES = {
    "info": ("GET", rf"{API}(?:/revision/(?P<revision>[^/]+))?", tell_repository),
    "tree": ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", list_tree),
    "paths": ("POST", rf"{API}/paths-info/(?P<revision>[^/]+)", describe_paths),
    "history": ("GET", rf"{API}/commits/(?P<revision>[^/]+)", list_commits),
    "head": ("HEAD", rf"{PAGE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", send_file),
    "file": ("GET", rf"{PAGE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", send_file),
    "store": ("GET HEAD", STORE, send_large),
}
