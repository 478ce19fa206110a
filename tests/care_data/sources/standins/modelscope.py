"""What ModelScope answers about a data set: its tree in numbered pages, with sizes and sha256, and its files."""

import hashlib
import json
from urllib.parse import urlencode

from standins.faults import FaultServer

PAGE = 100  # files a page of the tree lists, if the request does not say


def publish(server: FaultServer, name: str, revision: str, files: dict[str, bytes], *, page: int = PAGE) -> None:
    """Put a revision on the server. page: how many files one page of the tree lists."""
    nodes = [
        {
            "Name": path.rpartition("/")[2],
            "Path": path,
            "Type": "blob",
            "Size": len(body),
            "Sha256": hashlib.sha256(body).hexdigest(),
            "IsLFS": False,
            "Revision": revision,
        }
        for path, body in sorted(files.items())
    ]
    folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
    nodes = [
        {"Name": path.rpartition("/")[2], "Path": path, "Type": "tree", "Size": 0, "Sha256": "", "Revision": revision}
        for path in folders
    ] + nodes
    for number in range(1, len(nodes) // page + 3):  # one page beyond the last is asked for by some, and is empty
        data = {"Files": nodes[(number - 1) * page : number * page], "TotalCount": len(nodes)}
        body = json.dumps({"Code": 200, "Data": data, "Message": "success", "Success": True}).encode()
        here = f"/api/v1/datasets/{name}/repo/tree?{urlencode({'Revision': revision})}"
        server.put(f"{here}&PageNumber={number}", body, kind="application/json; charset=utf-8")
        if number == 1:
            server.put(here, body, kind="application/json; charset=utf-8")
    for path, content in files.items():
        server.put(file_at(name, revision, path), content, etag=f'"{hashlib.sha256(content).hexdigest()}"')


def file_at(name: str, revision: str, path: str) -> str:
    """The address of a file."""
    return f"/api/v1/datasets/{name}/repo?{urlencode({'Revision': revision, 'FilePath': path})}"
