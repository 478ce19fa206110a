"""A published release brought back: every file held to its manifest, in place whole or not at all."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_data.errors import CareError, Exit
from care_data.folders import clear_up, replacing
from care_data.records import explain
from care_data.sources import Want, fetch
from care_data.sources.hosts import Hosts, read_token
from care_data.sources.places import check_path, parse_source, shown
from care_data.sources.replies import Absent, find_cause
from care_data.store import MANIFEST, Manifest, Store, read_manifest, sha256_file

PARTS = "published"
"""Below raw/: files of releases on their way."""

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Retrieved:
    """A release in the data folder. fresh: whether it was brought now."""

    folder: Path
    manifest: Manifest
    fresh: bool


def bring_release(
    source: str, store: Store, *, hosts: Hosts, mirror: str | None = None, progress: Progress | None = None
) -> Retrieved:
    """The release that `hub:NAMESPACE/NAME@TAG` names, under releases/ of the data folder.

    What was begun is gone on with. CareError: 2 for a source without a tag, 1 where the repository holds no release,
    4 where a file is not what the manifest says, and those of sources.fetch.
    """
    place = parse_source(source)
    if place.scheme != "hub" or not place.pin or place.name.count("/") != 1:
        fix = "Write hub:NAMESPACE/NAME@TAG."
        raise CareError(f"{shown(source)} names no published release", fix=fix, code=Exit.USAGE)
    folder = store.folder("release", re.sub(r"[^\w.-]", "_", f"{place.name.partition('/')[2]}-{place.pin}"))
    parts = store.root / "raw" / PARTS / folder.name
    home, token = parts / place.folder, read_token()

    def bring(wanted: dict[str, dict[str, Any]]) -> None:
        """These paths, each with its checksum where it is known."""
        wants = [Want(path, source, path, False, {path: pin} if pin else {}) for path, pin in wanted.items()]
        # A tag may be set anew, so a manifest that was begun with may become another.
        try:
            fetch(wants, parts, mirror=mirror, progress=progress, token=token, hosts=hosts, accept_changed=True)
        except CareError as error:
            if find_cause(error, Absent) is None:
                raise
            what = f"{shown(error.where)} is not there, or not for this token to see"
            fix, code = "Ask who published it.", Exit.INTEGRITY
            if MANIFEST in wanted:
                fix, code = "Look for its tags on the Hub; give a token (HF_TOKEN) if it is private.", Exit.DATA
            raise CareError(what, where=shown(source), fix=fix, code=code) from error

    bring({MANIFEST: {}})
    manifest = _read(home / MANIFEST, source)
    clear_up(folder)
    before = read_manifest(folder)
    if before is not None and before == manifest and _is_whole(folder, manifest):
        shutil.rmtree(parts, ignore_errors=True)
        return Retrieved(folder, manifest, fresh=False)
    pins = {_check(line["path"], source): {"sha256": line["sha256"], "bytes": line["bytes"]} for line in manifest.files}
    if read_manifest(home) is None:
        fix = "Fetch it again; if it stays so, tell who published it."
        raise CareError("its manifest.json is damaged", where=source, fix=fix, code=Exit.INTEGRITY)
    bring(pins)
    with replacing(folder) as made:
        for path in [*pins, MANIFEST]:
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            os.link(home / path, made / path)
    shutil.rmtree(parts, ignore_errors=True)
    return Retrieved(folder, manifest, fresh=True)


def _read(path: Path, source: str) -> Manifest:
    """The manifest of a published release; CareError (1) for anything else."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        problem = explain("manifest", told)
    except (ValueError, RecursionError):
        told, problem = {}, "it is no JSON"
    if problem or told["stage"] != "publish":
        reason = problem or f"it is of the stage {told['stage']}"
        fix = "A data set that care-data did not publish is described by a registry entry."
        raise CareError(f"its manifest.json is not a published release's ({reason})", where=source, fix=fix)
    return Manifest(**told)


def _check(path: str, source: str) -> str:
    """A path of the manifest, where it stays in the release's folder and can be no pattern."""
    check_path(path)
    if not re.fullmatch(r"[\w./-]+", path) or path == MANIFEST:
        raise CareError(
            f"the path '{shown(path)}' is refused", where=source, fix="Tell who published it.", code=Exit.INTEGRITY
        )
    return path


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    return all(
        (folder / line["path"]).is_file() and sha256_file(folder / line["path"]) == line["sha256"]
        for line in manifest.files
    )
