"""How long a release takes to write beside pyarrow writing the same table, and what memory.

python bench/release.py [--rows 1M,4M] [--runs 5]

Each side is a process of its own that reads the converted records (Parquet). pyarrow writes them to one Arrow stream,
batch by batch, and in a third side also waits for the disk. Ours is release.write: shards that are read back, checked,
hashed and flushed, dataset_info.json, the card and the manifest.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dedupe import listed, parse_rows
from measure import Spent, describe_machine
from printing import print_head, print_row
from quality import print_result, summarise
from workbench import Workbench

MAIN, MOST_TIMES, MOST_GIB, MOST_GROWTH = 1_000_000, 2.0, 1.5, 1.25
BATCH_ROWS = 1_000
"""As many as a release's batches have."""
NAME = "bench_release"

Result = dict[str, Any]


# The sides, each in a process of its own


def write_plain(source: Path, target: Path) -> None:
    """The records as one Arrow stream by pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (
        pq.ParquetFile(source) as records,
        pa.OSFile(str(target), "wb") as sink,
        pa.ipc.new_stream(sink, records.schema_arrow) as stream,
    ):
        for batch in records.iter_batches(batch_size=BATCH_ROWS):
            stream.write_batch(batch)


def write_flushed(source: Path, target: Path) -> None:
    """The same, on the disk when it ends."""
    write_plain(source, target)
    handle = os.open(target, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def write_release(source: Path, target: Path) -> None:
    """The records as a release of one dataset."""
    from care_data import release
    from care_data.store import Manifest

    dataset = release.Dataset(
        corpus=NAME, output="sft", format="sft", role="train", license="Apache-2.0", language="zh", extra=(),
        parts=[source],
    )  # fmt: skip
    counts = {"read": dataset.rows, "kept": dataset.rows, "dropped": {}}
    manifest = Manifest(
        stage="release", name=target.name, key="0" * 64, inputs=[], parameters={}, counts={dataset.name: counts},
        files=[], verified=True, version="0", code="0",
    )  # fmt: skip
    release.write(target, [dataset], manifest)


SIDES: dict[str, Callable[[Path, Path], None]] = {
    "pyarrow": write_plain,
    "pyarrow, flushed": write_flushed,
    "care": write_release,
}
"""Side to what it does."""


# What is measured


def compare(bench: Workbench, rows: int, runs: int) -> Result:
    """Every side by turns, `runs` times; RuntimeError where the release does not hold what pyarrow wrote."""
    source = bench.generate("pair", "jsonl", rows)
    bench.prepare(NAME, "pair", "jsonl", source)
    bench.convert(NAME)
    (part,) = (path for path in (bench.data / "records" / NAME).glob("sft-*.parquet") if "rejects" not in path.name)
    plain, folder = bench.work / "plain.arrow", bench.work / "release"
    targets = {"pyarrow": plain, "pyarrow, flushed": plain, "care": folder}
    spent: dict[str, list[Spent]] = {side: [] for side in SIDES}
    for _ in range(runs):
        for side, target in targets.items():
            shutil.rmtree(target, ignore_errors=True)
            target.unlink(missing_ok=True)
            spent[side].append(bench.timed(__file__, "--side", side, part, target))
    bench.python(__file__, "--side", "equal", plain, folder)
    size = plain.stat().st_size
    bench.clear(NAME, source)
    shutil.rmtree(folder)
    plain.unlink()
    return {"rows": rows, "bytes": size, "sides": {side: summarise(each, rows) for side, each in spent.items()}}


def require_equal(plain: Path, folder: Path) -> None:
    """RuntimeError unless the shards of the release hold the rows of the stream, in order; both are only mapped."""
    import pyarrow as pa

    def read(path: Path) -> "pa.Table":
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()

    if not pa.concat_tables(read(path) for path in sorted(folder.glob("*/*.arrow"))).equals(read(plain)):
        raise RuntimeError(f"{folder} does not hold what pyarrow wrote")


def check(results: list[Result]) -> list[tuple[str, float, str, bool]]:
    """(what, measured, limit, whether it is held) of all that these results can say."""
    found = []
    for result in results:
        rows, sides = result["rows"], result["sides"]
        for side in ("pyarrow", "pyarrow, flushed"):
            ratio = sides["care"]["seconds"] / sides[side]["seconds"]
            found.append((f"care / {side} at {rows:,}", ratio, f"<= {MOST_TIMES}", ratio <= MOST_TIMES))
        peak = sides["care"]["peak"] / 2**30
        found.append((f"GiB of care at {rows:,}", peak, f"<= {MOST_GIB}", peak <= MOST_GIB))
    if len(results) > 1:
        first, last = results[0], results[-1]
        growth = last["sides"]["care"]["peak"] / first["sides"]["care"]["peak"]
        what = f"memory at {last['rows']:,} / at {first['rows']:,}"
        found.append((what, growth, f"<= {MOST_GROWTH}", growth <= MOST_GROWTH))
    return found


def measure(bench: Workbench, asked: argparse.Namespace) -> list[Result]:
    """All that was asked for, printed as it comes."""
    print_head(["rows", "", "median s", "min - max s", "rows/s", "peak MiB", "x first"])
    results = []
    for rows in asked.rows:
        results.append(compare(bench, rows, asked.runs))
        print_result(results[-1])
    print()
    print_head(["what", "measured", "limit", ""])
    for what, measured, limit, held in check(results):
        print_row([what, f"{measured:.2f}", limit, "" if held else "MISSED"])
    return results


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=listed(parse_rows), default=[MAIN], help="sizes")
    parser.add_argument("--runs", type=int, default=5, help="how often each side runs")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where files are made"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON, too")
    parser.add_argument("--side", nargs=3, metavar=("SIDE", "SOURCE", "TARGET"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure and print Markdown tables; exit code 1 where records are lost. A limit missed is said, and no error."""
    asked = parse()
    if asked.side:
        side, source, target = asked.side
        {**SIDES, "equal": require_equal}[side](Path(source), Path(target))
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"`python bench/release.py {' '.join(sys.argv[1:])}`: {describe_machine()}\n")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        try:
            results = measure(Workbench(asked.work, Path(work), keep=False), asked)
        except RuntimeError as error:
            sys.exit(f"release.py: {error}")
    if asked.json:
        asked.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
