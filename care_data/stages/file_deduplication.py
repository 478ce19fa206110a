"""Duplicates among any files of rows: the rows that stay written out as they are, and what became of the others.

The folder it makes: kept/ with a file for each one read, removed.parquet (a line for each row that goes),
clusters.parquet (a line for each row that others went for) and manifest.json. It is there whole or not at all.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from care_data import __version__
from care_data.datafiles import DataFile, find_files
from care_data.datafiles.texts import JOINT
from care_data.duplicates.estimates import estimate
from care_data.duplicates.fields import suit_groups
from care_data.duplicates.index import find_indexes
from care_data.duplicates.index.additions import query_index
from care_data.duplicates.index.runs import Found, find, has_run, hold
from care_data.duplicates.inputs import TURNS, Input, Rules
from care_data.duplicates.search import KEPT, REASONS
from care_data.duplicates.showcase import Cluster, show_clusters
from care_data.errors import CareError, Exit
from care_data.folders import clear_up, replacing
from care_data.store import (
    MANIFEST,
    Manifest,
    code_digest,
    describe_file,
    read_done,
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
    index_folder: Path | None = None,
    engine: str = "local",
    address: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> FilesResult:
    """Write the rows of the files without duplicates into the folder `out`, replacing what an earlier run made there.

    groups: fields joined to one text, a list for each text that has to be alike; by default as the files' fields
    tell. Rows of a path named earlier stay, then longer ones, then earlier ones. What `out` holds already, made of the
    same files by the same rules, is left. id_field: what names a row in the tables of `out`; by default its file and
    number. index_folder: an index whose records come before the files and to which those that stay are added. engine,
    address: as of engines.run_tasks. say: told what it will take. CareError (2) for an `out` that holds anything else.
    """
    rules.plan()  # rules that cannot be are told before the files are read
    files = find_files(paths)
    groups = groups or suit_groups([file.fields() for file in files])
    out = out.resolve()
    clear_up(out)
    _refuse_foreign(out, files)
    parameters = {**asdict(rules), "fields": groups, "id": id_field, "priorities": _rank(files, paths)}
    parameters |= {"index": str(index_folder.resolve())} if index_folder else {}
    with ThreadPoolExecutor(1) as aside, hold(index_folder, rules, groups) as index:
        hashing = aside.submit(_describe, files)
        aside.submit(code_digest)  # asked for at the end
        # Which run this is an index has to know before the search; the code may change between one and its like.
        run = "" if index is None else sha256_json(["run", hashing.result(), parameters])
        done = read_done(out, _key(hashing.result(), parameters)) if read_manifest(out) else None
        if done and has_run(index, run):
            return FilesResult(done, False, [], files)
        say(f"dedupe   {estimate(sum(file.text_size() for file in files), workers, rules.exhaustive)}")
        inputs = [
            Input(partial(_read, file, groups), label=file.name, priority=priority)
            for file, priority in zip(files, parameters["priorities"], strict=True)
        ]
        with replacing(out) as folder:
            scratch = folder / ".scratch"
            scratch.mkdir()
            found = find(inputs, len(groups), rules, scratch, index, run, workers, advance, engine, address)
            shutil.rmtree(scratch)
            # Meanwhile, since the writer of a file uses little more than one core.
            tables = aside.submit(_write_tables, folder, files, found, id_field)
            showing = aside.submit(show_clusters, found.inputs(inputs), found.verdicts, len(groups), found.names["id"])
            _copy_kept(folder, files, found, advance)
            tables.result()
            clusters = showing.result()
            manifest = _manifest(folder, files, found, parameters, hashing)
            manifest.write(folder)
        if index is not None:
            advance("index", 0, 1)
            rows = np.arange(found.starts[0], found.starts[-1])
            found.keep(_name_rows(files, rows, found, id_field)["id"], workers)
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


def _copy_kept(folder: Path, files: list[DataFile], found: Found, advance: Advance) -> None:
    """The files without the rows that go."""
    for number, file in enumerate(files):
        advance("write", number, len(files))
        start, stop = found.starts[number : number + 2]
        file.copy(found.verdicts.reasons[start:stop] == KEPT, folder / KEPT_FOLDER / file.name)
    advance("write", len(files), len(files))


def _write_tables(folder: Path, files: list[DataFile], found: Found, id_field: str | None) -> None:
    """The rows that go, and the clusters."""
    verdicts = found.verdicts
    rows = np.flatnonzero(verdicts.reasons != KEPT)
    keepers = verdicts.keepers[rows]
    told = np.unique(np.concatenate([rows, keepers]))
    names = _name_rows(files, told, found, id_field)
    places = names[np.searchsorted(told, rows)].select("id", "file", "row")
    homes = names[np.searchsorted(told, keepers)].select(keeper="id", keeper_file="file", keeper_row="row")
    reasons = pl.Series("reason", REASONS).gather(verdicts.reasons[rows])
    jaccards = pl.Series("jaccard", verdicts.jaccards[rows]).fill_nan(None)
    removed = pl.concat([places, reasons.to_frame(), homes, jaccards.to_frame()], how="horizontal")
    for name, table in (("removed", removed), ("clusters", _cluster(removed, keepers))):
        with writing(folder / f"{name}.parquet") as temporary:
            table.write_parquet(temporary)


def _name_rows(files: list[DataFile], rows: "NDArray[np.int64]", found: Found, id_field: str | None) -> pl.DataFrame:
    """id, file and row (from 1) of some rows of the whole, ascending; of the index's the label, and no row."""
    known, rows = rows[rows < found.known], rows[rows >= found.known]
    held = found.names[known].select("id", file="label", row=pl.lit(None, pl.Int64))
    starts = found.starts
    owners = np.searchsorted(starts, rows, side="right") - 1
    names = pl.DataFrame(
        {
            "file": pl.Series([file.name for file in files], dtype=pl.String).gather(owners),
            "row": rows - np.array(starts)[owners] + 1,
        }
    )
    if id_field is None:
        named = names.select(pl.format("{}#{}", "file", "row").alias("id"), "file", "row")
        return pl.concat([held, named])
    ids = [pl.Series("id", [], pl.String)]
    for number, file in enumerate(files):
        at = starts[number]
        for frame in file.read([id_field]) if (owners == number).any() else ():
            start, stop = np.searchsorted(rows, [at, at + frame.height])
            ids.append(frame[id_field].gather(rows[start:stop] - at))
            at += frame.height
    return pl.concat([held, names.select(pl.concat(ids).alias("id"), "file", "row")])


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
    folder: Path, files: list[DataFile], found: Found, parameters: dict[str, Any], hashing: "Future[Any]"
) -> Manifest:
    described = hashing.result()
    counts = {}
    for number, file in enumerate(files):
        reasons = found.verdicts.reasons[slice(*found.starts[number : number + 2])]
        told = dict(zip(REASONS, np.bincount(reasons, minlength=len(REASONS)).tolist(), strict=True))
        kept = told.pop(REASONS[KEPT])
        dropped = {reason: count for reason, count in told.items() if count}
        counts[file.name] = {"read": len(reasons), "kept": kept, "dropped": dropped}
    names = {file.name for file in files}
    overlaps = {name: line for name, line in found.verdicts.overlaps.items() if name in names}
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    return Manifest(
        stage="dedupe",
        key=_key(described, parameters),
        version=__version__,
        code=code_digest(),
        inputs=described,
        parameters={**parameters, "found": found.verdicts.report, "overlaps": overlaps},
        counts=counts,
        files=[describe_file(folder, path.relative_to(folder).as_posix()) for path in made],
        verified=False,
    )


def query_file(folder: Path, path: Path, on: str, threshold: float | None, workers: int | None) -> pl.DataFrame:
    """row (from 1), id, label, jaccard: the index's records that each row of a file is alike.

    on: the file's fields, in as many groups as the index has; by default those the index was made on.
    """
    indexes = find_indexes(folder)
    if len(indexes) > 1:
        names = ", ".join(index.folder.name for index in indexes)
        raise CareError("several indexes are here", where=str(folder), fix=f"Name one of: {names}.", code=Exit.USAGE)
    index, file = indexes[0], find_files([path])[0]
    groups = parse_groups(on) if on else [list(group) for group in index.settings["fields"]]
    if len(groups) != len(index.settings["fields"]):
        fix = f"The index was made on {len(index.settings['fields'])} groups of fields; name as many."
        raise CareError(f"--on {on} names {len(groups)} groups", fix=fix, code=Exit.USAGE)
    there = file.fields()
    groups = groups if on else [[name for name in group if name in there] or group for group in groups]
    settings = index.settings
    rules = Rules(
        threshold=threshold or index.made_with["threshold"],
        miss=index.made_with["miss"],
        num_perm=settings["num_perm"],
        scheme=settings["scheme"],
    )
    with TemporaryDirectory(prefix="care-") as scratch:
        found = query_index(index, Input(partial(_read, file, groups)), rules, Path(scratch), workers)
    return found.with_columns(pl.col("row") + 1)


def parse_groups(on: str) -> list[list[str]]:
    """`instruction+input,output` as groups of fields: commas part texts that must each be alike, plus signs join."""
    groups = [[field.strip() for field in group.split("+")] for group in on.split(",")]
    if not all(field for group in groups for field in group):
        fix = "Write field,field; join fields with +."
        raise CareError(f"--on {on!r} names an empty field", fix=fix, code=Exit.USAGE)
    return groups
