"""Calls that lead to a commit: the card's check, how each file is to be sent, and the commit itself."""

import base64
from typing import TYPE_CHECKING, Any

from hubs.access import API, need_account, need_writable
from hubs.calls import Call, Refused, Reply, tell
from hubs.repositories import LARGE, File

if TYPE_CHECKING:
    from hubs.server import Hub


def check_card(hub: "Hub", call: Call) -> Reply:
    need_account(hub, call)
    return tell({"errors": [], "warnings": []})


def plan_upload(hub: "Hub", call: Call) -> Reply:
    """How each file is to be sent, and what is there under its path; a client skips what is equal."""
    repository = need_writable(hub, call)
    head = repository.find(call.name("revision"))
    files = []
    for asked in call.json["files"]:
        there = head.files.get(asked["path"])
        large = asked["size"] > 0 and (
            asked["path"].lower().endswith(LARGE)
            or asked["size"] > hub.lfs_from
            or b"\0" in base64.b64decode(asked["sample"])
        )
        mode = "lfs" if large else "regular"
        told = {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": there.etag if there else None}
        files.append(told)
    return tell({"files": files, "commitOid": head.id})


def commit(hub: "Hub", call: Call) -> Reply:
    """One commit of the lines of the body: a header, then files and deletions in order."""
    repository, branch = need_writable(hub, call), call.name("revision")
    if branch not in repository.branches:
        raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    files = dict(repository.find(branch).files)
    header: dict[str, Any] = {}
    for line in call.lines:
        if line["key"] == "header":
            header = line["value"]
        else:
            _apply(hub, files, line["key"], line["value"])
    parent = header.get("parentCommit") or ""
    made = repository.commit(branch, header["summary"], header.get("description") or "", files, parent)
    url = f"{hub.url}/{'' if repository.kind == 'models' else repository.kind + '/'}{repository.name}"
    return tell(
        {"success": True, "commitOid": made.id, "commitUrl": f"{url}/commit/{made.id}", "hookOutput": ""},
    )


def _apply(hub: "Hub", files: dict[str, File], key: str, value: dict[str, Any]) -> None:
    """One change of a commit. Raises Refused (400) for a path that leaves the repository, or bytes never sent."""
    path = value["path"]
    if path.startswith("/") or ".." in path.split("/"):
        raise Refused(400, f"Invalid path: {path}")
    if key == "file":
        files[path] = hub.keep(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        files[path] = _find_large(hub, value["oid"])
    elif key == "deletedFile":
        if files.pop(path, None) is None:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
    elif key == "deletedFolder":
        start = path.rstrip("/") + "/"
        for each in [each for each in files if each.startswith(start)]:
            del files[each]
    else:
        raise Refused(400, f"unknown key {key}")


def _find_large(hub: "Hub", sha256: str) -> File:
    """A file that was uploaded before the commit, over Xet or LFS."""
    found = hub.xet.read(sha256) if hub.xet is not None else None
    if found is not None:
        file = hub.keep(found[1], large=True, xet=found[0])
        if file.sha256 == sha256:
            return file
    if found is not None or sha256 not in hub.blobs:
        raise Refused(400, f"lfs object {sha256} was not uploaded")
    return hub.keep(hub.blobs[sha256], large=True)


ROUTES = {
    "validate": ("POST", r"/api/validate-yaml", check_card),
    "preupload": ("POST", rf"{API}/preupload/(?P<revision>[^/]+)", plan_upload),
    "commit": ("POST", rf"{API}/commit/(?P<revision>[^/]+)", commit),
}
