"""The report: what is in a data folder and how it came to be so, as numbers and as one page for a browser."""

from pathlib import Path
from typing import Any

from care_data.errors import CareError
from care_data.reports.funnels import find_funnels
from care_data.reports.scopes import find_scope
from care_data.reports.statistics import gather_numbers
from care_data.store import Store, disk_error, writing


def write_report(names: list[str], store: Store, out: Path | None) -> dict[str, Any]:
    """The numbers of the corpora, groups or release named, by default of all; the page too, where `out` is given.

    Nothing in the data folder is changed. Raises CareError where nothing of a name is there, where a folder cannot
    hold the page, and where another command changes the data folder in the meantime.
    """
    from care_data.reports.page import build_page
    from care_data.reports.specimens import gather_specimens

    try:
        scope = find_scope(names, store)
        funnels = find_funnels(scope)
        numbers = gather_numbers(scope, funnels)
        page = build_page(numbers, gather_specimens(scope, funnels)) if out else ""
    except FileNotFoundError as error:
        fix = "Another command is at work there: run again when it is done."
        raise CareError(
            "a file of the data folder has gone", where=str(error.filename or store.root), fix=fix
        ) from error
    if out:
        _write(out, page)
    return numbers


def _write(out: Path, page: str) -> None:
    if out.is_dir():
        raise CareError("is a folder", where=str(out), fix="Name a file for the report with --out.")
    try:
        with writing(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise disk_error(error, out) from error
