"""Files of records to Arrow tables of text columns: json, jsonl, csv, txt, parquet, arrow."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

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
    "tools": pa.string(),
    "roles": pa.list_(pa.string()),
    "unfit": pa.string(),
    "id": pa.string(),
}
"""Columns of a table of records. tools: what the model may call, as the file has it. roles: of all turns, where one is
`function` or `observation`, else null. unfit: why the record cannot be learned, null where it can.
"""
Rows = list[dict[str, Any]]
Content: TypeAlias = pa.Table | Rows
BLOCK = 1000  # rows that are read at once of a file of text


def read_shard(
    path: Path, columns: dict[str, str], where: str, *, optional: Iterable[str] = (), pairs: bool = False
) -> pa.Table:
    """One file's records with every column of TYPES as text, see `make_table`. where: how errors call the file."""
    return make_table(read_file(path, where), columns, where, optional=optional, pairs=pairs)


def read_file(path: Path, where: str) -> Content:
    """Everything a file holds. Arrow files are mapped into memory, not copied.

    Raises CareError for an unknown type or broken content, with its line or record.
    """
    return join_blocks(read_blocks(path, where))


def read_blocks(path: Path, where: str) -> Iterator[Content]:
    """The same piece by piece, so that memory is bounded by one; a JSON array is read whole."""
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise CareError(f"file type {path.suffix or 'unknown'}", where=where, fix=f"Use one of {', '.join(READERS)}.")
    return read(path, where)


def join_blocks(blocks: Iterable[Content]) -> Content:
    """The blocks of one file as one."""
    whole = list(blocks)
    if whole and isinstance(whole[0], pa.Table):
        return pa.concat_tables(whole)
    return [row for block in whole for row in block]


def make_table(
    content: Content, columns: dict[str, str], where: str, *, optional: Iterable[str] = (), pairs: bool = False
) -> pa.Table:
    """Records with every column of TYPES as text; `history` is a list of lists of text.

    pairs: `response` holds lists of the better and the worse answer, the layout of 2023; they become chosen, rejected.
    columns: our name -> the file's; a missing one raises unless it is `optional`. What is not mapped is null.
    Raises CareError for a missing column (with those present) or a value of another type (with its record).
    """
    if pairs:
        content, columns = _split_pairs(content, columns, where)
    names = list_names(content)
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


def _split_pairs(content: Content, columns: dict[str, str], where: str) -> tuple[Content, dict[str, str]]:
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


def list_names(content: Content) -> list[str]:
    """The columns there are, in order."""
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


def _read_lines(path: Path, where: str) -> Iterator[str]:
    """The lines of a file with their ends, of UTF-8 with or without a mark at the beginning."""
    read = 0
    with path.open("rb") as source:
        for number, line in enumerate(source):
            try:
                yield line.decode("utf-8-sig" if number == 0 else "utf-8")
            except UnicodeDecodeError as error:
                what = f"byte {line[error.start]:#04x} at {read + error.start} is not utf-8"
                raise CareError(what, where=where, fix="Save the file as UTF-8.") from error
            read += len(line)


def _read_json(path: Path, where: str) -> Iterator[Rows]:
    """A JSON array of objects, or, as often under this name, one object a line."""
    first = next((line for line in _read_lines(path, where) if line.strip()), "")
    if not first.lstrip().startswith("["):
        yield from _read_jsonl(path, where)
        return
    try:
        rows = json.loads("".join(_read_lines(path, where)))
    except json.JSONDecodeError as error:
        raise CareError(f"line {error.lineno} is not JSON: {error.msg}", where=where, fix="Mend the file.") from error
    yield list(_check_objects(rows, where))


def _read_jsonl(path: Path, where: str) -> Iterator[Rows]:
    return _gather(_check_objects(_load_lines(path, where), where))


def _load_lines(path: Path, where: str) -> Iterator[Any]:
    for number, line in enumerate(_read_lines(path, where), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise CareError(f"line {number} is not JSON: {error.msg}", where=where, fix="Mend the line.") from error


def _check_objects(rows: Iterable[Any], where: str) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            what = f"record {number} is a {type(row).__name__}, not an object"
            raise CareError(what, where=where, fix='Write {"instruction": …, "output": …} for each record.')
        yield row


def _gather(rows: Iterator[dict[str, Any]]) -> Iterator[Rows]:
    while block := list(islice(rows, BLOCK)):
        yield block


def _read_csv(path: Path, where: str) -> Iterator[Rows]:
    return _gather(_load_csv(path, where))


def _load_csv(path: Path, where: str) -> Iterator[dict[str, Any]]:
    """Comma-separated rows under a header; every row must have as many fields as the header."""
    csv.field_size_limit(1 << 30)
    lines = csv.reader(_read_lines(path, where), strict=True)
    try:
        header = next(lines, [])
        for cells in lines:
            if len(cells) != len(header) and cells:
                what = f"{len(cells)} fields where the header has {len(header)}"
                raise CareError(what, where=f"{where}: line {lines.line_num}", fix="Mend the line.")
            if cells:
                yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise CareError(str(error), where=f"{where}: line {lines.line_num}", fix="Mend the quotes.") from error


def _read_txt(path: Path, where: str) -> Iterator[Rows]:
    return _gather({"text": line.rstrip("\r\n")} for line in _read_lines(path, where) if line.strip())


def _read_parquet(path: Path, where: str) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as source:
            yield source.schema_arrow.empty_table()
            for number in range(source.num_row_groups):
                yield source.read_row_group(number)
    except (pa.ArrowInvalid, OSError) as error:
        raise CareError(f"not a whole Parquet file ({error})", where=where, fix="Fetch or write it again.") from error


def _read_arrow(path: Path, where: str) -> Iterator[pa.Table]:
    """Arrow IPC, both faces: the file format starts with ARROW1, else it is a stream."""
    try:
        source = pa.memory_map(str(path))
        whole = source.read(6) == b"ARROW1"
        source.seek(0)
        yield (pa.ipc.open_file if whole else pa.ipc.open_stream)(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise CareError(f"not a whole Arrow file ({error})", where=where, fix="Fetch or write it again.") from error


READERS: dict[str, Callable[[Path, str], Iterator[Content]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".txt": _read_txt,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
