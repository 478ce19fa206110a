"""Text whose rows are lines."""

from collections.abc import Iterator
from typing import BinaryIO

from care_data.entries import File
from care_data.readers.encodings import decode_lines
from care_data.readers.streams import reason_of
from care_data.rows import Batch, Collector, Wanted


def read_lines(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row per line, blank lines too; the line is `_value`."""
    rows = Collector(wanted, names={"_value"})
    for _offset, line, problem in decode_lines(stream, file.encoding):
        if problem:
            rows.add_bad(reason_of(problem), problem, line)
        else:
            rows.add([line if name == "_value" else None for name in wanted], len(line))
        if rows.full:
            yield rows.take()
    yield rows.take()
