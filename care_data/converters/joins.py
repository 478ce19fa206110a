"""Rows of several files side by side, by key; selections by condition."""

from dataclasses import dataclass

import polars as pl

from care_data.entries import Join
from care_data.errors import CareError


@dataclass(frozen=True)
class Partner:
    """The right side of a join in memory: its rows, the key in `_key_there`, other columns named `join.column`."""

    join: Join
    frame: pl.DataFrame


def holds(conditions: dict[str, str]) -> pl.Expr:
    """True where every column's whole text matches its regular expression; dot matches line breaks."""
    return pl.all_horizontal(
        [
            pl.col(name).cast(pl.String).str.contains(f"^(?s:{regex})$").fill_null(False)
            for name, regex in conditions.items()
        ]
    )


def prepare(join: Join, frame: pl.DataFrame) -> Partner:
    """The other file's rows ready to be joined: filtered, keyed, and unique where one partner is promised."""
    if join.where:
        frame = frame.filter(holds(join.where))
    if frame.height and frame.get_column(join.on[1]).is_null().all():
        raise CareError(
            f"no row of {join.file!r} has a {join.on[1]!r}", where=f"join.{join.name}", fix="Mend `on` in the entry."
        )
    key = pl.col(join.on[1]).cast(pl.String).alias("_key_there")
    frame = frame.filter(pl.col(join.on[1]).is_not_null())
    if join.take == "one" and (twice := frame.filter(pl.col(join.on[1]).is_duplicated())).height:
        example = twice.get_column(join.on[1])[0]
        raise CareError(
            f"{join.on[1]} = {example!r} stands in several rows of {join.file!r}",
            where=f"join.{join.name}",
            fix='Set take = "first" or "all" on the join.',
        )
    if join.take in ("first", "none"):
        frame = frame.unique(subset=join.on[1], keep="first", maintain_order=True)
    columns = [pl.col(name).alias(f"{join.name}.{name}") for name in frame.columns if name != "_row"]
    return Partner(join, frame.select(key, *columns))


def beside(rows: pl.DataFrame, partner: Partner) -> tuple[pl.DataFrame, str, pl.Series]:
    """(rows with the partner's columns, reason, which rows go for that reason).

    The reason is `no_<join>` for a row without a partner, and `in_<join>` for one with a partner where `take` is none.
    A row with several partners under `take = "all"` comes once for each, numbered from 2 in `_copy`.
    """
    join = partner.join
    here = rows.with_columns(pl.col(join.on[0]).cast(pl.String).alias("_key_here"))
    if join.take == "none":
        known = here.get_column("_key_here").is_in(partner.frame.get_column("_key_there").implode())
        return rows, f"in_{join.name}", known.fill_null(False)
    found = partner.frame.with_columns(_found=pl.lit(True))
    joined = here.join(found, left_on="_key_here", right_on="_key_there", how="left", maintain_order="left_right")
    missing = joined.get_column("_found").is_null()
    if join.take == "all":
        joined = joined.with_columns(_copy=pl.int_range(1, pl.len() + 1).over("_row"))
    return joined.drop("_key_here", "_found"), f"no_{join.name}", missing
