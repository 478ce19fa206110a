"""Whether a step of ours is a step of theirs: the loss and the norm of the gradients beside LLaMA-Factory and TRL.

python bench/parity.py [--work FOLDER] [--write FILE]

All sides begin with the same weights and the same adapter, both of its matrices non-zero, and read the same records in
the same order: fp32, AdamW, cosine, no dropout, on the CPU. Ours is the trainer itself; LLaMA-Factory reads the same
files; TRL is given our tokens. Both live in environments of their own below the folder (1.9 GB each), kept for the next
run. --write keeps the numbers for the suite, which holds ours to them. LLaMA-Factory is told its reference of
preferences, the model with the adapter: left alone it takes the model without, whatever it goes on from.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from llamafactory_loads import TORCH
from llamafactory_loads import VERSION as LLAMAFACTORY
from llamafactory_loads import install as install_llamafactory
from parity_sides import CASES, SIDES, STEPS, Steps
from printing import print_head, print_row

TRL = "1.16.0"
PINS = ["transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0", "bitsandbytes==0.50.2", "datasets==5.2.0"]
CLOSE = 1.5e-5
"""How far two sides may be apart: equal to five decimals, a rounding each."""


def install(work: Path) -> dict[str, Path]:
    """The Python of each side's environment, made unless it is there; RuntimeError with pip's last words."""
    factory, trl = work / "llamafactory", work / "trl"
    install_llamafactory(factory)
    add(factory, "bitsandbytes", [PINS[3]])
    if not trl.exists():
        venv.create(trl, with_pip=True)
    add(trl, "torch", [TORCH])
    add(trl, TRL, [f"trl=={TRL}", *PINS])
    return {"ours": Path(sys.executable), "llamafactory": factory / "bin/python", "trl": trl / "bin/python"}


def add(folder: Path, mark: str, packages: list[str]) -> None:
    """Packages in an environment, once."""
    done = folder / f"installed-{mark}"
    if done.exists():
        return
    words = [folder / "bin/python", "-m", "pip", "install", "--quiet", *packages]
    ended = subprocess.run(words, capture_output=True, text=True)
    if ended.returncode:
        last = "\n".join(ended.stderr.strip().split("\n")[-8:])
        raise RuntimeError(f"{' '.join(packages)} cannot be installed: {last}")
    done.touch()


def ask(python: Path, words: list[str | Path], work: Path) -> None:
    """Run `parity_sides.py` by a side's Python; RuntimeError with its last words."""
    here = Path(__file__).resolve()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here.parent), str(here.parents[1])]),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HOME": str(work / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "WANDB_DISABLED": "true",
    }
    ended = subprocess.run(
        [python, here.with_name("parity_sides.py"), *words], env=environment, cwd=work, capture_output=True, text=True
    )
    if ended.returncode:
        last = "\n".join(ended.stderr.strip().split("\n")[-12:])
        raise RuntimeError(f"{words[0]}: {last}")


def compare(told: dict[str, dict[str, Steps]]) -> bool:
    """Print a row for each step; whether all sides are within CLOSE of ours."""
    others = [side for side in SIDES if side != "ours"]
    print_head(
        ["", "step", "loss", "norm", *(f"{side} {what}" for side in others for what in ("loss", "norm")), "apart"]
    )
    equal = True
    for name, case in CASES.items():
        for step in range(STEPS):
            ours = told["ours"][name][step]
            theirs = {side: told[side][name][step] for side in case.beside}
            apart = max(abs(one - two) for row in theirs.values() for one, two in zip(ours, row, strict=True))
            equal = equal and apart <= CLOSE
            shown = [f"{value:.5f}" for value in ours]
            for side in others:
                shown += [f"{value:.5f}" for value in theirs[side]] if side in theirs else ["", ""]
            print_row(["" if step else name, str(step + 1), *shown, f"{apart:.1e}"])
    return equal


def keep(path: Path, told: dict[str, dict[str, Steps]]) -> None:
    """Write the numbers, and what made them, a line a case."""
    golden: dict[str, Any] = {
        "made_by": "python bench/parity.py --write FILE",
        "versions": {"llamafactory": LLAMAFACTORY, "trl": TRL},
        "cases": {name: {side: told[side][name] for side in ("ours", *case.beside)} for name, case in CASES.items()},
    }
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where environments are kept"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the numbers as JSON")
    return parser.parse_args()


def main() -> None:
    """Print the table; exit code 1 where a side is apart or nothing can be said."""
    asked = parse()
    asked.work.mkdir(parents=True, exist_ok=True)
    try:
        pythons = install(asked.work)
        with tempfile.TemporaryDirectory(dir=asked.work) as folder:
            work = Path(folder)
            ask(pythons["ours"], ["make", work / "inputs"], work)
            told = {}
            for side, python in pythons.items():
                ask(python, [side, work / "inputs", work / f"{side}.json"], work)
                told[side] = json.loads((work / f"{side}.json").read_text(encoding="utf-8"))
    except RuntimeError as error:
        sys.exit(f"parity.py: {error}")
    print(f"llamafactory {LLAMAFACTORY}, trl {TRL}\n")
    equal = compare(told)
    if asked.write:
        keep(asked.write, told)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
