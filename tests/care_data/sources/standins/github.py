"""What GitHub's three hosts answer about a repository: raw files, the trees API, and the LFS batch API."""

import hashlib
import json
from typing import Any

from standins.faults import FaultServer, Page

LFS = "application/vnd.git-lfs+json"
SIGNED = "X-Amz-Signature=deadbeefsignature&X-Amz-Expires=900"


def blob_id(body: bytes) -> str:
    """The git blob id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def pointer(body: bytes) -> bytes:
    """The LFS pointer that stands in a repository for a large file."""
    oid = hashlib.sha256(body).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(body)}\n".encode()


def publish(
    server: FaultServer, repository: str, commit: str, files: dict[str, bytes], *, lfs: tuple[str, ...] = ()
) -> None:
    """Put a commit on the server. lfs: the paths whose content is in LFS, of which the repository holds pointers."""
    stored = {path: pointer(body) if path in lfs else body for path, body in files.items()}
    for path, body in stored.items():
        kind = "text/plain; charset=utf-8" if path in lfs else "application/octet-stream"
        server.put(f"/{repository}/{commit}/{path}", body, etag=f'"{hashlib.sha256(body).hexdigest()}"', kind=kind)
    nodes = [
        {"path": path, "mode": "100644", "type": "blob", "sha": blob_id(body), "size": len(body)}
        for path, body in stored.items()
    ]
    folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
    nodes += [{"path": path, "mode": "040000", "type": "tree", "sha": "0" * 40} for path in folders]
    tree = {"sha": commit, "tree": sorted(nodes, key=lambda node: str(node["path"])), "truncated": False}
    server.put(f"/repos/{repository}/git/trees/{commit}", json.dumps(tree).encode(), kind="application/json")
    objects = {}
    for path in lfs:
        oid = hashlib.sha256(files[path]).hexdigest()
        objects[oid] = files[path]
        server.put(stored_at(oid), files[path], etag=f'"{oid[:32]}"')
    server.pages[f"/{repository}.git/info/lfs/objects/batch"] = Page(
        b"", kind=LFS, make=lambda content: _batch(server, objects, content)
    )


def stored_at(oid: str) -> str:
    """Where the store that a batch answer points to has an object, signed."""
    return f"/store/{oid}?{SIGNED}"


def _batch(server: FaultServer, objects: dict[str, bytes], content: bytes) -> tuple[int, bytes]:
    """The answer to a request for downloads; an object that is not there is an error of its own inside a 200."""
    try:
        asked = json.loads(content)
        assert asked["operation"] == "download"
        assert "basic" in asked.get("transfers", ["basic"])
    except (ValueError, KeyError, AssertionError):
        return 422, b'{"message": "Validation failed"}'
    answers: list[dict[str, Any]] = []
    for each in asked["objects"]:
        answer = {"oid": each["oid"], "size": each["size"]}
        if objects.get(each["oid"]) is None or len(objects[each["oid"]]) != each["size"]:
            answer["error"] = {"code": 404, "message": "Object does not exist on the server"}
        else:
            href = server.url + stored_at(each["oid"])
            answer["actions"] = {"download": {"href": href, "header": {"X-Store-Key": "open"}, "expires_in": 900}}
        answers.append(answer)
    return 200, json.dumps({"transfer": "basic", "objects": answers, "hash_algo": "sha256"}).encode()
