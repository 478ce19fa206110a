"""How long `care-data dedupe` takes beside other tools and beside the hardware's floor, and what memory.

python bench/dedupe.py INPUT [--rows 20k,100k,800k,3.2M] [--runs 5] [--peers dupekit,rensa] [--poisoned 500k]

INPUT is Parquet with the columns id and text. grow.py makes more texts of it, peers.py runs the other tools (they come
with `pip install 'care-llm[bench]'`), floor.py is the floor.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measure import Spent, describe_machine
from printing import MEBI, print_head, print_row
from workbench import HERE, Workbench

PEERS = ["dupekit", "dupekit_threads", "rensa", "rensa_batch", "datasketch"]
"""Those that run unless others are asked for; datatrove is known, too."""

START, MAIN, LARGE = 20_000, 800_000, 3_200_000
MOST_FOR_PEERS = 1_000_000
FASTER = {"dupekit": 2.5, "dupekit_threads": 2.5, "rensa": 4.0, "rensa_batch": 4.0, "datasketch": 20.0}
"""How many times a peer's time ours has to fit into at 800,000 texts."""
MAX_FLOORS, MAX_GROWTH, MAX_POISON = 2.0, 4.4, 2.0
MAX_GIB = {MAIN: 2.0, LARGE: 3.0}

Result = dict[str, Any]
Side = Callable[[], tuple[Spent, Path]]


def run_care(bench: Workbench, source: Path, *words: str) -> tuple[Spent, Path]:
    """Ours with these options, and the file with the rows that it keeps."""
    out = bench.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    asked = ["--on", "text", "--threshold", 0.8, "--out", out, "--json", *words]
    return bench.timed("-m", "care_data.cli", "dedupe", source, *asked), out / "kept" / source.name


def run_peer(bench: Workbench, name: str, source: Path) -> tuple[Spent, Path]:
    """A peer, and the file with the rows that it keeps."""
    target = bench.work / f"{name}.parquet"
    target.unlink(missing_ok=True)
    return bench.timed(HERE / "peers.py", name, source, target), target


class Measurements:
    """Files in `bench.folder`, and the sides run on them."""

    def __init__(self, bench: Workbench, source: Path, runs: int) -> None:
        self.bench, self.source, self.runs = bench, source, runs
        self.right = True

    def make(self, kind: str, rows: int) -> Path:
        """A file of so many texts; made by a process of its own, where it is not there yet."""
        made_by = (HERE / "grow.py").read_bytes() + str(self.source.stat().st_size).encode()
        path = self.bench.folder / f"{kind}-{rows}-{hashlib.sha256(made_by).hexdigest()[:8]}.parquet"
        if not path.exists():
            self.bench.python(HERE / "grow.py", kind, self.source, rows, path)
        return path

    def run_care(self, source: Path) -> tuple[Spent, Path]:
        """Ours; every row has to be kept or removed."""
        spent, kept = run_care(self.bench, source)
        total, rows = self.count(kept, kept.parents[1] / "removed.parquet"), self.count(source)
        if total != rows:
            self.right = False
            print(f"  {source.name}: {rows:,} rows were read, and {total:,} kept or removed")
        return spent, kept

    def run_floor(self, source: Path, kept: int) -> tuple[Spent, Path]:
        """The floor, which writes as many rows as ours keeps."""
        target = self.bench.work / "floor.parquet"
        return self.bench.timed(HERE / "floor.py", source, kept, target), target

    def count(self, *files: Path) -> int:
        """Rows of Parquet files; in a process of its own, since this one's memory would count as that of its sides."""
        told = "import sys, pyarrow.parquet as pq; print(sum(pq.read_metadata(f).num_rows for f in sys.argv[1:]))"
        return int(self.bench.python("-c", told, *files).out)

    def compare(self, sides: dict[str, Side], rows: int) -> Result:
        """Every side by turns, `runs` times, whole processes."""
        spent: dict[str, list[Spent]] = {name: [] for name in sides}
        kept = {}
        for _ in range(self.runs):
            for name, run in sides.items():
                took, file = run()
                spent[name].append(took)
                kept[name] = self.count(file)
        return {"rows": rows, "sides": {name: _summarise(spent[name], kept[name], rows) for name in sides}}

    def compare_all(self, rows: int, peers: list[str]) -> Result:
        """Ours, the floor and the peers on so many texts."""
        source = self.make("plain", rows)
        kept = self.count(self.run_care(source)[1])  # and what is compiled once is compiled now
        sides: dict[str, Side] = {"care": partial(self.run_care, source)}
        for name in peers if rows <= MOST_FOR_PEERS else []:
            sides[name] = partial(run_peer, self.bench, name, source)
        sides["floor"] = partial(self.run_floor, source, kept)
        return {"what": "plain", "bytes": source.stat().st_size, **self.compare(sides, rows)}

    def compare_poisoned(self, rows: int) -> Result:
        """Ours on poisoned texts beside plain ones, as many."""
        made = {kind: self.make(kind, rows) for kind in ("plain", "poisoned")}
        sides: dict[str, Side] = {kind: partial(self.run_care, path) for kind, path in made.items()}
        return {"what": "poisoned", "bytes": made["poisoned"].stat().st_size, **self.compare(sides, rows)}


def _summarise(spent: list[Spent], kept: int, rows: int) -> Result:
    seconds = [each.seconds for each in spent]
    return {
        "seconds": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "rows_per_second": rows / statistics.median(seconds),
        "peak": max(each.total for each in spent),
        "kept": kept,
    }


def print_result(result: Result) -> None:
    """A row of the table for each side, its time as a multiple of the first side's."""
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
                f"{told['kept']:,}",
                f"{told['seconds'] / base:.2f}",
            ]
        )


def check(results: list[Result]) -> list[tuple[str, float, float, bool]]:
    """(what, measured, limit, whether it has to be at least the limit) of all that these results can say."""
    plain = {result["rows"]: result["sides"] for result in results if result["what"] == "plain"}
    found: list[tuple[str, float, float, bool]] = []
    for rows, sides in plain.items():
        ours = sides["care"]["seconds"]
        for name, limit in FASTER.items():
            if name in sides and rows in (START, MAIN) and (rows == MAIN or name.startswith("rensa")):
                least = limit if rows == MAIN else 1.0
                found.append((f"{name} / care at {rows:,}", sides[name]["seconds"] / ours, least, True))
        if rows == MAIN:
            found.append((f"care / floor at {rows:,}", ours / sides["floor"]["seconds"], MAX_FLOORS, False))
        if rows in MAX_GIB:
            found.append((f"GiB of care at {rows:,}", sides["care"]["peak"] / 2**30, MAX_GIB[rows], False))
    if MAIN in plain and LARGE in plain:
        growth = plain[LARGE]["care"]["seconds"] / plain[MAIN]["care"]["seconds"]
        found.append((f"care at {LARGE:,} / at {MAIN:,}", growth, MAX_GROWTH, False))
    for result in results:
        if result["what"] == "poisoned":
            sides = result["sides"]
            ratio = sides["poisoned"]["seconds"] / sides["plain"]["seconds"]
            found.append((f"poisoned / plain at {result['rows']:,}", ratio, MAX_POISON, False))
    return found


def measure(bench: Workbench, asked: argparse.Namespace) -> tuple[list[Result], bool]:
    """All that was asked for, printed as it comes; and whether every row was accounted for."""
    measurements = Measurements(bench, asked.input, asked.runs)
    print_head(["rows", "", "median s", "min - max s", "rows/s", "peak MiB", "kept", "x first"])
    results = []
    for rows in asked.rows:
        results.append(measurements.compare_all(rows, asked.peers))
        print_result(results[-1])
    if asked.poisoned:
        results.append(measurements.compare_poisoned(asked.poisoned))
        print_result(results[-1])
    if checks := check(results):
        print()
        print_head(["what", "measured", "limit", ""])
        for what, measured, limit, at_least in checks:
            held = measured >= limit if at_least else measured <= limit
            print_row([what, f"{measured:.2f}", f"{'>=' if at_least else '<='} {limit}", "" if held else "MISSED"])
    return results, measurements.right


def parse_rows(text: str) -> int:
    """20k, 3.2M or 1,000 as a number."""
    units = {"k": 1_000, "M": 1_000_000}
    try:
        return round(float(text.removesuffix(text[-1:])) * units[text[-1]]) if text[-1:] in units else int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; write 800k or 3.2M") from error


def listed(one: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A reader of values with commas between them, for argparse."""
    return lambda text: [one(word) for word in text.split(",") if word]


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="Parquet with the columns id and text")
    parser.add_argument("--rows", type=listed(parse_rows), default=[START, 100_000, MAIN, LARGE], help="sizes")
    parser.add_argument("--runs", type=int, default=5, help="how often each side runs")
    parser.add_argument("--peers", type=listed(str), default=PEERS, help=f"by default {','.join(PEERS)}")
    parser.add_argument("--poisoned", type=parse_rows, default=500_000, help="texts of the poisoned input; 0: none")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where grown inputs are kept"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON, too")
    return parser.parse_args()


def main() -> None:
    """Measure and print Markdown tables; exit code 1 where rows are lost. A limit missed is said, and no error."""
    asked = parse()
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"`python bench/dedupe.py {' '.join(sys.argv[1:])}`: {describe_machine()}\n")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        try:
            results, right = measure(Workbench(asked.work, Path(work), keep=True), asked)
        except RuntimeError as error:
            sys.exit(f"dedupe.py: {error}")
    if asked.json:
        asked.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
