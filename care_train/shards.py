"""Files of records to Arrow tables of text columns: json, jsonl, csv, txt, parquet, arrow."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from care_train.errors import CareError

TYPES = {
    "text": pa.string(),
    "prompt": pa.string(),
    "query": pa.string(),
    "response": pa.string(),
    "chosen": pa.string(),
    "rejected": pa.string(),
    "history": pa.list_(pa.list_(pa.string())),
    "system": pa.string(),
    "id": pa.string(),
}
Rows = list[dict[str, Any]]


def read_shard(
    path: Path, columns: dict[str, str], where: str, *, optional: Iterable[str] = (), pairs: bool = False
) -> pa.Table:
    """One file's records with every column of TYPES as text; `history` is a list of lists of text.

    pairs: `response` holds lists of the better and the worse answer, the layout of 2023; they become chosen, rejected.
    columns: our name -> the file's; a missing one raises unless it is `optional`. What is not mapped is null. Arrow
    files are mapped into memory, not copied. where: how errors call the file.
    Raises CareError for an unknown type, broken content (with its row) or a missing column (with those present).
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise CareError(f"file type {path.suffix or 'unknown'}", where=where, fix=f"Use one of {', '.join(READERS)}.")
    content = read(path, where)
    if pairs:
        content, columns = _split_pairs(content, columns, where)
    names = _list_names(content)
    arrays = {}
    for ours, kind in TYPES.items():
        theirs = columns.get(ours, "")
        if theirs in names:
            arrays[ours] = (
                _cast_column(content.column(theirs), kind, theirs, where)
                if isinstance(content, pa.Table)
                else _build_column([row.get(theirs) for row in content], kind, theirs, where)
            )
            continue
        if theirs and ours not in optional:
            fix = f"Columns are: {', '.join(names) or 'none'}. Set `columns` in dataset_info.json."
            raise CareError(f"no column {theirs} for {ours}", where=where, fix=fix)
        arrays[ours] = pa.nulls(len(content), kind)
    return pa.table(arrays)


def _split_pairs(
    content: "pa.Table | Rows", columns: dict[str, str], where: str
) -> "tuple[pa.Table | Rows, dict[str, str]]":
    """The content with a column for each of two answers; further ones of a list are left out."""
    theirs = columns["response"]
    rows = content.to_pylist() if isinstance(content, pa.Table) else content
    for number, row in enumerate(rows, 1):
        pair = row.get(theirs)
        if not isinstance(pair, list) or len(pair) < 2:
            fix = "Write [better, worse], or map columns chosen and rejected."
            raise CareError(f"{theirs} is no pair of answers", where=f"{where}: record {number}", fix=fix)
    split = [{**row, "chosen": row[theirs][0], "rejected": row[theirs][1]} for row in rows]
    mapped = {name: column for name, column in columns.items() if name != "response"}
    return split, {**mapped, "chosen": "chosen", "rejected": "rejected"}


def _list_names(content: "pa.Table | Rows") -> list[str]:
    if isinstance(content, pa.Table):
        return list(content.column_names)
    return list(dict.fromkeys(name for row in content for name in row))


def _cast_column(column: pa.ChunkedArray, kind: pa.DataType, name: str, where: str) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    textual = pa.types.is_string(kind) and not (
        pa.types.is_large_string(column.type)
        or pa.types.is_string_view(column.type)
        or pa.types.is_dictionary(column.type)
        or pa.types.is_null(column.type)
    )
    try:
        if textual:
            raise pa.ArrowInvalid("not text")
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fix = f"It must be {kind}; map another column or convert the file."
        raise CareError(f"column {name} is {column.type}", where=where, fix=fix) from error


def _build_column(values: list[Any], kind: pa.DataType, name: str, where: str) -> pa.Array:
    try:
        return pa.array(values, type=kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for number, value in enumerate(values, 1):
            try:
                pa.array([value], type=kind)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                what, place = f"{name} is a {type(value).__name__}, not {kind}", f"{where}: record {number}"
                raise CareError(what, where=place, fix="Mend the record or map `columns`.") from error
        raise


def _read_text(path: Path, where: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"byte {error.object[error.start]:#04x} at {error.start} is not utf-8"
        raise CareError(what, where=where, fix="Save the file as UTF-8.") from error


def _read_json(path: Path, where: str) -> Rows:
    """A JSON array of objects, or, as often under this name, one object a line."""
    text = _read_text(path, where)
    if not text.lstrip().startswith("["):
        return _read_objects(text, where)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise CareError(f"line {error.lineno} is not JSON: {error.msg}", where=where, fix="Mend the file.") from error
    return _check_objects(rows, where)


def _read_jsonl(path: Path, where: str) -> Rows:
    return _read_objects(_read_text(path, where), where)


def _read_objects(text: str, where: str) -> Rows:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise CareError(f"line {number} is not JSON: {error.msg}", where=where, fix="Mend the line.") from error
    return _check_objects(rows, where)


def _check_objects(rows: Iterable[Any], where: str) -> Rows:
    out: Rows = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            what = f"record {number} is a {type(row).__name__}, not an object"
            raise CareError(what, where=where, fix='Write {"instruction": …, "output": …} for each record.')
        out.append(row)
    return out


def _read_csv(path: Path, where: str) -> Rows:
    """Comma-separated rows under a header; every row must have as many fields as the header."""
    csv.field_size_limit(1 << 30)
    lines = csv.reader(_read_text(path, where).splitlines(keepends=True), strict=True)
    rows: Rows = []
    try:
        header = next(lines, [])
        for cells in lines:
            if len(cells) != len(header) and cells:
                what = f"{len(cells)} fields where the header has {len(header)}"
                raise CareError(what, where=f"{where}: line {lines.line_num}", fix="Mend the line.")
            if cells:
                rows.append(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise CareError(str(error), where=f"{where}: line {lines.line_num}", fix="Mend the quotes.") from error
    return rows


def _read_txt(path: Path, where: str) -> Rows:
    return [{"text": line} for line in _read_text(path, where).splitlines() if line.strip()]


def _read_parquet(path: Path, where: str) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise CareError(f"not a whole Parquet file ({error})", where=where, fix="Fetch or write it again.") from error


def _read_arrow(path: Path, where: str) -> pa.Table:
    """Arrow IPC, both faces: the file format starts with ARROW1, else it is a stream."""
    try:
        source = pa.memory_map(str(path))
        whole = source.read(6) == b"ARROW1"
        source.seek(0)
        return (pa.ipc.open_file if whole else pa.ipc.open_stream)(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise CareError(f"not a whole Arrow file ({error})", where=where, fix="Fetch or write it again.") from error


READERS: dict[str, Callable[[Path, str], pa.Table | Rows]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".txt": _read_txt,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
