"""Rows to records: select, join, parse, shape, number, validate; what does not become a record is set aside.

Every row read is a record or a reject with a reason. Reasons, in the order they are looked for: the reader's
(`bad_encoding`, `bad_json`, `too_long`, `ragged`, `open_quote`, `nesting`), `where`, `unless`, `unique`, `in_<join>`,
`no_<join>`, `no_match` (of parse), the shape's (`one_sided`, `unknown_speaker`), and those of the format's schema.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from care_data import records
from care_data.characters import lacks_letter
from care_data.converters.joins import Partner, beside, holds, prepare
from care_data.converters.patterns import Blank, Hole, add_kind, parse_pattern, read_back
from care_data.converters.shapes import SHAPES, turn_steps
from care_data.entries import Join, Output, check_fields
from care_data.errors import CareError
from care_data.rows import OPTIONS, Batch, Wanted

__all__ = [
    "Converted",
    "Converter",
    "Partner",
    "convert",
    "patterns_of",
    "prepare",
    "require_columns",
    "require_joined",
    "wanted",
]

REJECTS = {"id": pl.String, "reason": pl.String, "detail": pl.String}
_GIVEN = ("_value", "_key", "_file", "_row")


@dataclass
class Converted:
    """Records and rejects of one batch, with their counts.

    read: rows, once for each partner under `take = "all"`; selected: those that no condition, `unique` or join with
    `take = "none"` leaves out, as upstream counts them; dropped: {reason: n}; turns: of dialogues.
    """

    records: pl.DataFrame
    rejects: pl.DataFrame
    read: int
    selected: int
    dropped: Counter[str]
    turns: Counter[str] = field(default_factory=Counter)


def blank_of(output: Output) -> Blank:
    """What counts as blank in an output: nothing but space, or all of it one of its `blank` patterns."""

    def blank(text: pl.Expr) -> pl.Expr:
        gone = lacks_letter(text)
        if output.blank:
            gone = gone | text.str.strip_chars().str.contains(f"^(?s:{'|'.join(output.blank)})$")
        return pl.when(gone).then(None).otherwise(text)

    return blank


def patterns_of(output: Output) -> list[str]:
    """Every pattern of an output that is filled in from the row and its joins."""
    return [*output.fields.values(), *([output.opening] if output.opening else [])]


def wanted(output: Output) -> tuple[Wanted, dict[str, Wanted]]:
    """Columns the output needs of its own file, and of each joined file, with the types its patterns declare."""
    own: Wanted = {}
    others: dict[str, Wanted] = {join.name: {} for join in output.joins}
    made = {hole.places[0][0] for source in output.parse.values() for hole in parse_pattern(source).holes}
    for source in patterns_of(output):
        for hole in parse_pattern(source).holes:
            for place in hole.places:
                if place[0] in others:
                    add_kind(others[str(place[0])], place[1:])
                elif place[0] not in made:
                    add_kind(own, place)
    for steps in turn_steps(output):
        add_kind(own, steps)
    if output.options:
        own[output.options] = OPTIONS
    for name in [*output.where, *output.unless, *output.unique, *output.parse, *(join.on[0] for join in output.joins)]:
        _add_text(own, name)
    for join in output.joins:
        for name in [join.on[1], *join.where]:
            _add_text(others[join.name], name)
    return {name: kind for name, kind in own.items() if name not in ("_file", "_row")}, others


def _add_text(columns: Wanted, name: str) -> None:
    """Note a column that a condition, a key or `parse` takes for text."""
    if columns.setdefault(name, pl.String()) != pl.String:
        raise CareError(f"{name!r} is wanted as text, but a pattern looks inside it", fix="Name a column of text.")


def require_columns(output: Output, names: set[str]) -> None:
    """CareError where a pattern or condition names columns none of which the output's own file has."""
    elsewhere = {join.name for join in output.joins}
    elsewhere |= {str(hole.places[0][0]) for source in output.parse.values() for hole in parse_pattern(source).holes}
    holes = [hole for source in patterns_of(output) for hole in parse_pattern(source).holes]
    if output.turns:
        holes += parse_pattern("{" + output.turns["in"] + "}").holes
    plain = [*output.where, *output.unless, *output.unique, *output.parse, *(join.on[0] for join in output.joins)]
    plain += [output.options] if output.options else []
    holes += [Hole(((name,),), optional=False) for name in plain]
    _require(names | elsewhere, names, holes)


def require_joined(output: Output, join: Join, names: set[str]) -> None:
    """CareError where a pattern or the join names columns none of which the joined file has."""
    holes = [
        Hole(tuple(place[1:] for place in hole.places), hole.optional)
        for source in patterns_of(output)
        for hole in parse_pattern(source).holes
        if all(place[0] == join.name and len(place) > 1 for place in hole.places)
    ]
    _require(names, names, holes + [Hole(((name,),), optional=False) for name in [join.on[1], *join.where]])


def _require(known: set[str], names: set[str], holes: list[Hole]) -> None:
    for hole in holes:
        heads = [str(place[0]) for place in hole.places]
        if not hole.optional and not any(head in known or head in _GIVEN for head in heads):
            shown = ", ".join(sorted(names - set(_GIVEN))) or "no named columns"
            raise CareError(f"no column {' or '.join(map(repr, heads))}", fix=f"The file has: {shown}.")


class Converter:
    """Turns the batches of one output into records; remembers the keys of `unique` from batch to batch."""

    def __init__(self, output: Output, corpus: str, license_id: str, partners: list[Partner]) -> None:
        self.output, self.corpus, self.license_id, self.partners = output, corpus, license_id, partners
        self._blank = blank_of(output)
        self._seen: set[str] = set()
        self._own = wanted(output)[0]

    def convert_all(self, batches: Iterable[Batch], path: str) -> Iterator[Converted]:
        """The batches of one upstream file, converted one by one.

        CareError behind the last where none of them had a column that the output needs: any line of JSON may bring it.
        """
        names: set[str] = set()
        lacking: CareError | None = None
        for batch in batches:
            names |= batch.names
            if lacking is None and (batch.frame.height or not batch.bad):
                lacking = self._find_lacking(batch.names, path, batch.member)
            yield self.convert(batch, path)
        if lacking and self._find_lacking(names, path, None):
            raise lacking

    def _find_lacking(self, names: set[str], path: str, member: str | None) -> CareError | None:
        """The error of a file that lacks a column."""
        try:
            require_columns(self.output, names)
        except CareError as error:
            name = path.rpartition("/")[2]
            return error.within(f"{name}!{member}" if member else name)
        return None

    def convert(self, batch: Batch, path: str) -> Converted:
        """One batch: its records, its rejects and the counts of both."""
        place = f"{self.corpus}/{self.output.name}/{path}" + (f"!{batch.member}" if batch.member else "")
        rejects = [_unreadable(batch, place)]
        rows = batch.frame.with_columns(_file=pl.lit(path))
        read, selected = rows.height + len(batch.bad), rows.height + len(batch.bad)
        for reason, gone in self._unselected(rows):
            rejects.append(self._set_aside(rows.filter(gone), place, reason))
            rows = rows.filter(~gone)
            selected -= rejects[-1].height
        for partner in self.partners:
            before = rows.height
            joined, reason, gone = beside(rows, partner)
            rejects.append(self._set_aside(joined.filter(gone), place, reason))
            rows = joined.filter(~gone)
            read += joined.height - before
            selected += joined.height - before - (rejects[-1].height if partner.join.take == "none" else 0)
        for column, source in self.output.parse.items():
            found = rows.get_column(column).str.extract_groups(read_back(source)).struct.unnest()
            gone = found.select(pl.all_horizontal(pl.all().is_null())).to_series()
            rejects.append(self._set_aside(rows.filter(gone), place, "no_match"))
            rows = rows.with_columns(found.get_columns()).filter(~gone)
        kept, turns = self._shape(rows, place, rejects)
        aside = pl.concat(rejects)
        dropped = Counter(dict(aside.get_column("reason").value_counts().iter_rows()))
        return Converted(kept, aside, read, selected, dropped, turns)

    def _unselected(self, rows: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
        """(reason, mask) one after another; each mask is over the rows left by the one before."""
        if self.output.where:
            gone = ~rows.select(holds(self.output.where)).to_series()
            yield "where", gone
            rows = rows.filter(~gone)
        if self.output.unless:
            gone = rows.select(holds(self.output.unless)).to_series()
            yield "unless", gone
            rows = rows.filter(~gone)
        if self.output.unique:
            yield "unique", self._repeated(rows)

    def _repeated(self, rows: pl.DataFrame) -> pl.Series:
        """Which rows have a key seen before; a row that lacks a part of its key repeats none."""
        parts = [pl.col(name) for name in self.output.unique]
        whole = pl.all_horizontal(part.is_not_null() for part in parts)
        repeated = []
        for key in rows.select(pl.when(whole).then(pl.struct(parts).struct.json_encode())).to_series():
            repeated.append(key in self._seen)
            if key is not None:
                self._seen.add(key)
        return pl.Series(repeated, dtype=pl.Boolean)

    def _shape(self, rows: pl.DataFrame, place: str, rejects: list[pl.DataFrame]) -> tuple[pl.DataFrame, Counter[str]]:
        """Records of the rows; rows that make none are added to the rejects."""
        shaped = SHAPES[self.output.shape](rows, self.output, self._blank)
        extra = self.output.extra
        made = records.fill_defaults(shaped.frame, self.output.format, extra).with_columns(
            id=_ids(rows, place), corpus=pl.lit(self.corpus), license=pl.lit(self.license_id)
        )
        broken = records.violation(self.output.format, made.columns)
        reason = made.select(broken.alias("reason")).to_series()
        reason = shaped.frame.get_column("_reason").zip_with(shaped.frame.get_column("_reason").is_not_null(), reason)
        rejects.append(self._set_aside(rows.filter(reason.is_not_null()), place, reason.drop_nulls()))
        kept = made.filter(reason.is_null())
        return kept, _count_turns(shaped.turns, shaped.frame.with_columns(_reason=reason), kept)

    def _set_aside(self, rows: pl.DataFrame, place: str, reason: str | pl.Series) -> pl.DataFrame:
        """Rows as rejects: id, reason, and what the row held as JSON."""
        detail = pl.struct(list(self._own)).struct.json_encode() if self._own else pl.lit("")
        why = pl.lit(reason) if isinstance(reason, str) else reason.alias("reason")
        return rows.select(id=_ids(rows, place), reason=why, detail=detail)


def _ids(rows: pl.DataFrame, place: str) -> pl.Series:
    rows = rows.select([name for name in ("_row", "_copy") if name in rows.columns]).rechunk()  # else format panics
    number = pl.format("{}#{}", pl.lit(place), pl.col("_row"))
    if "_copy" in rows.columns:
        number = pl.when(pl.col("_copy") > 1).then(pl.format("{}.{}", number, pl.col("_copy"))).otherwise(number)
    return rows.select(number.alias("id")).to_series()


def _unreadable(batch: Batch, place: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"{place}#{bad.row}" for bad in batch.bad],
            "reason": [bad.reason for bad in batch.bad],
            "detail": [f"{bad.detail}: {bad.text}" for bad in batch.bad],
        },
        schema=REJECTS,
    )


def _count_turns(dropped: Counter[str], rows: pl.DataFrame, kept: pl.DataFrame) -> Counter[str]:
    """read = kept + joined + Σ dropped: kept counts what stands in the records, joined what was merged into it."""
    if "_turns" not in rows.columns:
        return Counter()
    turns = Counter(dropped)
    held = int(rows.filter(pl.col("_reason").is_null()).get_column("_turns").sum())
    turns["record_dropped"] = int(rows.filter(pl.col("_reason").is_not_null()).get_column("_turns").sum())
    said = int(kept.get_column("history").list.len().sum()) * 2 + kept.height * (1 if "chosen" in kept.columns else 2)
    if "system" in kept.columns:
        said += int((kept.get_column("system") != "").sum())
    turns["kept"], turns["joined"] = said, held - said
    return +turns


def convert(
    rows: Any,
    shape: str,
    fields: dict[str, str] | None = None,
    *,
    format: str | None = None,
    rejects: str = "raise",
    **options: Any,
) -> pl.DataFrame:
    """Records from rows of your own (a frame, an Arrow table or a list of dictionaries), by the registry's grammar.

    shape and fields as in a registry entry; options: opening, turns, roles, parse, blank, where, unless, unique. The
    format is told by the shape unless given. CareError where rows make no record, unless rejects is "drop".
    """
    frame = rows.collect() if isinstance(rows, pl.LazyFrame) else pl.DataFrame(rows)
    told = {"document": "pt", "pair": "sft", "dialogue": "sft", "preference": "rw"}
    if shape not in told:
        raise CareError(f"no shape named {shape!r}", fix=f"Shapes are: {', '.join(told)}.")
    record_format = format or told[shape]
    if not fields and not options.get("turns"):
        raise CareError("no field is filled", fix='Say how: fields={"instruction": "{question}", …}.')
    check_fields("convert", {"shape": shape, "fields": fields or {}, **options}, record_format, "")
    output = Output(name=record_format, format=record_format, shape=shape, rows="rows", fields=fields or {}, **options)
    names = set(frame.columns)
    if names or frame.height:
        require_columns(output, names)  # an empty list of rows says nothing of columns
    frame = frame.with_columns(_typed(frame, wanted(output)[0])).with_columns(
        _row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32)
    )
    made = Converter(output, "mine", "unknown", []).convert(Batch(frame, [], names), "rows")
    if made.dropped and rejects != "drop":
        told_reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.dropped.items()))
        raise CareError(
            f"{made.dropped.total()} of {made.read} rows make no record: {told_reasons}",
            fix='Pass rejects="drop" to go on.',
        )
    return made.records


def _typed(frame: pl.DataFrame, kinds: Wanted) -> list[pl.Series]:
    """The wanted columns in the types that the patterns declare, null where absent."""
    typed = []
    for name, kind in kinds.items():
        try:
            found = frame.get_column(name) if name in frame.columns else pl.repeat(None, frame.height, eager=True)
            typed.append(found.cast(kind).alias(name))
        except pl.exceptions.PolarsError as error:
            raise CareError(f"column {name!r} is nested otherwise than its pattern says", fix="Mend it.") from error
    return typed
