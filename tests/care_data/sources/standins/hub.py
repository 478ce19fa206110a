"""What the Hugging Face Hub answers about a data set: its commit, its tree in pages, its files and the store behind."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from standins.faults import FaultServer, Page
from standins.github import SIGNED, blob_id, pointer


def publish(
    hub: FaultServer,
    name: str,
    commit: str,
    files: dict[str, bytes],
    *,
    lfs: tuple[str, ...] = (),
    store: FaultServer | None = None,
    branches: tuple[str, ...] = ("main",),
    page: int = 1000,
) -> None:
    """Put a commit on the Hub. lfs: the paths served from `store`, by a redirect to a signed address.

    page: how many files one page of the tree lists. branches: other names of the commit.
    """
    store = store or hub
    for revision in (commit, *branches):
        _list(hub, name, revision, commit, files, lfs, page)
        for path, body in files.items():
            _offer(hub, store, f"/datasets/{name}/resolve/{revision}/{path}", commit, body, path in lfs)


def stored_at(body: bytes) -> str:
    """Where the store has a large file, without the signature."""
    return f"/repos/store/{hashlib.sha256(body).hexdigest()}"


def offer_xet(hub: FaultServer, name: str, commit: str, path: str, xet: str, folder: Path) -> None:
    """Let the Hub's own client take a file from a local Xet store. xet: the file's hash there, as 64 hex digits."""
    route = f"/api/datasets/{name}/xet-read-token/{commit}"
    address, until = f"local://{folder}", int(time.time()) + 3600
    told = {"X-Xet-Cas-Url": address, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(until)}
    body = json.dumps({"casUrl": address, "accessToken": "xet", "exp": until}).encode()
    hub.put(route, body, kind="application/json", headers=told)
    for revision in (commit, "main"):
        headers = hub.pages[f"/datasets/{name}/resolve/{revision}/{path}"].headers
        headers |= {"X-Xet-Hash": xet, "X-Xet-Refresh-Route": hub.url + route}


def _list(
    hub: FaultServer, name: str, revision: str, commit: str, files: dict[str, bytes], lfs: tuple[str, ...], page: int
) -> None:
    """The revision's info and its tree, whose pages are linked by a cursor."""
    info = {
        "id": name,
        "sha": commit,
        "private": False,
        "gated": False,
        "siblings": [{"rfilename": path} for path in sorted(files)],
    }
    hub.put(f"/api/datasets/{name}/revision/{revision}", json.dumps(info).encode(), kind="application/json")
    nodes = [_node(path, body, path in lfs) for path, body in sorted(files.items())]
    folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
    nodes = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders] + nodes
    tree = f"/api/datasets/{name}/tree/{revision}"
    for at in range(0, max(len(nodes), 1), page):
        more = {"Link": f'<{hub.url}{tree}?recursive=true&cursor=c{at + page}>; rel="next"'}
        body = json.dumps(nodes[at : at + page]).encode()
        here = f"{tree}?cursor=c{at}" if at else tree
        hub.put(here, body, kind="application/json", headers=more if at + page < len(nodes) else {})


def _node(path: str, body: bytes, large: bool) -> dict[str, Any]:
    if not large:
        return {"type": "file", "oid": blob_id(body), "size": len(body), "path": path}
    told = pointer(body)
    large_file = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": len(told)}
    return {"type": "file", "oid": blob_id(told), "size": len(body), "path": path, "lfs": large_file}


def _offer(hub: FaultServer, store: FaultServer, address: str, commit: str, body: bytes, large: bool) -> None:
    """The file's address: its bytes with its git blob id as ETag, or the way to the store, with what it will send."""
    if not large:
        hub.put(address, body, etag=f'"{blob_id(body)}"', headers={"X-Repo-Commit": commit})
        return
    oid = hashlib.sha256(body).hexdigest()
    where = stored_at(body)
    if where not in store.pages:
        store.put(where, body, etag=f'"{oid}"')
    headers = {
        "Location": f"{store.url}{where}?{SIGNED}",
        "ETag": f'"{oid}"',
        "X-Linked-Etag": f'"{oid}"',
        "X-Linked-Size": str(len(body)),
        "X-Repo-Commit": commit,
    }
    hub.pages[address] = Page(b"Found. Redirecting", status=302, headers=headers)
