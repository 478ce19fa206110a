"""The commands `care-data index`: what is in an index, what is like its records, and making one of its pieces."""

from pathlib import Path
from typing import Annotated

import typer

from care_data.console import print_indexes, print_json, print_table
from care_data.options import Json

indexes = typer.Typer(name="index", help="Indexes of what was kept, that `dedupe --index` makes.", no_args_is_help=True)
IndexFolder = Annotated[Path, typer.Argument(help="The folder of an index, or of indexes by format.")]


@indexes.command("info")
def tell_indexes(folder: IndexFolder, as_json: Json = False) -> None:
    """What is in an index: records of each label, runs, settings, bytes."""
    from care_data.duplicates.index import describe_index, find_indexes

    told = [describe_index(index) for index in find_indexes(folder.expanduser())]
    if as_json:
        print_json({"indexes": told})
    else:
        print_indexes(told)


@indexes.command("query")
def query_indexes(
    folder: IndexFolder,
    file: Annotated[Path, typer.Argument(help="A file of rows to look up.")],
    on: Annotated[
        str, typer.Option(help="Its fields, as --on of dedupe; by default those the index was made on.")
    ] = "",
    threshold: Annotated[
        float | None, typer.Option(help="Jaccard from which a record is named; 0.8 by default.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads to use; all cores by default.")] = None,
    as_json: Json = False,
) -> None:
    """Which records of an index the rows of a file are alike."""
    from care_data.stages.file_deduplication import query_file

    found = query_file(folder.expanduser(), file.expanduser(), on, threshold, workers)
    if as_json:
        print_json({"found": found.to_dicts()})
    else:
        rows = [[str(row), id_, label, f"{share:.3f}"] for row, id_, label, share in found.iter_rows()]
        print_table(["row", "is like", "of", "jaccard"], rows, right={0, 3})
        typer.echo(f"{found['row'].n_unique():,} rows are like {found['id'].n_unique():,} records of the index.")


@indexes.command("compact")
def compact_indexes(folder: IndexFolder, as_json: Json = False) -> None:
    """Make all segments of an index into one, after every file of it was checked: the same answers, sooner."""
    from care_data.duplicates.index import compact_index, describe_index, find_indexes

    told = [describe_index(compact_index(index.folder)) for index in find_indexes(folder.expanduser())]
    if as_json:
        print_json({"indexes": told})
    else:
        print_indexes(told)
