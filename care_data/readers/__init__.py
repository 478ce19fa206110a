"""Bytes to rows; knows encodings and formats, knows no corpus."""

from collections.abc import Iterator
from pathlib import Path

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.archives import open_members
from care_data.readers.blocks import read_blocks
from care_data.readers.documents import read_docx, read_html
from care_data.readers.lines import read_lines
from care_data.readers.tables import read_csv, read_parquet, read_tsv
from care_data.readers.trees import read_json, read_pickle
from care_data.rows import Bad, Batch, Wanted

MAX_BAD = 0.01
"""Share of rows that may be unreadable before a file counts as not what its entry says."""
FEW_BAD = 10
"""Up to this many unreadable rows are set aside whatever their share, as long as some row is good."""


def read(path: Path, file: File, wanted: Wanted, max_bad: float = MAX_BAD) -> Iterator[Batch]:
    """Batches of the file's rows with the wanted columns, and the rows that could not be read.

    CareError names the file (and member) where it is not what the entry says: the first bad row tells why.
    """
    reader = READERS[file.format]
    name = path.name
    try:
        with open_members(path, file.member, packed=file.format != "docx" or file.member is not None) as members:
            read_well, read_badly, worst = 0, 0, None
            for member, opener in members:
                name = f"{path.name}!{member}" if member else path.name
                good, bad, first = 0, 0, None
                with opener() as stream:
                    for batch in reader(stream, file, wanted):
                        batch.member = member
                        good, bad = good + batch.frame.height, bad + len(batch.bad)
                        first = first or next(iter(batch.bad), None)
                        yield batch
                        if first and good + bad > 1000:
                            _refuse_if_many(good, bad, first, max_bad)
                if first and (bad > 1 or len(members) == 1):  # a member may be a single row
                    _refuse_if_many(good, bad, first, max_bad)
                read_well, read_badly, worst = read_well + good, read_badly + bad, worst or first
            if worst:
                name = path.name
                _refuse_if_many(read_well, read_badly, worst, max_bad)
    except CareError as error:
        if error.where:
            raise
        raise error.within(name) from error


def lacks_member(path: Path, file: File) -> str:
    """Why an archive has no member for the entry's file, its members named; empty where it has one or is no archive.

    CareError where the archive is damaged or refused.
    """
    try:
        with open_members(path, file.member):
            return ""
    except CareError as error:
        if error.code != Exit.DATA:
            raise
        return str(error).rstrip(".")


def _refuse_if_many(good: int, bad: int, first: Bad, max_bad: float) -> None:
    many = bad > FEW_BAD and bad > max_bad * (good + bad)
    if many or not good:
        share = f"{bad} of {good + bad} rows cannot be read; the first, row {first.row}: {first.detail}"
        raise CareError(share, fix="Set encoding or format in the entry, or allow more with --max-bad.")


READERS = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "lines": read_lines,
    "blocks": read_blocks,
    "docx": read_docx,
    "html": read_html,
    "pickle": read_pickle,
    "parquet": read_parquet,
}
