"""How long `care-data convert` takes beside a polars scan of the same file, what memory, and each reader at full size.

python bench/convert.py [--rows 1000000] [--shape pair|dialogue|all] [--format jsonl|csv|all] [--runs 5]
python bench/convert.py --memory [--rows 1000000 4000000 16000000]
python bench/convert.py --readers [NAME ...] [--scale 0.01]
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import Spent, describe_machine
from printing import MEBI, print_head, print_row
from workbench import EXAMPLES, HERE, Workbench, read_counts

SHAPES = {"pair": ["pair"], "dialogue": ["marked", "messages"], "all": ["pair", "marked", "messages"]}
AIMS = {"pair": 3.0, "marked": 8.0, "messages": 8.0}
"""The ratio to stay below."""

STEPS = [1_000_000, 4_000_000, 16_000_000]
MAX_MEMORY = 1.5 * 2**30


def compare(bench: Workbench, shape: str, form: str, rows: int, runs: int) -> dict[str, Any]:
    """Both sides by turns, `runs` times, whole processes."""
    name = f"bench_{shape}_{form}"
    source = bench.generate(shape, form, rows)
    bench.prepare(name, shape, form, source)
    sides: dict[str, list[Spent]] = {"polars": [], "care": []}
    for _ in range(runs):
        sides["polars"].append(bench.scan(source))
        sides["care"].append(bench.convert(name))
        bench.require_rows(name, rows)
    bench.require_equal(name, shape)
    medians = {side: statistics.median(spent.seconds for spent in all_runs) for side, all_runs in sides.items()}
    result: dict[str, Any] = {
        "shape": shape,
        "format": form,
        "rows": rows,
        "bytes": source.stat().st_size,
        "ratio": medians["care"] / medians["polars"],
        "aim": AIMS[shape],
    }
    for side, all_runs in sides.items():
        seconds = [spent.seconds for spent in all_runs]
        result[side] = {
            "seconds": medians[side],
            "least": min(seconds),
            "most": max(seconds),
            "rows_per_second": rows / medians[side],
            "peak": max(spent.peak for spent in all_runs),
        }
    bench.clear(name, source)
    return result


def compare_all(bench: Workbench, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Every shape in every format that it has; first with one row, which is what starting takes."""
    print_head(["what", "rows", "MB", "", "median s", "min - max s", "rows/s", "peak MiB", "ratio"])
    results = []
    for rows in (1, *(asked.rows or STEPS[:1])):
        for shape in SHAPES[asked.shape] if rows > 1 else ["pair"]:
            for form in ("jsonl", "csv"):
                if (shape, form) in EXAMPLES and asked.format in (form, "all") and (rows > 1 or form == "jsonl"):
                    results.append(compare(bench, shape, form, rows, asked.runs))
                    print_comparison(results[-1])
    return results


def print_comparison(result: dict[str, Any]) -> None:
    """Two rows of the table, one a side."""
    what = f"{result['shape']} {result['format']}" if result["rows"] > 1 else "start (1 row)"
    for side in ("polars", "care"):
        told = result[side]
        last = side == "care" and result["rows"] > 1
        print_row(
            [
                what if side == "polars" else "",
                f"{result['rows']:,}" if side == "polars" else "",
                f"{result['bytes'] / 1e6:,.0f}" if side == "polars" else "",
                side,
                f"{told['seconds']:.2f}",
                f"{told['least']:.2f} - {told['most']:.2f}",
                f"{told['rows_per_second']:,.0f}" if result["rows"] > 1 else "",
                f"{told['peak'] / MEBI:,.0f}",
                f"{result['ratio']:.2f} (aim {result['aim']:.0f})" if last else "",
            ]
        )


def measure_memory(bench: Workbench, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Peak memory and time a row of one conversion at each number of rows."""
    print_head(["what", "rows", "MB", "seconds", "us/row", "peak MiB", ""])
    results = []
    for shape in SHAPES[asked.shape]:
        for rows in asked.rows or STEPS:
            form = "csv" if asked.format == "csv" and (shape, "csv") in EXAMPLES else "jsonl"
            name, source = f"bench_memory_{shape}", bench.generate(shape, form, rows)
            bench.prepare(name, shape, form, source)
            spent, size = bench.convert(name), source.stat().st_size
            bench.require_rows(name, rows)
            bench.clear(name, source)
            results.append(
                {"shape": shape, "format": form, "rows": rows, "seconds": spent.seconds, "peak": spent.total}
            )
            print_row(
                [
                    f"{shape} {form}",
                    f"{rows:,}",
                    f"{size / 1e6:,.0f}",
                    f"{spent.seconds:.1f}",
                    f"{spent.seconds / rows * 1e6:.2f}",
                    f"{spent.total / MEBI:,.0f}",
                    "" if spent.total < MAX_MEMORY else "MORE THAN 1.5 GiB",
                ]
            )
    return results


def run_readers(bench: Workbench, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Every reader on files of upstream's size, its counts held to what was planted."""
    print_head(["corpus", "read as", "MB", "rows", "records", "rejects", "seconds", "rows/s", "peak MiB", "counts"])
    results = []
    known = json.loads(bench.python(HERE / "upstream.py", "--list").out)
    if unknown := set(asked.readers) - set(known):
        raise RuntimeError(f"no files are made for {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    for name in asked.readers or known:
        shutil.rmtree(bench.work / "mirror", ignore_errors=True)
        made = bench.python(HERE / "upstream.py", name, bench.work / "mirror", bench.registry, asked.scale)
        plan = json.loads(made.out)
        bench.care_data("fetch", name, "--mirror", bench.work / "mirror")
        shutil.rmtree(bench.work / "mirror")
        outputs = [word for output in plan["expected"] for word in ("--output", f"{name}.{output}")]
        spent = bench.convert(name, *outputs)
        counts = {
            output: {key: told[key] for key in ("read", "kept", "dropped")}
            for output, told in read_counts(bench.data, name).items()
        }
        bench.clear(name)
        result = {
            "corpus": name,
            "reader": plan["reader"],
            "bytes": plan["bytes"],
            "expected": plan["expected"],
            "counts": counts,
            "right": counts == plan["expected"],
            "read": sum(told["read"] for told in counts.values()),
            "kept": sum(told["kept"] for told in counts.values()),
            "seconds": spent.seconds,
            "peak": spent.total,
        }
        results.append(result)
        print_row(
            [
                name,
                plan["reader"],
                f"{plan['bytes'] / 1e6:,.1f}",
                f"{result['read']:,}",
                f"{result['kept']:,}",
                f"{result['read'] - result['kept']:,}",
                f"{spent.seconds:.1f}",
                f"{result['read'] / spent.seconds:,.0f}",
                f"{spent.total / MEBI:,.0f}",
                "as planted" if result["right"] else "WRONG",
            ]
        )
        if not result["right"]:
            print(f"  planted {json.dumps(plan['expected'])}\n  counted {json.dumps(counts)}")
    return results


def _positive(text: str) -> int:
    """The number, for argparse, which words the error."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=_positive, nargs="+", help="rows of the generated files")
    parser.add_argument("--shape", choices=list(SHAPES), help="pair and dialogue; with --memory only pair by default")
    parser.add_argument("--format", choices=["jsonl", "csv", "all"], default="all")
    parser.add_argument("--runs", type=_positive, default=5, help="how often each side runs")
    parser.add_argument("--memory", action="store_true", help="peak memory at 1, 4 and 16 million rows")
    parser.add_argument("--readers", nargs="*", metavar="NAME", help="every reader, or those of the corpora named")
    parser.add_argument("--scale", type=float, default=1.0, help="with --readers: part of upstream's size")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where files are made"
    )
    parser.add_argument("--keep", action="store_true", help="leave the generated files there for the next run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON, too")
    asked = parser.parse_args()
    asked.shape = asked.shape or ("pair" if asked.memory else "all")
    return asked


def main() -> None:
    """Measure what was asked and print it as Markdown tables; exit code 1 where a count is not as planted."""
    asked = parse()
    asked.folder.mkdir(parents=True, exist_ok=True)
    print(f"`python bench/convert.py {' '.join(sys.argv[1:])}`: {describe_machine()}\n")
    mode = measure_memory if asked.memory else compare_all if asked.readers is None else run_readers
    with tempfile.TemporaryDirectory(dir=asked.folder) as work:
        try:
            results = mode(Workbench(asked.folder, Path(work), asked.keep), asked)
        except RuntimeError as error:
            sys.exit(f"convert.py: {error}")
    if asked.json:
        asked.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(result.get("right", True) for result in results) else 1)


if __name__ == "__main__":
    main()
