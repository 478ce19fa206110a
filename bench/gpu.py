"""Training a 7B- and an 8B-shaped model on a GPU, in NF4 with LoRA: ours, and beside it TRL's SFTTrainer.

python bench/gpu.py [--shape 7b,8b] [--lengths 512,2048,8192] [--json FILE]

Weights are drawn at random, so nothing is downloaded; examples have the lengths of published records. Unpacked, a batch
is padded to its longest; packed, a row is full. Batches double from 1 until memory is full or nothing is gained. Every
point is a process of its own, and its numbers are kept in FILE as soon as they are there, so that the same command goes
on where it was cut off. TRL gets an environment of its own below --work, unless --trl names a Python that has it.
`--shape tiny` needs no GPU: it shows that all of this runs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpu_sides import SHAPES, Point
from llamafactory_loads import TORCH
from measure import describe_machine, run
from parity import PINS, TRL, add
from printing import print_head, print_row

HERE = Path(__file__).resolve().parent
PEAKS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "A100": 312,
    "L40S": 362,
    "A6000": 155,
    "4090": 165,
}
"""Dense bf16 multiplications and additions, 10^12 a second, as their maker states them; the first name that fits."""
GAIN = 1.03
"""What a doubled batch has to bring to be doubled again."""
PUBLISHED = 2413
"""Tokens/s of torchtune's 8B QLoRA at 2,048 on an RTX 4090, from its README."""
Results = dict[str, dict[str, Any]]
"""Point as text -> what was measured."""


def install_trl(folder: Path) -> Path:
    """The Python of TRL's environment in `folder`, made unless it is there; RuntimeError with pip's last words."""
    if not folder.exists():
        venv.create(folder, with_pip=True)
    add(folder, "torch", [TORCH])
    add(folder, TRL, [f"trl=={TRL}", *PINS])
    return folder / "bin/python"


def count_operations(name: str, context: float) -> float:
    """Multiplications and additions that a token needs: forward, and backward to its inputs and adapters.

    The frozen weights have no gradient of their own, and what is computed again to save memory is not counted. context:
    the length of the example that a token is in, of which it sees half on average.
    """
    shape = SHAPES[name]
    keys = shape.hidden * shape.key_heads // shape.heads
    layer = 2 * shape.hidden * shape.hidden + 2 * shape.hidden * keys + 3 * shape.hidden * shape.inner
    weights = shape.layers * layer + shape.hidden * shape.vocabulary
    return 4 * weights + 3 * 2 * shape.layers * shape.hidden * context


def find_peak(device: str) -> float | None:
    """Operations a second that the device can do at most, None for one unknown."""
    return next((peak * 1e12 for name, peak in PEAKS.items() if name in device), None)


def fill(asked: argparse.Namespace, results: Results) -> Iterator[tuple[Point, dict[str, Any]]]:
    """Each point with what was measured, kept earlier or just now; points that follow a full memory are left out."""
    pythons = {"ours": Path(sys.executable)}
    if "trl" in asked.sides:
        pythons["trl"] = asked.trl or install_trl(asked.work / "trl")
    for shape in asked.shape:
        for length in asked.lengths:
            for packed in (True, False):
                for side in asked.sides:
                    before = 0.0
                    for power in range(asked.most.bit_length()):
                        point = Point(shape, length, packed, 2**power, side, asked.steps)
                        found = look(point, pythons[side], asked, results)
                        yield point, found
                        if found.get("tokens_per_second", 0.0) < GAIN * before or "failed" in found:
                            break
                        before = found["tokens_per_second"]


def look(point: Point, python: Path, asked: argparse.Namespace, results: Results) -> dict[str, Any]:
    """What was measured at a point, kept in the file of results as soon as it is there."""
    key = " ".join(map(str, point))
    if key in results:
        return results[key]
    weights, file = asked.work / f"weights-{point.shape}", asked.work / "point.json"
    environment = {
        "PYTHONPATH": f"{HERE}:{HERE.parent}",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "GOMP_SPINCOUNT": "1000",
    }
    if not (weights / "tokenizer.json").exists():  # it is written last
        words = ["make", point.shape, weights]
        run([sys.executable, str(HERE / "gpu_sides.py"), *map(str, words)], asked.work, environment)
    file.unlink(missing_ok=True)
    told = json.dumps(point._asdict())
    try:
        run([str(python), *map(str, [HERE / "gpu_sides.py", point.side, told, weights, file])], asked.work, environment)
        found = json.loads(file.read_text(encoding="utf-8"))
    except RuntimeError as error:
        lines = [line for line in str(error).strip().split("\n") if line.strip()]
        return {"failed": lines[-1][:200]}  # not kept: the next run tries again
    results[key] = found
    part = asked.json.with_name(asked.json.name + ".part")
    part.write_text(json.dumps({"made_with": list_versions(), "points": results}, indent=1) + "\n", encoding="utf-8")
    part.replace(asked.json)
    return found


def list_versions() -> dict[str, str]:
    """The libraries that both sides stand on, and TRL's."""
    names = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
    return {**{name: version(name) for name in names}, "trl": TRL}


def read_results(path: Path) -> Results:
    """What an earlier run kept; RuntimeError where it had other libraries, for one table must not mix them."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    if kept["made_with"] != list_versions():
        raise RuntimeError(f"{path} was measured with {kept['made_with']}; name another file with --json")
    return kept["points"]


def show(point: Point, found: dict[str, Any], results: Results, peak: float | None) -> None:
    """A point as a row of the table."""
    cells = [point.shape, f"{point.length:,}", "packed" if point.packed else "unpacked", str(point.batch), point.side]
    if "failed" in found:
        print_row([*cells, found["failed"], "", "", "", ""])
        return
    speed = found["tokens_per_second"]
    most = peak or find_peak(found["device"])
    used = f"{speed * count_operations(point.shape, found['context']) / most:.1%}" if most else ""
    other = results.get(" ".join(map(str, point._replace(side="ours"))), {}).get("tokens_per_second")
    beside = f"{other / speed:.2f}" if point.side != "ours" and other else ""
    print_row([*cells, f"{speed:,.0f}", f"{found['memory'] / 2**30:.1f}", used, f"{found['outside']:.1%}", beside])


def judge(found: dict[Point, dict[str, Any]]) -> list[tuple[str, float, str, bool]]:
    """(what, measured, aim, reached) of each aim that the points say something of."""
    speeds = {point: each["tokens_per_second"] for point, each in found.items() if "failed" not in each}
    if not speeds:
        return []

    def best(**asked: Any) -> float:
        fitting = [speed for point, speed in speeds.items() if asked.items() <= point._asdict().items()]
        return max(fitting, default=0.0)

    told: list[tuple[str, float, str, bool]] = []
    fast = best(shape="8b", length=2048, packed=True, side="ours")
    if fast:
        told.append(("tokens/s, 8b packed 2,048, best batch", fast, f">= {4 * PUBLISHED:,}", fast >= 4 * PUBLISHED))
    for point in speeds:
        if (
            point.side == "ours"
            and point.shape != "tiny"
            and (point.length, point.packed, point.batch) == (2048, True, 1)
        ):
            memory = found[point]["memory"] / 2**30
            told.append((f"GiB, {point.shape}, batch 1 of 2,048", memory, "<= 10", memory <= 10))
    beside = {point: speeds[point._replace(side="ours")] / speed for point, speed in speeds.items()
              if point.side == "trl" and point._replace(side="ours") in speeds}  # fmt: skip
    if beside:
        point = min(beside, key=lambda point: beside[point])
        name = f"{point.shape} {'packed' if point.packed else 'unpacked'} {point.length:,}, batch {point.batch}"
        told.append((f"least ours / TRL: {name}", beside[point], ">= 1.0", beside[point] >= 1))
    for shape, length in dict.fromkeys((point.shape, point.length) for point in speeds):
        packed = best(shape=shape, length=length, packed=True, side="ours")
        plain = best(shape=shape, length=length, packed=False, side="trl")
        if packed and plain:
            told.append((f"{shape} {length:,}: packed / TRL unpacked", packed / plain, ">= 1.3", packed >= 1.3 * plain))
    return told


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    work = Path(tempfile.gettempdir()) / "care-bench"
    parser.add_argument("--shape", default="7b,8b", help=f"of {', '.join(SHAPES)}, with commas between")
    parser.add_argument("--lengths", default="512,2048,8192", help="tokens of a row, with commas between")
    parser.add_argument("--sides", default="ours,trl", help="ours, trl")
    parser.add_argument("--most", type=int, default=64, help="largest batch that is tried")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed")
    parser.add_argument("--peak", type=float, help="10^12 bf16 operations a second of a GPU that is not known")
    parser.add_argument("--trl", type=Path, metavar="PYTHON", help="a Python that has TRL")
    parser.add_argument("--work", type=Path, default=work, help="where weights and environments are kept")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where numbers are kept (default: gpu.json in --work)"
    )
    asked = parser.parse_args(words)
    asked.shape, asked.sides = asked.shape.split(","), asked.sides.split(",")
    asked.lengths = [int(length) for length in asked.lengths.split(",")]
    for given, known in ((asked.shape, SHAPES), (asked.sides, ("ours", "trl"))):
        if set(given) - set(known):
            parser.error(f"{', '.join(sorted(set(given) - set(known)))} is none of {', '.join(known)}")
    if asked.most < 1 or asked.steps < 1:
        parser.error("--most and --steps begin at 1")
    asked.json = asked.json or asked.work / "gpu.json"
    return asked


def main() -> None:
    """Print the table and the aims; exit code 1 where a point failed otherwise than for want of memory."""
    asked = parse()
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"{describe_machine()}, {', '.join(map(' '.join, list_versions().items()))}\n")
    found = {}
    try:
        results = read_results(asked.json)
        print_head(["shape", "length", "", "batch", "side", "tokens/s", "GiB", "MFU", "outside the model", "ours / it"])
        for point, each in fill(asked, results):
            found[point] = each
            show(point, each, results, asked.peak and asked.peak * 1e12)
    except (RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"gpu.py: {error}")
    devices = sorted({each["device"] for each in found.values() if "device" in each})
    print(f"\nOn {', '.join(devices) or 'nothing'}.\n")
    print_head(["what", "measured", "aim", ""])
    for what, measured, aim, reached in judge(found):
        print_row([what, f"{measured:,.2f}", aim, "" if reached else "MISSED"])
    broken = [each for each in found.values() if each.get("failed", "out of memory") != "out of memory"]
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
