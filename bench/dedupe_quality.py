"""What deduplication leaves and wrongly removes: ours and other tools held to the exact truth, in one table.

python bench/dedupe_quality.py INPUT [--rows 20k,100k] [--peers datasketch,rensa] [--same-texts]

Each tool is judged by the exact Jaccard of the texts that it compares: those of the file, or what it makes of them
first (ours and dupekit drop punctuation, datatrove more than that). So none is blamed for another's idea of a text,
and the number of pairs differs from row to row. --same-texts gives all tools texts in our normal form instead: one
truth for all.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from dedupe import listed, parse_rows, run_care, run_peer
from measure import describe_machine
from peers import COMPARED, THRESHOLD
from printing import print_head, print_row
from truth import Truth, find_pairs, judge, normalise
from workbench import Workbench

OURS: dict[str, list[str]] = {"care": [], "care --exhaustive": ["--exhaustive"]}
"""Ours by the options that it is run with."""

PEERS = ["datasketch", "rensa", "rensa_batch", "datatrove", "dupekit"]

Texts = Callable[[pl.Series], pl.Series]


def normalise_all(texts: pl.Series) -> pl.Series:
    """All texts as ours compares them, by a description of it and not by its code."""
    return pl.Series([normalise(text) for text in texts], dtype=pl.String)


def as_written(texts: pl.Series) -> pl.Series:
    """The texts as they stand."""
    return texts


def keep(bench: Workbench, name: str, source: Path) -> pl.Series:
    """The ids that a tool keeps."""
    _, kept = run_care(bench, source, *OURS[name]) if name in OURS else run_peer(bench, name, source)
    return pl.read_parquet(kept, columns=["id"])["id"]


def hold(bench: Workbench, texts: pl.DataFrame, peers: list[str], same_texts: bool) -> list[dict[str, Any]]:
    """Every tool on these texts, and its errors, printed as they come."""
    truths: dict[Texts, Truth] = {}
    if same_texts:
        texts = texts.with_columns(normalise_all(texts["text"]).alias("text"))
    source = bench.work / "texts.parquet"
    texts.write_parquet(source, compression="lz4")
    results = []
    for name in [*OURS, *peers]:
        compared = as_written if same_texts else normalise_all if name in OURS else COMPARED.get(name, as_written)
        if compared not in truths:
            truths[compared] = find_pairs(compared(texts["text"]), THRESHOLD)
        truth = truths[compared]
        errors = judge(truth, np.isin(texts["id"].to_numpy(), keep(bench, name, source).to_numpy()))
        results.append({"rows": texts.height, "tool": name, "pairs": len(truth.first), **asdict(errors)})
        print_row(
            [
                f"{texts.height:,}" if len(results) == 1 else "",
                name,
                *(f"{results[-1][key]:,}" for key in ("pairs", "kept", "leftover", "false", "orphans")),
                f"{errors.recall:.4%}",
            ]
        )
    return results


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="Parquet with the columns id and text")
    parser.add_argument("--rows", type=listed(parse_rows), default=[20_000, 100_000], help="so many of the first rows")
    parser.add_argument("--peers", type=listed(str), default=PEERS)
    parser.add_argument("--same-texts", action="store_true", help="give all tools texts in normal form")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON, too")
    return parser.parse_args()


def main() -> None:
    """Print the table; exit code 1 where ours removes what it should not, or is exhaustive and leaves a pair."""
    asked = parse()
    print(f"`python bench/dedupe_quality.py {' '.join(sys.argv[1:])}`: {describe_machine()}\n")
    print_head(["rows", "", "pairs", "kept", "leftover", "false", "orphans", "recall"])
    results = []
    texts = pl.read_parquet(asked.input, columns=["id", "text"])
    with tempfile.TemporaryDirectory() as work:
        bench = Workbench(Path(work), Path(work), keep=True)
        try:
            for rows in asked.rows:
                results += hold(bench, texts.head(rows), asked.peers, asked.same_texts)
        except RuntimeError as error:
            sys.exit(f"dedupe_quality.py: {error}")
    if asked.json:
        asked.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    ours = [result for result in results if result["tool"] in OURS]
    wrong = sum(result["false"] + result["orphans"] for result in ours)
    missed = sum(result["leftover"] for result in ours if "--exhaustive" in OURS[result["tool"]])
    sys.exit(1 if wrong or missed else 0)


if __name__ == "__main__":
    main()
