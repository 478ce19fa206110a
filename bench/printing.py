"""Markdown tables, row by row."""

MEBI = 2**20


def print_head(names: list[str]) -> None:
    """The names of the columns and the line below them."""
    print_row(names)
    print_row(["---"] * len(names))


def print_row(cells: list[str]) -> None:
    """A row of a Markdown table, shown at once."""
    print(f"| {' | '.join(cells)} |", flush=True)
