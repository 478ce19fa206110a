"""A Hub on loopback: repositories in memory, tokens, every call in a journal, and faults as planned.

It answers the calls that `huggingface_hub` 2.x makes to create, upload, tag, list and download, over Git LFS and Xet.
What is small it answers itself; the bytes of large files are at another host, as the Hub's are.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from hubs import administration, large_files, reading, repositories, writing
from hubs.calls import Call, Fault, Refused, Reply
from hubs.repositories import Account, Commit, Repository, large_file, small_file
from hubs.xet import XetStore
from standins.faults import FaultServer, Handler

WRITER, READER, EXPIRED, STRANGER = (f"hf_{who}whomnobodysees" for who in ("writer", "reader", "expired", "stranger"))
"""Tokens: of tester, who may write to tester/ and care/; of tester to read only; of tester, past; of someone else."""
ROUTES = {**administration.ROUTES, **writing.ROUTES, **large_files.ROUTES, **reading.ROUTES}


class Hub(FaultServer):
    """lfs_from: bytes from which any file is large. parts_from, part: bytes from which a large file is sent in parts,
    and those of a part. page: how many entries of a tree are listed at once. xet: None for a Hub without Xet.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.RequestHandlerClass = _Handler
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.accounts = {
            WRITER: Account("tester", groups=("care",)),
            READER: Account("tester", "read", ("care",)),
            EXPIRED: Account("tester", expired=True),
            STRANGER: Account("stranger"),
        }
        self.journal: list[Call] = []
        self.faults: list[Fault] = []
        self.lfs_from, self.parts_from, self.part, self.page = 10_000_000, 5_000_000_000, 100_000, 1000
        self.xet: XetStore | None = XetStore(folder)

    @property
    def store(self) -> str:
        """The host of large files: this one by another name, so that a client takes it for another."""
        return f"http://localhost:{self.server_port}"

    # What a test asks

    def files(self, name: str, revision: str = "main", kind: str = "datasets") -> dict[str, bytes]:
        """Path to bytes of a revision; .gitattributes, which every repository has, is left out."""
        files = self.repositories[kind, name].find(revision).files
        return {path: self.blobs[file.sha256] for path, file in sorted(files.items()) if path != ".gitattributes"}

    def commits(self, name: str, revision: str = "main", kind: str = "datasets") -> list[Commit]:
        """The commits that lead to a revision, the latest first, the one that made the repository last."""
        return self.repositories[kind, name].history(revision)

    def tags(self, name: str, kind: str = "datasets") -> dict[str, str]:
        """Tag to commit id."""
        return dict(self.repositories[kind, name].tags)

    def asked_for(self, *kinds: str) -> list[Call]:
        """The calls of these kinds, in order; of all kinds if none is named."""
        return [call for call in self.journal if not kinds or call.kind in kinds]

    def forget(self) -> None:
        """Begin the journal anew."""
        self.journal.clear()

    # What a test does in place of another user

    def create(self, name: str, private: bool = False, kind: str = "datasets") -> Repository:
        """A repository with the commit that every one begins with."""
        made = Repository(kind, name, private)
        self.repositories[kind, name] = made
        made.commit("main", "initial commit", "", {".gitattributes": self.keep(repositories.ATTRIBUTES)})
        return made

    def push(self, name: str, files: dict[str, bytes | None], branch: str = "main", kind: str = "datasets") -> Commit:
        """A commit by someone else. files: path to bytes, None to delete it; .parquet and the like become large."""
        repository = self.repositories.get((kind, name)) or self.create(name, kind=kind)
        after = dict(repository.find(branch).files)
        for path, body in files.items():
            if body is None:
                del after[path]
            else:
                after[path] = self.keep(body, path.endswith(repositories.LARGE))
        return repository.commit(branch, "by someone else", "", after)

    def keep(self, body: bytes, large: bool = False, xet: str = "") -> repositories.File:
        """Have the bytes, and what a commit says of them."""
        file = large_file(body, xet) if large else small_file(body)
        self.blobs[file.sha256] = body
        return file

    # What goes wrong, by kinds of calls (the keys of ROUTES)

    def refuse(
        self, kind: str, status: int, *, nth: int = 1, times: int = 1, after: bool = False, **headers: str
    ) -> None:
        """Answer with a status. after: once the call's work is done. headers: their names with _ for -."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self._plan(Fault(kind, nth, times, Reply(status, b'{"error": "trouble"}', told), after))

    def drop(self, kind: str, *, nth: int = 1, times: int = 1, after: bool = False) -> None:
        """Hang up in place of an answer. after: once the call's work is done."""
        self._plan(Fault(kind, nth, times, None, after))

    def act(self, kind: str, action: Callable[[], object], *, nth: int = 1, after: bool = False) -> None:
        """Do something, such as killing the client, and hang up. after: once the call's work is done."""
        self._plan(Fault(kind, nth, 1, None, after, act=action))

    def change(self, kind: str, change: Callable[[Reply], Reply], *, nth: int = 1, times: int = 1) -> None:
        """Answer with what `change` makes of the true reply."""
        self._plan(Fault(kind, nth, times, change=change))

    def delay(self, kind: str, seconds: float, *, nth: int = 1, times: int = 1) -> None:
        """Answer later."""
        self._plan(Fault(kind, nth, times, delay=seconds, change=lambda reply: reply))

    def _plan(self, fault: Fault) -> None:
        if fault.kind not in ROUTES:
            raise ValueError(f"no call is of the kind {fault.kind!r}; there are {', '.join(ROUTES)}")
        self.faults.append(fault)

    # What the handler asks

    def respond(self, call: Call) -> Reply | None:
        """The reply to a call; None to hang up."""
        with self.lock:
            self.journal.append(call)
            struck = [fault for fault in self.faults if fault.strikes(call.kind)]
        for fault in struck:
            time.sleep(fault.delay)
        broken = [fault for fault in struck if fault.change is None]
        if any(not fault.after for fault in broken):
            return _break(broken)
        reply = self._work(call)
        for fault in struck:
            reply = fault.change(reply) if fault.change is not None else reply
        return _break(broken) if broken else reply

    def _work(self, call: Call) -> Reply:
        if call.kind not in ROUTES:
            return Refused(404, "Sorry, we can't find the page you are looking for.").reply
        try:
            with self.lock:
                return ROUTES[call.kind][2](self, call)
        except Refused as refused:
            return refused.reply


def _break(faults: list[Fault]) -> Reply | None:
    for fault in faults:
        if fault.act is not None:
            fault.act()
    return faults[0].reply


def find_route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The kind of a call and the parts of its address; an empty kind where there is no such address."""
    for kind, (methods, pattern, _) in ROUTES.items():
        if method in methods.split() and (match := re.fullmatch(pattern, path)):
            return kind, match.groupdict("")
    return "", {}


class _Handler(Handler):
    server: Hub
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client to acknowledge the headers

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        kind, names = find_route(self.command, asked.path)
        call = Call(self.command, asked.path, dict(parse_qsl(asked.query)), headers, self._body(), kind, names)
        reply = self.server.respond(call)
        if reply is None:
            return self.hang_up()
        call.status = reply.status
        self.answer(reply.status, reply.body, reply.headers)
        return None

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)
