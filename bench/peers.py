"""The tools that deduplication is measured against, each as its documentation shows it, and the texts each compares.

python bench/peers.py PEER SOURCE TARGET

Reads Parquet with the columns id and text and writes the kept rows as Parquet, as care-data does. Character 5-grams,
128 permutations, threshold 0.8; where the bands are the caller's to choose, 16 of 8 values, which lose one in twenty
pairs at the threshold. All but datatrove are given the texts as they stand.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

SHINGLE, PERMUTATIONS, THRESHOLD, SEED = 5, 128, 0.8, 42
BANDS = 16
_BLOCK = 10_000


def cut(text: str) -> list[str]:
    """The 5-grams of a text, repeats included; of a shorter one itself."""
    return [text[at : at + SHINGLE] for at in range(len(text) - SHINGLE + 1)] or [text]


def keep_by_dupekit(texts: pl.Series, threads: int = 1) -> NDArray[np.bool_]:
    """Its pipeline as marin runs it, then the components of records that share a bucket, of each the first record.

    It ships no components of its own; scipy's are the fastest at hand. A call of it works on one core.
    """
    import dupekit
    import pyarrow as pa
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    step = dupekit.Transformation
    steps = [
        step.CleanText("text", "clean"),
        step.MinHash("clean", "signature", num_perms=PERMUTATIONS, ngram_size=SHINGLE, seed=SEED),
        step.MinHashLSH("signature", "buckets", num_bands=BANDS),
        step.SelectColumns(["buckets"]),
    ]

    def sign(start: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        block = texts[start : start + _BLOCK].to_arrow().cast(pa.string())
        found = dupekit.transform(pa.RecordBatch.from_arrays([block], ["text"]), steps)["buckets"]
        signed = start + np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        return signed, found.flatten().to_numpy().reshape(-1, BANDS)

    total = len(texts)
    with ThreadPoolExecutor(threads) as pool:
        where, keys = map(np.concatenate, zip(*pool.map(sign, range(0, total, _BLOCK)), strict=True))
    edges = [(where[_first_equal(keys[:, band])], where) for band in range(BANDS)]
    one, two = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(one), np.bool_), (one, two)), shape=(total, total))
    _, labels = connected_components(graph, directed=False)
    kept = np.zeros(total, np.bool_)
    kept[np.unique(labels, return_index=True)[1]] = True
    return kept


def keep_by_dupekit_threads(texts: pl.Series) -> NDArray[np.bool_]:
    """The same, with a call on every core at a time: it lets other threads work meanwhile."""
    return keep_by_dupekit(texts, len(os.sched_getaffinity(0)))


def _first_equal(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse]


def keep_by_rensa(texts: pl.Series) -> NDArray[np.bool_]:
    """The way of its README: one deduplicator that is given all records.

    Bands are asked for: by itself it takes 8, is a tenth faster and misses seven times as many pairs.
    """
    from rensa import RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True, num_bands=BANDS)
    return np.array(deduplicator.add_pairs((str(at), cut(text)) for at, text in enumerate(texts)), np.bool_)


def keep_by_rensa_batch(texts: pl.Series) -> NDArray[np.bool_]:
    """Its batch calls: all signatures into the index, all asked; a record goes where an earlier one shares a band."""
    from rensa import RMinHash, RMinHashLSH

    signatures = RMinHash.from_token_sets((cut(text) for text in texts), num_perm=PERMUTATIONS, seed=SEED)
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    index.insert_many(signatures)
    kept = ~np.array(index.query_duplicate_flags(signatures), np.bool_)
    shared = np.flatnonzero(~kept)
    for row, found in zip(shared, index.query_all([signatures[row] for row in shared]), strict=True):
        kept[row] = min(found) == row
    return kept


def keep_by_datasketch(texts: pl.Series) -> NDArray[np.bool_]:
    """Its bulk signatures and an insertion session; a record goes where an earlier one shares a band."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS))
    signatures = MinHash.bulk(([gram.encode() for gram in cut(text)] for text in texts), num_perm=PERMUTATIONS)
    with index.insertion_session() as session:
        for row, signature in enumerate(signatures):
            session.insert(row, signature)
    return np.array([min(index.query(signature)) == row for row, signature in enumerate(signatures)], np.bool_)


def run_datatrove(source: Path, target: Path) -> None:
    """Its four steps, two tasks at a time, with every character a word."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Characters(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return [character for character in text if not character.isspace()]

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    # Its own default, xxhash, fails beside xxhash 4, which takes no str.
    config = MinhashConfig(
        n_grams=SHINGLE,
        num_buckets=BANDS,
        hashes_per_bucket=PERMUTATIONS // BANDS,
        hash_config=HashConfig(hash_fc="sha1"),
    )
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        halves = _halve(source, work / "input")
        steps: list[tuple[int, list[Any]]] = [
            (2, [ParquetReader(halves), MinhashDedupSignature(f"{work}/signatures", config, Characters())]),
            (BANDS, [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)]),
            (1, [MinhashDedupCluster(f"{work}/buckets", f"{work}/removed", config=config)]),
            (2, [ParquetReader(halves), MinhashDedupFilter(f"{work}/removed"), ParquetWriter(f"{work}/kept")]),
        ]
        for number, (tasks, pipeline) in enumerate(steps):
            logs = f"{work}/logs-{number}"
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=min(tasks, 2), logging_dir=logs).run()
        kept = pl.scan_parquet(f"{work}/kept/*.parquet").select(pl.col("id").cast(pl.Int64), "text")
        kept.sink_parquet(target, compression="lz4")


def _halve(source: Path, folder: Path) -> str:
    """Two files of the one, since a task reads whole files; the ids as text, since its writer takes 0 for none."""
    frame = pl.read_parquet(source).with_columns(pl.col("id").cast(pl.String))
    folder.mkdir()
    middle = frame.height // 2
    for name, part in (("0", frame.head(middle)), ("1", frame.slice(middle))):
        part.write_parquet(folder / f"{name}.parquet", compression="lz4")
    return str(folder)


def _filter(decide: Callable[[pl.Series], NDArray[np.bool_]]) -> Callable[[Path, Path], None]:
    def run(source: Path, target: Path) -> None:
        frame = pl.read_parquet(source)
        frame.filter(pl.Series(decide(frame["text"]))).write_parquet(target, compression="lz4")

    return run


PEERS: dict[str, Callable[[Path, Path], None]] = {
    "dupekit": _filter(keep_by_dupekit),
    "dupekit_threads": _filter(keep_by_dupekit_threads),
    "rensa": _filter(keep_by_rensa),
    "rensa_batch": _filter(keep_by_rensa_batch),
    "datasketch": _filter(keep_by_datasketch),
    "datatrove": run_datatrove,
}


def clean_by_dupekit(texts: pl.Series) -> pl.Series:
    """What dupekit makes of texts before it compares them."""
    import dupekit
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays([texts.to_arrow().cast(pa.string())], ["text"])
    return pl.Series(dupekit.transform(batch, [dupekit.Transformation.CleanText("text", "clean")])["clean"].to_pylist())


def clean_by_datatrove(texts: pl.Series) -> pl.Series:
    """What datatrove makes of texts before it compares them."""
    from datatrove.utils.text import simplify_text

    return pl.Series([re.sub(r"\s+", "", simplify_text(text)) for text in texts], dtype=pl.String)


COMPARED: dict[str, Callable[[pl.Series], pl.Series]] = {
    "dupekit": clean_by_dupekit,
    "dupekit_threads": clean_by_dupekit,
    "datatrove": clean_by_datatrove,
}
"""Peer to the texts that it compares, where these are not the texts as they stand."""


if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    PEERS[name](*map(Path, paths))
