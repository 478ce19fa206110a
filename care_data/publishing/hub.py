"""A tree on the Hugging Face Hub: what is there, what would change, the upload, and the proof that it arrived.

All of it goes through huggingface_hub. Its answer to an upload is not trusted: what counts is what the Hub lists
afterwards, file by file, by sha256 or git blob id.
"""

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data.errors import CareError, Exit
from care_data.sources.hosts import HUB, Hosts
from care_data.store import MANIFEST, Manifest, describe_file

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TRIES, PAUSE = 3, 2.0
"""How often an upload is begun, and the seconds before it is begun again."""
SHOWN = 3
"""Files named in an error."""
_OWN = frozenset({".gitattributes"})
"""Files that the Hub keeps there by itself."""


@dataclass(frozen=True)
class Remote:
    """A dataset repository as the Hub tells it. files: path to {sha256 or git, bytes}; head: its commit."""

    name: str
    head: str
    private: bool
    files: dict[str, dict[str, Any]]
    tags: dict[str, str]


@dataclass(frozen=True)
class Changes:
    """What an upload would do to a repository, as paths."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def open_hub(hosts: Hosts) -> "HfApi":
    """The client; its own bars are shown to people only. CareError (7) where another host would get the Hub's token."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    if hosts.hub != HUB and not hosts.send_token:
        fix = "Unset HF_ENDPOINT, or say --send-token if that host may have it."
        raise CareError(f"the Hub's token would go to {hosts.hub}", fix=fix, code=Exit.POLICY)
    if not sys.stderr.isatty():
        disable_progress_bars()
    return HfApi(endpoint=hosts.hub, library_name="care-llm")


def resolve_name(api: "HfApi", repo: str) -> str:
    """`namespace/name`, the namespace being the user's own where none is given.

    CareError (5) without a token that is good, (7) where the token may only read or the namespace is another's.
    """
    with _telling(repo, "to ask who you are"):
        who = api.whoami()
    namespace, _, name = repo.rpartition("/")
    namespace = namespace or str(who["name"])
    role = ((who.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        fix = "Make a token with write access, and log in with it: hf auth login."
        raise CareError("the token may only read", where=repo, fix=fix, code=Exit.POLICY)
    known = [str(who["name"]), *(str(org["name"]) for org in who.get("orgs") or [])]
    if namespace not in known:
        fix = f"Yours are: {', '.join(known)}."
        raise CareError(f"the namespace {namespace} is not yours", where=repo, fix=fix, code=Exit.POLICY)
    return f"{namespace}/{name}"


def look(api: "HfApi", name: str, revision: str | None = None) -> Remote | None:
    """The repository at a revision, by default its head; None where there is none, or no such revision."""
    from huggingface_hub import RepoFile
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    with _telling(name, "to look at it"):
        try:
            info = api.dataset_info(name, revision=revision)
            nodes = list(api.list_repo_tree(name, repo_type="dataset", recursive=True, revision=info.sha))
            refs = api.list_repo_refs(name, repo_type="dataset")
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None
    files = {
        node.path: {"bytes": node.size, **({"sha256": node.lfs.sha256} if node.lfs else {"git": node.blob_id})}
        for node in nodes
        if isinstance(node, RepoFile)
    }
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    return Remote(name, str(info.sha), bool(info.private), files, tags)


def list_changes(folder: Path, manifest: Manifest, remote: Remote | None) -> Changes:
    """What has to change for the repository to hold the tree in `folder`; data files of earlier ones are removed."""
    there = remote.files if remote else {}
    wanted = _list_wanted(folder, manifest)
    found: dict[str, list[str]] = {"added": [], "changed": [], "same": []}
    for path, line in wanted.items():
        state = "added" if path not in there else "same" if _is_same(folder, path, line, there[path]) else "changed"
        found[state].append(path)
    removed = sorted(path for path in there if path.endswith(".parquet") and path not in wanted)
    return Changes(**found, removed=removed)


def _list_wanted(folder: Path, manifest: Manifest) -> dict[str, dict[str, Any]]:
    listed = [*manifest.files, describe_file(folder, MANIFEST)]
    return {str(line["path"]): line for line in sorted(listed, key=lambda line: str(line["path"]))}


def _is_same(folder: Path, path: str, line: dict[str, Any], there: dict[str, Any]) -> bool:
    """Whether the Hub's file is the tree's: by its sha256, or where git holds it by its blob id."""
    if there["bytes"] != line["bytes"]:
        return False
    if "sha256" in there:
        return bool(there["sha256"] == line["sha256"])
    data = (folder / path).read_bytes()
    return bool(there["git"] == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())


def refuse_visibility(remote: Remote | None, name: str, public: bool) -> None:
    """CareError (7) where the repository is there and as open, or as closed, as was not asked for."""
    if remote is not None and remote.private == public:
        is_now, fix = ("public", "Say --public, or make it private on the Hub first.")
        if remote.private:
            is_now, fix = ("private", "Leave --public out, or make it public on the Hub first.")
        raise CareError(f"the repository is {is_now}", where=name, fix=fix, code=Exit.POLICY)


def upload(
    api: "HfApi", name: str, folder: Path, manifest: Manifest, before: Remote | None, message: str, public: bool
) -> Remote:
    """Bring the tree to the repository, which is made where it is not there, and read back what it holds then.

    Where an answer is lost or the Hub is out of order for a while, it is begun again, but only with what is still
    missing. CareError (1) where somebody else changed the repository meanwhile, (4) where in the end it does not hold
    the tree.
    """
    with _telling(name, "to make it"):
        api.create_repo(name, repo_type="dataset", private=not public, exist_ok=True)
    remote = _require(api, name)
    refuse_visibility(remote, name, public)  # it may have been made, or opened, since the plan
    before = before or replace(remote, files={})
    sent = ""
    for attempt in range(TRIES):
        changes = list_changes(folder, manifest, remote)
        if remote.head != sent:
            _refuse_others(name, before, remote, changes)
        if not changes:
            break
        try:
            with _telling(name, "to upload"):
                commit = api.upload_folder(
                    repo_id=name,
                    repo_type="dataset",
                    folder_path=folder,
                    allow_patterns=[*changes.added, *changes.changed],
                    delete_patterns=changes.removed or None,
                    commit_message=message,
                    parent_commit=remote.head,
                )
        except CareError as error:
            remote = _require(api, name)
            landed = not list_changes(folder, manifest, remote)
            if not landed and (error.code != Exit.NETWORK or attempt + 1 == TRIES):
                _refuse_others(name, before, remote, list_changes(folder, manifest, remote))
                raise
            if not landed:
                time.sleep(PAUSE * (attempt + 1))
            continue
        remote, sent = _require(api, name), str(commit.oid)
    if left := list_changes(folder, manifest, remote):
        wrong = [*left.added, *left.changed, *left.removed]
        raise CareError(
            f"the Hub does not hold what was sent: {_name(wrong)}",
            where=name,
            fix="No tag was made. Run again; what is there is not sent twice.",
            code=Exit.INTEGRITY,
        )
    return remote


def tag(api: "HfApi", remote: Remote, label: str) -> None:
    """Name the commit, once all of it is proven to be there."""
    if remote.tags.get(label) == remote.head:
        return
    with _telling(remote.name, f"to tag it {label}"):
        api.create_tag(remote.name, repo_type="dataset", tag=label, revision=remote.head)


def is_tagged(api: "HfApi", folder: Path, manifest: Manifest, remote: Remote | None, label: str) -> bool:
    """Whether the tree is published under this tag already. CareError (1) where the tag names another."""
    if remote is None or label not in remote.tags:
        return False
    tagged = look(api, remote.name, label)
    if list_changes(folder, manifest, tagged):
        fix = "Choose another one with --tag."
        raise CareError(f"the tag {label} is there, and names another tree", where=remote.name, fix=fix)
    return True


def _require(api: "HfApi", name: str) -> Remote:
    remote = look(api, name)
    if remote is None:
        raise CareError("the repository is gone", where=name, fix="Run again.", code=Exit.NETWORK)
    return remote


def _refuse_others(name: str, before: Remote, now: Remote, changes: Changes) -> None:
    """CareError (1) where a file is neither as it was nor as it is to be: somebody else was there."""
    wanted = {*changes.same}
    touched = sorted(
        path
        for path in {*before.files, *now.files} - _OWN
        if before.files.get(path) != now.files.get(path)
        and path not in wanted
        and not (path not in now.files and path.endswith(".parquet"))
    )
    if touched:
        raise CareError(
            f"somebody changed it meanwhile: {_name(touched)}",
            where=name,
            fix="Run again to see what would change now.",
        )


def _name(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


@contextmanager
def _telling(name: str, doing: str) -> Iterator[None]:
    """What the client raises, as an error of one line with its exit code."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    host = "the Hub"
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise CareError(
            "no token of the Hub is here", where=name, fix="Log in: hf auth login, or set HF_TOKEN.", code=Exit.MANUAL
        ) from error
    except HFValidationError as error:
        raise CareError(
            f"{name!r} cannot name a repository", fix="Write NAME or NAMESPACE/NAME.", code=Exit.USAGE
        ) from error
    except HfHubHTTPError as error:
        raise _tell_status(error, name, doing) from error
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        if isinstance(error, httpx2.RequestError):
            host = error.request.url.netloc.decode()
        what = " ".join(f"{error} {error.__cause__ or ''}".split())[:200]
        fix = "Run again; what is there is not sent twice."
        if not isinstance(error, httpx2.HTTPError | RuntimeError):  # what hf_xet raises
            fix += " If it is Xet that is not there, set HF_HUB_DISABLE_XET=1."
        raise CareError(f"{host} did not answer {doing} ({what})", where=name, fix=fix, code=Exit.NETWORK) from error


def _tell_status(error: Any, name: str, doing: str) -> CareError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        fix = "The token is not valid or has expired: hf auth login."
        return CareError(f"the Hub does not know you ({doing})", where=name, fix=fix, code=Exit.MANUAL)
    if status == 403:
        fix = "Ask its owner, or make a token with write access to it."
        return CareError(f"the Hub does not allow it ({doing})", where=name, fix=fix, code=Exit.POLICY)
    if status in (409, 412):
        return CareError(f"it changed meanwhile ({doing})", where=name, fix="Run again to see what would change now.")
    if status == 404 and "xet" in str(error):
        fix = "Set HF_HUB_DISABLE_XET=1: this Hub does not know Xet."
        return CareError(f"no place to upload to ({doing})", where=name, fix=fix, code=Exit.NETWORK)
    told = " ".join(str(error).split())[:200]
    fix = "Run again; what is there is not sent twice."
    return CareError(f"the Hub answered {status} {doing} ({told})", where=name, fix=fix, code=Exit.NETWORK)
