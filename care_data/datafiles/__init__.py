"""Files of rows as people keep them: read as columns of text, and written out again with some rows left out."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from care_data.datafiles.packing import PACKINGS, open_packed, packing_of
from care_data.datafiles.texts import JOINT
from care_data.errors import CareError, Exit

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

ROWS = 50_000
"""Rows of a frame at most."""

SNIFF = 1 << 20
"""Bytes at the head of a .json file that tell whether it is one array or a value a line."""


@dataclass(frozen=True)
class DataFile:
    """A file of rows. kind: a key of READERS. name: its path below the folder named, or its own name, with `/`."""

    path: Path
    kind: str
    name: str

    def fields(self) -> list[str]:
        """The fields of its rows, in order; of JSON those of its first rows."""
        with _naming(self.path):
            return NAMERS[self.kind](self.path)

    def read(self, fields: list[str], rows: int = ROWS, joint: str = "\n") -> "Iterator[pl.DataFrame]":
        """Frames of at most `rows` rows with a column of text for each field; every row of the file, in order.

        A nested value gives all its texts, parted by `joint` (texts.JOINT costs nothing); `a.b` is the field b of the
        object a. Null, and in JSON a field that a row lacks, are empty text. CareError (2) where no row has a field,
        (1) with the row and byte where one cannot be read. A file without rows gives one empty frame.
        """
        import polars as pl

        empty = True
        with _naming(self.path):
            for frame in READERS[self.kind](self.path, fields):
                if joint != JOINT and fields:
                    frame = frame.with_columns(pl.col(fields).str.replace_all(JOINT, joint, literal=True))
                yield from frame.iter_slices(rows)
                empty = empty and not frame.height
        if empty:
            yield pl.DataFrame(schema=dict.fromkeys(fields, pl.String))

    def count(self) -> int:
        """Its number of rows; the file is read for it, but for Parquet's."""
        if self.kind == "parquet":
            from care_data.datafiles.parquet import count_rows

            with _naming(self.path):
                return count_rows(self.path)
        return sum(frame.height for frame in self.read([]))

    def text_size(self) -> int:
        """About how many bytes of text it holds, by its size; of packed text four times that."""
        size = self.path.stat().st_size
        if self.kind == "parquet":
            from care_data.datafiles.parquet import unpacked_size

            with _naming(self.path):
                return unpacked_size(self.path)
        return 4 * size if packing_of(self.path) else size

    def copy(self, stays: "NDArray[np.bool_]", to: Path) -> None:
        """Write the rows i with stays[i], unchanged and in order, as a file of the same format; whole or not at all.

        CareError (4) where the file no longer has as many rows as `stays`.
        """
        with _naming(self.path):
            COPIERS[self.kind](self.path, np.asarray(stays, np.bool_), to)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors that do not say where they arose are put in the file."""
    try:
        yield
    except CareError as error:
        raise (error if error.where else error.within(str(path))) from error.__cause__


def find_files(paths: list[Path]) -> list[DataFile]:
    """The files named, and all that can be read in the folders named, sorted; a file named twice comes once.

    In folders hidden files and those of other kinds are left out. Files of one name are told apart by the folders they
    lie in. CareError (2) for what is not there, cannot be read, or is a folder without any.
    """
    found: dict[Path, tuple[DataFile, Path]] = {}
    for path in paths:
        if not path.exists():
            raise CareError("no such file or folder", where=str(path), fix="See how it is spelled.", code=Exit.USAGE)
        for file in _search(path) if path.is_dir() else [_open_named(path)]:
            found.setdefault(file.path.resolve(), (file, path))
    return _tell_apart(list(found.values()))


def is_rows(path: Path) -> bool:
    """Whether it is a file of rows by its name."""
    return _suffix_of(path) in KINDS


def _search(folder: Path) -> list[DataFile]:
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place) / name for name in sorted(names) if not name.startswith(".")):
            if path.is_file() and (kind := _kind_of(path, alone=False)):
                files.append(DataFile(path, kind, path.relative_to(folder).as_posix()))
    if not files:
        fix = f"Files of rows end in {_suffixes()}."
        raise CareError("no file of rows in this folder", where=str(folder), fix=fix, code=Exit.USAGE)
    return sorted(files, key=lambda file: file.name)


def _open_named(path: Path) -> DataFile:
    kind = _kind_of(path, alone=True)
    if kind is None:
        known = _suffix_of(path) == ".json"
        what = "one JSON value, not a list of rows or a row a line" if known else "not a file of rows by its name"
        fix = "Take the list of rows out of it." if known else f"Name it by what it is: {_suffixes()}."
        raise CareError(what, where=str(path), fix=fix, code=Exit.USAGE)
    return DataFile(path, kind, path.name)


def _kind_of(path: Path, *, alone: bool) -> str | None:
    """What it is by its suffix, and for .json by its head; None for all else.

    alone: it was named, so an object on its only line is a row; in a folder that is more likely a description.
    """
    suffix = _suffix_of(path)
    kind = KINDS.get(suffix)
    if kind != "json":
        return None if kind in ("parquet", "arrow") and packing_of(path) else kind
    from care_data.datafiles.arrays import sniff_json

    with open_packed(path) as stream:
        head = stream.read(SNIFF)
    return sniff_json(head, alone=alone)


def _suffix_of(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1].removeprefix(".") in PACKINGS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _suffixes() -> str:
    texts = [suffix for suffix, kind in KINDS.items() if kind not in ("parquet", "arrow")]
    others = [suffix for suffix in KINDS if suffix not in texts]
    return f"{', '.join(texts)} (these also with .gz or .zst), {', '.join(others)}"


def _tell_apart(found: list[tuple[DataFile, Path]]) -> list[DataFile]:
    """The files, those of equal names with their folders' names in front; CareError where that does not help."""
    files = [file for file, _ in found]
    names = [file.name for file in files]
    for at, (file, named) in enumerate(found):
        if names.count(file.name) > 1:
            folder = (named if named.is_dir() else named.parent).resolve().name
            files[at] = replace(file, name=f"{folder}/{file.name}" if folder else file.name)
    seen: dict[str, DataFile] = {}
    for file in files:
        if (other := seen.setdefault(file.name, file)) is not file:
            fix = "Rename one, or name the folder that holds both."
            raise CareError(f"{other.path} and {file.path} have one name", where=file.name, fix=fix, code=Exit.USAGE)
    return files


KINDS = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


def _later(module: str, function: str) -> Callable[..., Any]:
    """A function of a module here, imported when it is called: a file is of one format, and most are many modules."""

    def call(*given: Any) -> Any:
        return getattr(import_module(f"{__name__}.{module}"), function)(*given)

    return call


NAMERS: dict[str, Callable[[Path], list[str]]] = {
    "lines": _later("lines", "name_fields"),
    "array": _later("arrays", "name_fields"),
    "csv": _later("tables", "name_csv_fields"),
    "tsv": _later("tables", "name_tsv_fields"),
    "parquet": _later("parquet", "name_fields"),
    "arrow": _later("arrow", "name_fields"),
}

READERS: "dict[str, Callable[[Path, list[str]], Iterator[pl.DataFrame]]]" = {
    "lines": _later("lines", "read_lines"),
    "array": _later("arrays", "read_array"),
    "csv": _later("tables", "read_csv"),
    "tsv": _later("tables", "read_tsv"),
    "parquet": _later("parquet", "read_parquet"),
    "arrow": _later("arrow", "read_arrow"),
}

COPIERS: dict[str, Callable[[Path, Any, Path], None]] = {
    "lines": _later("lines", "copy_lines"),
    "array": _later("arrays", "copy_array"),
    "csv": _later("tables", "copy_csv"),
    "tsv": _later("tables", "copy_tsv"),
    "parquet": _later("parquet", "copy_parquet"),
    "arrow": _later("arrow", "copy_arrow"),
}
