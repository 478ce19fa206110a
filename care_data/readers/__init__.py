"""Bytes to rows; knows encodings and formats, knows no corpus."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.archives import open_members
from care_data.readers.blocks import read_blocks
from care_data.readers.documents import read_docx, read_html
from care_data.readers.lines import read_lines
from care_data.readers.tables import read_csv, read_parquet, read_tsv
from care_data.readers.trees import read_json, read_pickle
from care_data.rows import MAX_BAD, Batch, Wanted

FEW_BAD = 10
"""Up to this many unreadable rows are set aside whatever their share, if some row is good and the share is not zero."""
SHOWN, SHOWN_CHARS = 10, 60
"""Unreadable rows that an error shows, and characters of each."""


def read(path: Path, file: File, wanted: Wanted, max_bad: float = MAX_BAD) -> Iterator[Batch]:
    """Batches of the file's rows with the wanted columns, and the rows that could not be read.

    CareError names the file (and member) where it is not what the entry says: the first bad row tells why.
    """
    reader = READERS[file.format]
    name = path.name
    try:
        with open_members(path, file.member, packed=file.format != "docx" or file.member is not None) as members:
            whole = _Tally()
            for member, opener in members:
                name = f"{path.name}!{member}" if member else path.name
                tally = _Tally()
                with opener() as stream:
                    for batch in reader(stream, file, wanted):
                        batch.member = member
                        tally.add(batch)
                        yield batch
                        if tally.good + tally.bad > 1000:
                            _refuse_if_many(tally, max_bad)
                if tally.bad > 1 or len(members) == 1:  # a member may be a single row
                    _refuse_if_many(tally, max_bad)
                whole.join(tally, f"{member}, " if member else "")
            name = path.name
            _refuse_if_many(whole, max_bad)
    except CareError as error:
        if error.where:
            raise
        raise error.within(name) from error


@dataclass
class _Tally:
    """How many rows could be read and how many not; the first of these, described and where they stand."""

    good: int = 0
    bad: int = 0
    first: str = ""
    told: list[str] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Count a batch in."""
        self.good, self.bad = self.good + batch.frame.height, self.bad + len(batch.bad)
        for bad in batch.bad[: SHOWN - len(self.told)]:
            self.first = self.first or f"row {bad.row}: {bad.detail}"
            text = bad.text.strip()
            head = text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
            self.told.append(f"row {bad.row}: {bad.reason}: {bad.detail}" + (f": {head}" if head else ""))

    def join(self, other: "_Tally", place: str) -> None:
        """Count in what was counted elsewhere."""
        self.good, self.bad, self.first = self.good + other.good, self.bad + other.bad, self.first or other.first
        self.told += [place + told for told in other.told[: SHOWN - len(self.told)]]


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


def _refuse_if_many(tally: _Tally, max_bad: float) -> None:
    many = tally.bad > (FEW_BAD if max_bad else 0) and tally.bad > max_bad * (tally.good + tally.bad)
    if many or (tally.bad and not tally.good):
        rows = tally.good + tally.bad
        share = f"{tally.bad} of {rows} rows cannot be read ({tally.bad / rows:.1%}); the first, {tally.first}"
        fix = "Set encoding or format in the entry, or allow more with --max-bad."
        raise CareError(share, fix=fix, details=tuple(tally.told))


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
