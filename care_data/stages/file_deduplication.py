"""Duplicates among any files of rows: the rows that stay written out as they are, and what became of the others.

The folder it makes: kept/ with a file for each one read, removed.parquet (a line for each row that goes),
clusters.parquet (a line for each row that others went for) and manifest.json. It is there whole or not at all.
"""

import glob
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from care_data import __version__
from care_data.datafiles import DataFile, find_files
from care_data.datafiles.texts import JOINT
from care_data.duplicates.fields import suit_groups
from care_data.duplicates.inputs import TURNS, Input, Rules
from care_data.duplicates.search import KEPT, REASONS, Verdicts, search
from care_data.duplicates.showcase import Cluster, show_clusters
from care_data.errors import CareError, Exit
from care_data.store import (
    MANIFEST,
    Manifest,
    code_digest,
    disk_error,
    read_manifest,
    sha256_file,
    sha256_json,
    writing,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_FOLDER = "kept"
Advance = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class FilesResult:
    """What a run did. clusters: some to look at, none where there was nothing to do."""

    manifest: Manifest
    fresh: bool
    clusters: list[Cluster]
    files: list[DataFile]


def dedupe_files(
    paths: list[Path],
    groups: list[list[str]] | None,
    rules: Rules,
    out: Path,
    workers: int | None,
    advance: Advance,
    id_field: str | None = None,
) -> FilesResult:
    """Write the rows of the files without duplicates into the folder `out`, replacing what an earlier run made there.

    groups: fields joined to one text, a list for each text that has to be alike; by default as the first file's fields
    tell. Rows of a path named earlier stay, then longer ones, then earlier ones. What `out` holds already, made of the
    same files by the same rules, is left. id_field: what names a row in the tables of `out`; by default its file and
    number. CareError (2) for an `out` that holds anything else.
    """
    rules.plan()  # rules that cannot be are told before the files are read
    files = find_files(paths)
    groups = groups or suit_groups([file.fields() for file in files])
    out = out.resolve()
    _clear_up(out)
    _refuse_foreign(out, files)
    parameters = {**asdict(rules), "fields": groups, "id": id_field, "priorities": _rank(files, paths)}
    with ThreadPoolExecutor(1) as hasher:
        hashing = hasher.submit(_describe, files)
        if read_manifest(out) and (done := _done(out, _key(hashing.result(), parameters))):
            return FilesResult(done, False, [], files)
        inputs = [
            Input(partial(_read, file, groups), label=file.name, priority=priority)
            for file, priority in zip(files, parameters["priorities"], strict=True)
        ]
        with _whole_folder(out) as folder:
            scratch = folder / ".scratch"
            scratch.mkdir()
            verdicts = search(inputs, len(groups), rules, scratch, workers, advance)
            shutil.rmtree(scratch)
            clusters = show_clusters(inputs, verdicts, len(groups))
            _write(folder, files, verdicts, id_field, advance)
            manifest = _manifest(folder, files, verdicts, parameters, hashing)
            manifest.write(folder)
    return FilesResult(manifest, True, clusters, files)


def _read(file: DataFile, groups: list[list[str]]) -> Iterator[pl.DataFrame]:
    """One text for each group of fields, and the turns of dialogues."""
    turns = _turns(groups)
    for frame in file.read(list(dict.fromkeys(name for group in groups for name in group)), joint=JOINT):
        yield frame.select(
            *(
                (pl.col(group[0]) if len(group) == 1 else pl.concat_str(group, separator="\n")).alias(f"group{number}")
                for number, group in enumerate(groups)
            ),
            *([] if turns is None else [turns.alias(TURNS)]),
        )


def _turns(groups: list[list[str]]) -> pl.Expr | None:
    """Question, answer, question, … of each row where the fields are those of dialogues; None where they are not.

    A list of messages with one too many begins with what the model was told to be; a history of an odd number of texts
    cannot be cut into exchanges.
    """
    if groups in ([["messages"]], [["conversations"]]):
        said = pl.col(groups[0][0]).str.split(JOINT)
        said = pl.when(said.list.len() % 2 == 1).then(said.list.slice(1)).otherwise(said)
        return pl.when(said.list.len() > 1).then(said).otherwise(pl.lit([], pl.List(pl.String)))
    if len(groups) != 2 or groups[0][0] != "history" or groups[1] != ["output"]:
        return None
    past = pl.col("history").str.split(JOINT)
    is_dialogue = (pl.col("history") != "") & (past.list.len() % 2 == 0)
    turns = pl.concat_list(past, pl.concat_str(groups[0][1:], separator="\n"), pl.col("output"))
    return pl.when(is_dialogue).then(turns).otherwise(pl.lit([], pl.List(pl.String)))


def _rank(files: list[DataFile], paths: list[Path]) -> list[int]:
    """The priority of each file: that of the path it was found by, the earlier the higher."""
    places = [path.resolve() for path in paths]
    return [
        -next(
            at
            for at, place in enumerate(places)
            if place == file.path.resolve() or place in file.path.resolve().parents
        )
        for file in files
    ]


def _refuse_foreign(out: Path, files: list[DataFile]) -> None:
    """CareError where `out` holds what no run of ours made, or lies where the files are."""
    if out.exists() and not out.is_dir():
        raise CareError("a file, not a folder", where=str(out), fix="Choose another --out.", code=Exit.USAGE)
    manifest = read_manifest(out)
    # A corpus's folder has a manifest of this stage too, with the corpus's name.
    is_ours = manifest is not None and manifest.stage == "dedupe" and not manifest.corpus
    known = {MANIFEST, *(entry["path"] for entry in manifest.files)} if manifest and is_ours else set()
    others = sorted(
        path for path in out.rglob("*") if not path.is_dir() and path.relative_to(out).as_posix() not in known
    )
    if others:
        fix = "Choose a folder that is empty or not there yet."
        reason = f"the folder holds other things, such as {others[0].relative_to(out)}"
        raise CareError(reason, where=str(out), fix=fix, code=Exit.USAGE)
    for file in files:
        if out in file.path.resolve().parents:
            reason = f"--out would replace {file.path}, which is read"
            raise CareError(reason, code=Exit.USAGE, fix="Choose another folder.")


def _describe(files: list[DataFile]) -> list[dict[str, Any]]:
    return [{"path": f.name, "bytes": f.path.stat().st_size, "sha256": sha256_file(f.path)} for f in files]


def _key(described: list[dict[str, Any]], parameters: dict[str, Any]) -> str:
    return sha256_json(["dedupe files", described, parameters, code_digest()])


def _done(out: Path, key: str) -> Manifest | None:
    """The manifest of what lies there, where it was made by this key and is whole."""
    manifest = read_manifest(out)
    if manifest is None or manifest.key != key:
        return None
    sizes = {entry["path"]: entry["bytes"] for entry in manifest.files}
    whole = all((out / path).is_file() and (out / path).stat().st_size == size for path, size in sizes.items())
    return manifest if whole else None


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out`, in its place when the block ends well, else removed."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.with_name(f".{out.name}.tmp-{os.getpid()}")
        folder.mkdir()
        try:
            yield folder
            before = out.with_name(f".{out.name}.tmp-old-{os.getpid()}")
            if out.exists():
                os.replace(out, before)
            os.replace(folder, out)
            if before.exists():
                shutil.rmtree(before)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise disk_error(error, out) from error


def _clear_up(out: Path) -> None:
    """Remove what killed runs left beside `out`; what one had set aside and not yet replaced comes back."""
    try:
        found = out.parent.glob(f".{glob.escape(out.name)}.tmp-*")
        for left in sorted(found, reverse=True):  # what was set aside comes first
            if _is_alive(left.name.rpartition("-")[2]):
                continue
            if left.name.startswith(f".{out.name}.tmp-old-") and not out.exists():
                os.replace(left, out)
            else:
                shutil.rmtree(left)
    except OSError as error:
        raise disk_error(error, out) from error


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _write(folder: Path, files: list[DataFile], verdicts: Verdicts, id_field: str | None, advance: Advance) -> None:
    """The files without the rows that go, and the tables of rows and clusters."""
    for number, file in enumerate(files):
        advance("write", number, len(files))
        start, stop = verdicts.starts[number : number + 2]
        file.copy(verdicts.reasons[start:stop] == KEPT, folder / KEPT_FOLDER / file.name)
    rows = np.flatnonzero(verdicts.reasons != KEPT)
    keepers = verdicts.keepers[rows]
    told = np.unique(np.concatenate([rows, keepers]))
    names = _name_rows(files, told, verdicts.starts, id_field)
    places = names[np.searchsorted(told, rows)].select("id", "file", "row")
    homes = names[np.searchsorted(told, keepers)].select(keeper="id", keeper_file="file", keeper_row="row")
    reasons = pl.Series("reason", REASONS).gather(verdicts.reasons[rows])
    jaccards = pl.Series("jaccard", verdicts.jaccards[rows]).fill_nan(None)
    removed = pl.concat([places, reasons.to_frame(), homes, jaccards.to_frame()], how="horizontal")
    for name, table in (("removed", removed), ("clusters", _cluster(removed, keepers))):
        with writing(folder / f"{name}.parquet") as temporary:
            table.write_parquet(temporary)
    advance("write", len(files), len(files))


def _name_rows(
    files: list[DataFile], rows: "NDArray[np.int64]", starts: list[int], id_field: str | None
) -> pl.DataFrame:
    """id, file and row (from 1) of some rows of the whole, ascending."""
    owners = np.searchsorted(starts, rows, side="right") - 1
    names = pl.DataFrame(
        {
            "file": pl.Series([file.name for file in files], dtype=pl.String).gather(owners),
            "row": rows - np.array(starts)[owners] + 1,
        }
    )
    if id_field is None:
        return names.with_columns(id=pl.col("file") + "#" + pl.col("row").cast(pl.String))
    ids = [pl.Series("id", [], pl.String)]
    for number, file in enumerate(files):
        at = starts[number]
        for frame in file.read([id_field]) if (owners == number).any() else ():
            start, stop = np.searchsorted(rows, [at, at + frame.height])
            ids.append(frame[id_field].gather(rows[start:stop] - at))
            at += frame.height
    return names.with_columns(id=pl.concat(ids))


def _cluster(removed: pl.DataFrame, keepers: "NDArray[np.int64]") -> pl.DataFrame:
    """keeper, size, members (ids, the keeper first), in the order of the keepers."""
    grouped = removed.select("id", "keeper", place=pl.Series(keepers)).group_by("place", maintain_order=True)
    clusters = grouped.agg(pl.col("keeper").first(), members=pl.col("id")).sort("place")
    return clusters.select(
        "keeper",
        size=pl.col("members").list.len() + 1,
        members=pl.concat_list(pl.concat_list("keeper"), "members"),
    )


def _manifest(
    folder: Path, files: list[DataFile], verdicts: Verdicts, parameters: dict[str, Any], hashing: "Future[Any]"
) -> Manifest:
    described = hashing.result()
    counts = {}
    for number, file in enumerate(files):
        reasons = verdicts.reasons[slice(*verdicts.starts[number : number + 2])]
        told = dict(zip(REASONS, np.bincount(reasons, minlength=len(REASONS)).tolist(), strict=True))
        kept = told.pop(REASONS[KEPT])
        dropped = {reason: count for reason, count in told.items() if count}
        counts[file.name] = {"read": len(reasons), "kept": kept, "dropped": dropped}
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(
        stage="dedupe",
        key=_key(described, parameters),
        version=__version__,
        code=code_digest(),
        inputs=described,
        parameters={**parameters, "found": verdicts.report, "overlaps": verdicts.overlaps},
        counts=counts,
        files=[
            {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in made
        ],
        verified=False,
    )


def parse_groups(on: str) -> list[list[str]]:
    """`instruction+input,output` as groups of fields: commas part texts that must each be alike, plus signs join."""
    groups = [[field.strip() for field in group.split("+")] for group in on.split(",")]
    if not all(field for group in groups for field in group):
        fix = "Write field,field; join fields with +."
        raise CareError(f"--on {on!r} names an empty field", fix=fix, code=Exit.USAGE)
    return groups
