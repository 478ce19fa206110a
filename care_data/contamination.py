"""Which training records hold items of a test set: their question word for word, in long runs of words, or nearly.

An item is a question, with options where it has any. A record is its turns: each thing asked and each thing answered.
Four findings, the first that fits counts:
- exact_benchmark: a turn is the question, but for spaces, case and punctuation.
- options_benchmark: the question, whatever its length, and all its options stand in the record, in any order.
- overlaps_benchmark: at least half of the question's runs of 13 tokens (Han characters or words) stand in the record.
  Runs that many questions have in common ("which of the following statements …") say nothing and are not counted.
- near_benchmark: a turn is as near to the question, or to question and options, as near duplicates are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from care_data.fingerprints.bands import Plan, meet
from care_data.fingerprints.normalisation import Texts, compose, pack, take
from care_data.fingerprints.shingles import fold, shingle
from care_data.fingerprints.signatures import PERMUTATIONS, blank, sign
from care_data.fingerprints.tokens import Sieve, runs, tokenise
from care_data.fingerprints.verification import jaccard

RUN = 13
"""Tokens of a run; shorter questions are looked for whole."""
SHARE = 0.5
"""Of a question's runs, from which it is in a record."""
COMMON = 4
"""Items that have a run, or a short question, in common: with more than these it is a phrase, not an item's own."""
REASONS = ("exact_benchmark", "options_benchmark", "overlaps_benchmark", "near_benchmark")

_FOUND = {"record": pl.Int64, "item": pl.Int64, "reason": pl.Int64, "share": pl.Float64}


@dataclass(frozen=True)
class Items:
    """The items of all test sets. names: an id each; questions; options: the texts of each item's options."""

    names: pl.Series
    questions: pl.Series
    options: pl.Series

    def __len__(self) -> int:
        return len(self.names)


def gather_items(frames: Sequence[pl.DataFrame]) -> Items:
    """Items of frames with columns id and question and, maybe, options (texts, or structs with a text)."""
    whole = pl.concat([frame.select("id", "question", _options(frame)) for frame in frames])
    whole = whole.filter(pl.col("question").fill_null("").str.strip_chars() != "")
    return Items(whole["id"], compose(whole["question"]), whole["options"])


def _options(frame: pl.DataFrame) -> pl.Expr:
    kind = frame.schema.get("options")
    if not isinstance(kind, pl.List):
        return pl.lit([], pl.List(pl.String)).alias("options")
    text = pl.element().struct.field("text") if isinstance(kind.inner, pl.Struct) else pl.element().cast(pl.String)
    return pl.col("options").list.eval(text).list.drop_nulls().alias("options")


class Detector:
    """Finds items in records. threshold: the Jaccard of 5-grams from which a turn is near a question."""

    def __init__(self, items: Items, bands: Plan, threshold: float) -> None:
        self._items, self._bands, self._threshold = items, bands, threshold
        keys, digests, _ = fold(pack(items.questions))
        numbers = np.arange(len(items))
        self._exact = _rare(pl.DataFrame({"one": digests[:, 0], "two": digests[:, 1], "item": numbers}), ["one", "two"])
        tokens, starts = tokenise(pack(items.questions))
        sizes = np.diff(starts)
        self._runs = {
            length: _index(tokens, starts, length, sizes >= RUN if length == RUN else sizes == length)
            for length in sorted({min(int(size), RUN) for size in sizes} - {0})
        }
        self._sieves = {length: Sieve(index["run"].to_numpy()) for length, index in self._runs.items()}
        self._parts = [_keys_of(options) for options in items.options]
        asked = items.questions + "\n" + items.options.list.join("\n")
        self._near = [keys, fold(pack(compose(asked)))[0]]
        self._signatures = np.concatenate([_sign(each) for each in self._near])

    def find(self, turns: pl.Series) -> pl.DataFrame:
        """What is found in records, each a list of its turns: record (its number), item (its name), reason, share.

        A line a record, in order. share: of the question's runs, or the Jaccard; 1 for the other findings.
        """
        owners = np.repeat(np.arange(len(turns)), turns.list.len().fill_null(0).to_numpy())
        texts = compose(turns.filter(turns.list.len() > 0).explode())
        if not len(texts) or not len(self._items):
            return self._name(pl.DataFrame(schema=_FOUND))
        keys, digests, _ = fold(pack(texts))
        tokens, starts = tokenise(pack(texts))
        found = [self._find_equal(digests, owners)]
        for length, index in self._runs.items():
            hashes, ends = runs(tokens, starts, length)
            places = np.flatnonzero(self._sieves[length].holds(hashes))
            turn = np.searchsorted(ends, places, side="right") - 1
            met = pl.DataFrame({"run": hashes[places], "record": owners[turn]}).unique().join(index, on="run")
            found.append(_overlaps(met) if length == RUN else self._find_parts(met, keys, owners))
        found.append(self._find_near(keys, owners))
        return self._name(pl.concat(found))

    def _name(self, found: pl.DataFrame) -> pl.DataFrame:
        """One finding a record: the plainest, then that of the largest share."""
        first = found.sort("record", "reason", -pl.col("share"), "item").unique(
            "record", keep="first", maintain_order=True
        )
        return first.select(
            "record",
            self._items.names.gather(first["item"]).alias("item"),
            pl.Series("reason", REASONS, pl.String).gather(first["reason"]),
            "share",
        )

    def _find_equal(self, digests: NDArray[np.uint64], owners: NDArray[np.int64]) -> pl.DataFrame:
        turns = pl.DataFrame({"one": digests[:, 0], "two": digests[:, 1], "record": owners})
        return _told(turns.join(self._exact, on=["one", "two"]), 0)

    def _find_parts(self, met: pl.DataFrame, keys: Texts, owners: NDArray[np.int64]) -> pl.DataFrame:
        """Records with a short question in them that hold all of its options too."""
        pairs = met.select("record", "item").unique().sort("record", "item")
        pairs = pairs.filter(pl.Series([bool(self._parts[item]) for item in pairs["item"]], dtype=pl.Boolean))
        held = [
            all(part in b"\n".join(_bytes_of(keys, np.flatnonzero(owners == record))) for part in self._parts[item])
            for record, item in pairs.iter_rows()
        ]
        return _told(pairs.filter(pl.Series(held, dtype=pl.Boolean)), 1)

    def _find_near(self, keys: Texts, owners: NDArray[np.int64]) -> pl.DataFrame:
        one, turn = meet(self._signatures, _sign(keys), self._bands)
        shares = np.zeros(len(one))
        for number, own in enumerate(self._near):
            here = np.flatnonzero(one // len(self._items) == number)
            items, places = np.unique(one[here] % len(self._items), return_inverse=True)
            turns, seats = np.unique(turn[here], return_inverse=True)
            pooled = _pool(take(own, items), take(keys, turns))
            shares[here] = jaccard(*shingle(pooled), places, seats + len(items))
        near = shares >= self._threshold
        pairs = {"record": owners[turn[near]], "item": one[near] % len(self._items), "share": shares[near]}
        return _told(pl.DataFrame(pairs), 3)


def _rare(index: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The lines whose key few items have."""
    return index.unique().filter(pl.col("item").n_unique().over(keys) <= COMMON)


def _index(
    tokens: NDArray[np.uint64], starts: NDArray[np.int64], length: int, chosen: NDArray[np.bool_]
) -> pl.DataFrame:
    """run, item, total: the runs of the chosen items that few have in common, and how many each item has."""
    hashes, ends = runs(tokens, starts, length)
    items = np.repeat(np.arange(len(chosen)), np.diff(ends))
    index = pl.DataFrame({"run": hashes, "item": items}).filter(pl.Series(chosen[items]))
    return _rare(index, ["run"]).with_columns(total=pl.len().over("item"))


def _overlaps(met: pl.DataFrame) -> pl.DataFrame:
    """Records that hold enough of an item's runs."""
    shares = met.group_by("record", "item").agg(share=pl.col("run").n_unique() / pl.col("total").first())
    return _told(shares.filter(pl.col("share") >= SHARE), 2)


def _told(pairs: pl.DataFrame, reason: int) -> pl.DataFrame:
    share = pl.col("share") if "share" in pairs.columns else pl.lit(1.0)
    return pairs.select(
        pl.col("record").cast(pl.Int64),
        pl.col("item").cast(pl.Int64),
        pl.lit(reason, pl.Int64).alias("reason"),
        share.alias("share"),
    )


def _sign(keys: Texts) -> NDArray[np.uint32]:
    signatures = blank(len(keys), PERMUTATIONS)
    sign(*shingle(keys, bits=32), signatures)
    return signatures


def _pool(one: Texts, two: Texts) -> Texts:
    """The texts of both, one after the other."""
    data = np.concatenate([one.data[: one.offsets[-1]], two.data[: two.offsets[-1]]])
    return Texts(data, np.concatenate([one.offsets, two.offsets[1:] + one.offsets[-1]]))


def _keys_of(options: pl.Series) -> list[bytes]:
    """The keys of some options, as UTF-8; what has none is left out."""
    keys = fold(pack(compose(options)))[0]
    return [key for key in _bytes_of(keys, np.arange(len(keys))) if key]


def _bytes_of(keys: Texts, rows: NDArray[np.int64]) -> list[bytes]:
    return [keys.data[keys.offsets[row] : keys.offsets[row + 1]].tobytes() for row in rows]
