"""How long `care-data clean` takes, with filters and privacy, beside polars lower-casing the same texts, and beside
data-juicer; and what memory.

python bench/quality.py TEXTS [--rows 1M] [--runs 5] [--peer-rows 100k]

TEXTS is Parquet with the columns id and text. pairs.py makes questions and answers of it, lowercase.py is the side of
polars, juicer.py brings data-juicer in an environment of its own.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from dedupe import listed, parse_rows
from measure import Spent, describe_machine
from printing import MEBI, print_head, print_row
from workbench import HERE, Workbench

MAIN, MOST_TIMES, MOST_GIB = 1_000_000, 6.0, 1.5
PEER_ROWS, LEAST_TIMES = 100_000, 10.0
NAME = "bench_quality"

Result = dict[str, Any]


class Measurements:
    """Records converted in the workbench's data folder, and the sides run on them."""

    def __init__(self, bench: Workbench, source: Path, runs: int, processes: int) -> None:
        self.bench, self.source, self.runs, self.processes = bench, source, runs, processes
        self.lowered, self.juiced = bench.work / "lowered.parquet", bench.work / "juiced" / "records.jsonl"

    def prepare(self, rows: int) -> None:
        """So many records, made where they are not yet there, fetched and converted."""
        code = b"".join((HERE / name).read_bytes() for name in ("grow.py", "pairs.py"))
        made_by = code + str((self.source.stat().st_size, rows)).encode()
        path = self.bench.folder / f"pairs-{rows}-{hashlib.sha256(made_by).hexdigest()[:8]}.jsonl"
        if not path.exists():
            self.bench.python(HERE / "pairs.py", self.source, rows, path)
        self.bench.clear(NAME)
        self.bench.prepare(NAME, "pair", "jsonl", path)
        self.bench.care_data("convert", NAME)

    def records(self) -> Path:
        """The converted records."""
        (part,) = (p for p in (self.bench.data / "records" / NAME).glob("sft-*.parquet") if "rejects" not in p.name)
        return part

    def run_care(self) -> Spent:
        """Ours, from the converted records on."""
        shutil.rmtree(self.bench.data / "clean", ignore_errors=True)
        return self.bench.timed("-m", "care_data.cli", "clean", NAME, "--to", self.bench.data)

    def run_polars(self) -> Spent:
        """Lower-cased by polars."""
        self.lowered.unlink(missing_ok=True)
        return self.bench.timed(HERE / "lowercase.py", self.records(), self.lowered)

    def compare(self, rows: int) -> Result:
        """Polars and ours by turns; RuntimeError where a record is lost."""
        self.prepare(rows)
        self.run_care()  # what is compiled or cached once is so now
        spent: dict[str, list[Spent]] = {"polars": [], "care": []}
        for _ in range(self.runs):
            spent["polars"].append(self.run_polars())
            spent["care"].append(self.run_care())
        counts = json.loads((self.bench.data / "clean" / NAME / "manifest.json").read_text("utf-8"))["counts"]["sft"]
        read = json.loads((self.bench.data / "records" / NAME / "manifest.json").read_text("utf-8"))["counts"]["sft"]
        if counts["read"] != read["kept"] or counts["read"] != counts["kept"] + sum(counts["dropped"].values()):
            raise RuntimeError(f"{read['kept']:,} records were converted, and counted were {counts}")
        sides = {name: summarise(each, rows) for name, each in spent.items()}
        return {"what": "polars", "rows": rows, "sides": sides, "counts": counts}

    def compare_peer(self, rows: int) -> Result:
        """Ours and data-juicer by turns. RuntimeError where it cannot be installed or fails."""
        folder = self.bench.folder / "data-juicer"
        self.bench.python(HERE / "juicer.py", "install", folder)
        self.prepare(rows)
        texts, recipe = self.bench.work / "texts.jsonl", self.bench.work / "recipe.yaml"
        joined = (
            "import sys, polars as pl; pl.scan_parquet(sys.argv[1])"
            '.select(text=pl.concat_str("instruction", "output", separator="\\n")).sink_ndjson(sys.argv[2])'
        )
        self.bench.python("-c", joined, self.records(), texts)
        self.bench.python(HERE / "juicer.py", "recipe", texts, self.juiced, recipe, self.processes)
        self.run_care()
        spent: dict[str, list[Spent]] = {"care": [], "data-juicer": []}
        for _ in range(self.runs):
            spent["care"].append(self.run_care())
            shutil.rmtree(self.juiced.parent, ignore_errors=True)
            spent["data-juicer"].append(self.bench.command(folder / "bin/dj-process", "--config", recipe))
        return {
            "what": "peer", "rows": rows, "sides": {name: summarise(each, rows) for name, each in spent.items()}
        }  # fmt: skip


def summarise(spent: list[Spent], rows: int) -> dict[str, float]:
    """Several runs of a side in numbers."""
    seconds = [each.seconds for each in spent]
    return {
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "rows_per_second": rows / statistics.median(seconds),
        "peak": max(each.total for each in spent),
    }


def print_result(result: Result) -> None:
    """A row of the table for each side, its time as a multiple of the first one's."""
    base = next(iter(result["sides"].values()))["seconds"]
    for number, (name, told) in enumerate(result["sides"].items()):
        print_row(
            [
                "" if number else f"{result['rows']:,}",
                name,
                f"{told['seconds']:.2f}",
                f"{told['least']:.2f} - {told['most']:.2f}",
                f"{told['rows_per_second']:,.0f}",
                f"{told['peak'] / MEBI:,.0f}",
                f"{told['seconds'] / base:.2f}",
            ]
        )


def check(results: list[Result]) -> list[tuple[str, float, str, bool]]:
    """(what, measured, limit, whether it is held) of all that these results can say."""
    found = []
    for result in results:
        rows, sides = result["rows"], result["sides"]
        ours = sides["care"]["seconds"]
        if result["what"] == "polars":
            ratio, peak = ours / sides["polars"]["seconds"], sides["care"]["peak"] / 2**30
            found.append((f"care / polars at {rows:,}", ratio, f"<= {MOST_TIMES}", ratio <= MOST_TIMES))
            found.append((f"GiB of care at {rows:,}", peak, f"<= {MOST_GIB}", peak <= MOST_GIB))
        else:
            ratio = sides["data-juicer"]["seconds"] / ours
            found.append((f"data-juicer / care at {rows:,}", ratio, f">= {LEAST_TIMES}", ratio >= LEAST_TIMES))
    return found


def measure(bench: Workbench, asked: argparse.Namespace) -> list[Result]:
    """All that was asked for, printed as it comes."""
    measurements = Measurements(bench, asked.input, asked.runs, asked.processes)
    print_head(["rows", "", "median s", "min - max s", "rows/s", "peak MiB", "x first"])
    results = []
    for rows in asked.rows:
        results.append(measurements.compare(rows))
        print_result(results[-1])
    missing = ""
    if asked.peer_rows:
        try:
            results.append(measurements.compare_peer(asked.peer_rows))
            print_result(results[-1])
        except RuntimeError as error:
            missing = str(error)
    print()
    print_head(["what", "measured", "limit", ""])
    for what, measured, limit, held in check(results):
        print_row([what, f"{measured:.2f}", limit, "" if held else "MISSED"])
    for result in results:
        if counts := result.get("counts"):
            dropped = ", ".join(f"{count:,} {reason}" for reason, count in counts["dropped"].items()) or "none"
            changed = ", ".join(f"{count:,} {kind}" for kind, count in counts["changed"].items())
            print(f"\nOf {result['rows']:,}: {counts['kept']:,} kept; dropped {dropped}; {changed}.")
    if missing:
        print(f"\nNo data-juicer: {missing}")
    return results


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="Parquet with the columns id and text")
    parser.add_argument("--rows", type=listed(parse_rows), default=[MAIN], help="sizes")
    parser.add_argument("--runs", type=int, default=5, help="how often each side runs")
    parser.add_argument("--peer-rows", type=parse_rows, default=PEER_ROWS, help="records for data-juicer; 0: none")
    parser.add_argument("--processes", type=int, default=2, help="of data-juicer")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where made inputs are kept"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON, too")
    return parser.parse_args()


def main() -> None:
    """Measure and print Markdown tables; exit code 1 where records are lost. A limit missed is said, and no error."""
    asked = parse()
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"`python bench/quality.py {' '.join(sys.argv[1:])}`: {describe_machine()}\n")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        try:
            results = measure(Workbench(asked.work, Path(work), keep=True), asked)
        except RuntimeError as error:
            sys.exit(f"quality.py: {error}")
    if asked.json:
        asked.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
