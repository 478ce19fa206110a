"""Which training records hold items of a test set: their question word for word, in long runs of words, or nearly.

An item is a question, with options where it has any. A record is its turns: each thing asked and each thing answered.
A token is a Han character or a word. Four findings, the first that fits counts:
- exact_benchmark: a turn is the question, but for spaces, case and punctuation.
- options_benchmark: all options stand in the record, in any order, and with them the question: word for word, or of 10
  tokens and more at least 2 in 5 of its runs of 4, close together.
- overlaps_benchmark: of a question of 26 tokens and more at least half of its runs of 13 stand in the record, or 0.65
  of its runs of 4 close together, which words exchanged and clauses moved leave. Of a shorter one 0.8 of its runs of 4:
  what differs may be what it asks about, the same of another disease. Of 10 to 12 tokens without options, all.
- near_benchmark: a turn is as near to the question, or to question and options, as near duplicates are.
Runs that many questions have in common ("which of the following statements …") say nothing and are not counted.
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

RUN, PIECE = 13, 4
"""Tokens of a long and of a short run."""
WHOLE = 10
"""Tokens from which a question inside a turn is told without its options, or nearly with them."""
HALF, MANY, MOST, PART = 0.5, 0.65, 0.8, 0.4
"""Of its runs, what a record must hold: of a long question's long and short ones, of a shorter question's, of one that
stands there with its options.
"""
COMMON, COMMON_PIECE = 4, 8
"""Items that may have a long run, or a short one, in common: with more it is a phrase, and no item's own."""
REASONS = ("exact_benchmark", "options_benchmark", "overlaps_benchmark", "near_benchmark")

_PAIRS = {"record": pl.Int64, "item": pl.Int64, "share": pl.Float64}
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
        exact = pl.DataFrame({"one": digests[:, 0], "two": digests[:, 1], "item": numbers})
        self._exact = _rare(exact, ["one", "two"], COMMON)
        tokens, starts = tokenise(pack(items.questions))
        sizes = np.diff(starts)
        self._whole = [
            _Runs(tokens, starts, int(length), sizes == length, COMMON)
            for length in np.unique(sizes[(sizes > 0) & (sizes < RUN)])
        ]
        self._long = _Runs(tokens, starts, RUN, sizes >= 2 * RUN, COMMON)
        self._pieces = _Runs(tokens, starts, PIECE, sizes >= WHOLE, COMMON_PIECE)
        self._parts = [_keys_of(options) for options in items.options]
        alone = (sizes >= WHOLE) & (items.options.list.len() == 0).to_numpy()
        self._told = pl.Series(np.flatnonzero(alone))
        asked = items.questions + "\n" + items.options.list.join("\n")
        self._near = [keys, fold(pack(compose(asked)))[0]]
        self._signatures = np.concatenate([_sign(each) for each in self._near])

    def find(self, turns: pl.Series) -> pl.DataFrame:
        """What is found in records, each a list of its turns: record (its number), item (its name), reason, share.

        A line a record, in order. share: of the question's runs, or the Jaccard; 1 where it is word for word.
        """
        owners = np.repeat(np.arange(len(turns)), turns.list.len().fill_null(0).to_numpy())
        texts = compose(turns.filter(turns.list.len() > 0).explode())
        if not len(texts) or not len(self._items):
            return self._name(pl.DataFrame(schema=_FOUND))
        keys, digests, _ = fold(pack(texts))
        tokens, starts = tokenise(pack(texts))
        long = _shares(self._long.meet(tokens, starts, owners), "record").filter(pl.col("share") >= HALF)
        whole = [_shares(each.meet(tokens, starts, owners), "record") for each in self._whole]
        entire = pl.concat([pl.DataFrame(schema=_PAIRS), *(pairs.select(*_PAIRS) for pairs in whole)])
        parts = _stretches(self._pieces.meet(tokens, starts, owners), self._pieces.totals)
        due = pl.when(pl.col("size") < 2 * RUN).then(MOST).otherwise(MANY)
        much = parts.filter((pl.col("size") >= RUN) & (pl.col("share") >= due))
        told = entire.filter(pl.col("item").is_in(self._told.implode()))
        found = [
            _told(self._find_equal(digests, owners), 0),
            _told(self._with_options(pl.concat([entire, parts.select(*_PAIRS)]), keys, owners), 1),
            *(_told(pairs, 2) for pairs in (long, much, told)),
            _told(self._find_near(keys, owners), 3),
        ]
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
        return turns.join(self._exact, on=["one", "two"]).with_columns(share=1.0)

    def _with_options(self, pairs: pl.DataFrame, keys: Texts, owners: NDArray[np.int64]) -> pl.DataFrame:
        """The pairs whose record holds all of the item's options too."""
        pairs = pairs.filter(pl.Series([bool(self._parts[item]) for item in pairs["item"]], dtype=pl.Boolean))
        pairs = pairs.sort("record", "item")
        held, last, text = [], -1, b""
        for record, item in pairs.select("record", "item").iter_rows():
            if record != last:
                turns = np.arange(*np.searchsorted(owners, [record, record + 1]))
                last, text = record, b"\n".join(_bytes_of(keys, turns))
            held.append(all(part in text for part in self._parts[item]))
        return pairs.filter(pl.Series(held, dtype=pl.Boolean))

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
        return pl.DataFrame(pairs)


def _rare(index: pl.DataFrame, keys: list[str], common: int) -> pl.DataFrame:
    """The lines whose key few items have."""
    return index.unique().filter(pl.col("item").n_unique().over(keys) <= common)


class _Runs:
    """The runs of `length` tokens of the chosen items, without those that more than `common` have; finds them in texts.

    An item that has hardly a run of its own is left out.
    """

    def __init__(
        self, tokens: NDArray[np.uint64], starts: NDArray[np.int64], length: int, chosen: NDArray[np.bool_], common: int
    ) -> None:
        hashes, ends = runs(tokens, starts, length)
        items = np.repeat(np.arange(len(chosen)), np.diff(ends))
        index = pl.DataFrame({"run": hashes, "item": items}).filter(pl.Series(chosen[items])).unique()
        index = index.with_columns(
            all=pl.len().over("item"), size=pl.lit(pl.Series(np.diff(starts))).gather(pl.col("item"))
        )
        index = _rare(index, ["run"], common).with_columns(total=pl.len().over("item"))
        self._index = index.filter(pl.col("total") >= pl.col("all") * HALF).drop("all")
        self._length, self._sieve = length, Sieve(self._index["run"].to_numpy())
        self.totals = np.bincount(self._index["item"].to_numpy(), minlength=len(chosen))

    def meet(self, tokens: NDArray[np.uint64], starts: NDArray[np.int64], owners: NDArray[np.int64]) -> pl.DataFrame:
        """Where they stand in turns: record, turn, place (of the first token), run, item, its size and its runs."""
        hashes, ends = runs(tokens, starts, self._length)
        places = np.flatnonzero(self._sieve.holds(hashes))
        turn = np.searchsorted(ends, places, side="right") - 1
        met = {"record": owners[turn], "turn": turn, "place": places - ends[turn], "run": hashes[places]}
        return pl.DataFrame(met).join(self._index, on="run")


def _shares(met: pl.DataFrame, *among: str) -> pl.DataFrame:
    """Of each item's runs, the share that stand in one record, turn or stretch."""
    own = ["record", *(name for name in among if name != "record"), "item"]
    found = met.unique([*own, "run"]).group_by(own)
    return found.agg(share=pl.len() / pl.col("total").first(), size=pl.col("size").first())


def _stretches(met: pl.DataFrame, totals: NDArray[np.int64]) -> pl.DataFrame:
    """The largest share of each item's runs that stand together in a record: within two to four times its size."""
    pairs = met["turn"].to_numpy() << 32 | met["item"].to_numpy()
    each, counts = np.unique(pairs, return_counts=True)  # polars takes ten times as long to group as many small groups
    often = np.append(each[counts >= PART * totals[each & 0xFFFFFFFF]], np.iinfo(np.int64).max)
    met = met.filter(pl.Series(often[np.searchsorted(often, pairs)] == pairs))
    width = 2 ** (2 * pl.col("size")).log(2).ceil().cast(pl.Int64)
    first, second = pl.col("place") // width, (pl.col("place") + width // 2) // width
    both = pl.concat([met.with_columns(stretch=2 * first), met.with_columns(stretch=2 * second + 1)])
    return _shares(both, "turn", "stretch").filter(pl.col("share") >= PART)


def _told(pairs: pl.DataFrame, reason: int) -> pl.DataFrame:
    numbers = (pl.col(name).cast(pl.Int64) for name in ("record", "item"))
    return pairs.select(*numbers, pl.lit(reason, pl.Int64).alias("reason"), "share")


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
