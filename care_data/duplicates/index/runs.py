"""One search, with an index or without: what the stages ask for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from care_data.duplicates.distinct import Advance
from care_data.duplicates.index import Index, hold_index
from care_data.duplicates.index.additions import Addition, commit, search_index
from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import Verdicts, search
from care_data.engines import check_engine
from care_data.errors import CareError, Exit

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Found:
    """Verdicts on the inputs, after those on the records of an index that took part (so many as `known` says).

    starts: of the inputs, in the verdicts' rows. ids, labels: of the index's records.
    """

    verdicts: Verdicts
    known: int
    addition: Addition | None = None

    @property
    def starts(self) -> list[int]:
        """The first row of each input, and the number of all rows."""
        return self.verdicts.starts if self.addition is None else self.verdicts.starts[1:]

    def inputs(self, own: list[Input]) -> list[Input]:
        """The inputs that the verdicts' rows are of: the index's records that took part, then these."""
        return own if self.addition is None else self.addition.inputs

    @property
    def names(self) -> "pl.DataFrame":
        """id and label of the index's records."""
        import polars as pl

        if self.addition is None:
            return pl.DataFrame(schema={"id": pl.String, "label": pl.String})
        return pl.DataFrame({"id": self.addition.ids, "label": self.addition.labels})

    def keep(self, ids: "pl.Series", workers: int | None) -> None:
        """Put the inputs' kept records into the index, under these ids of all their rows, if there is one."""
        if self.addition is not None:
            commit(self.addition, ids, workers)


@contextmanager
def hold(folder: Path | None, rules: Rules, fields: Sequence[Sequence[str]]) -> Iterator[Index | None]:
    """The index of that folder, held until the run is done; None where there is to be none."""
    if folder is None:
        yield None
        return
    with hold_index(folder, rules, fields) as index:
        yield index


def has_run(index: Index | None, run: str) -> bool:
    """Whether nothing of a run is missing in the index."""
    return index is None or index.find_run(run) is not None


def find(
    inputs: Sequence[Input],
    groups: int,
    rules: Rules,
    scratch: Path,
    index: Index | None,
    run: str,
    workers: int | None,
    advance: Advance,
    engine: str = "local",
    address: str | None = None,
) -> Found:
    """The search over the inputs, an index's records before them; engine, address: as of engines.run_tasks."""
    check_engine(engine)
    if engine == "ray":
        from care_data.duplicates.distributed import search_shards

        if index is not None:
            fix = "Leave one of them out."
            raise CareError("--index and --engine ray do not go together", fix=fix, code=Exit.USAGE)
        return Found(search_shards(inputs, groups, rules, workers, advance, address), 0)
    if index is None:
        return Found(search(inputs, groups, rules, scratch, workers, advance), 0)
    addition = search_index(index, inputs, rules, scratch, run, workers, advance)
    return Found(addition.verdicts, addition.verdicts.starts[1], addition)
