"""The nearest that data-juicer has to our cleaning: an environment of its own, a recipe, one run.

python bench/juicer.py install FOLDER
python bench/juicer.py recipe SOURCE TARGET RECIPE PROCESSES

Steps that would fetch a model or a list of words when they run are left out, and so are ours that it has nothing for:
boilerplate, mojibake that only ftfy guesses at, advertising, refusals, addresses and Chinese phone numbers. A record
is one text, question and answer together, since its steps work on one column.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

VERSION = "1.6.1"
UNSAID = ["aiohttp", "ftfy", "selectolax"]
"""What it imports when it runs and does not ask for when it is installed."""

STEPS: list[dict[str, Any]] = [
    {"clean_html_mapper": {}},
    {"fix_unicode_mapper": {"normalization": "NFC"}},
    {"punctuation_normalization_mapper": {}},
    {"whitespace_normalization_mapper": {}},
    {"clean_links_mapper": {}},
    {"clean_email_mapper": {}},
    {"clean_ip_mapper": {}},
    {"clean_copyright_mapper": {}},
    {"text_length_filter": {"min_len": 4, "max_len": 100_000}},
    {"special_characters_filter": {"min_ratio": 0.0, "max_ratio": 0.6}},
    {"alphanumeric_filter": {"tokenization": False, "min_ratio": 0.1}},
    {"character_repetition_filter": {"rep_len": 10, "min_ratio": 0.0, "max_ratio": 0.6}},
    {"maximum_line_length_filter": {"min_len": 1}},
]
"""Mappers and filters in order, with their settings."""


def install(folder: Path) -> None:
    """The environment in `folder`, unless it is there; RuntimeError with pip's last words where it cannot be."""
    done = folder / f"installed-{VERSION}"
    if done.exists():
        return
    venv.create(folder, with_pip=True)
    ended = subprocess.run(
        [folder / "bin/pip", "install", "--quiet", f"py-data-juicer=={VERSION}", *UNSAID],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        last = "\n".join(ended.stderr.strip().split("\n")[-8:])
        raise RuntimeError(f"py-data-juicer {VERSION} cannot be installed: {last}")
    done.touch()


def write_recipe(source: Path, target: Path, recipe: Path, processes: int) -> None:
    """The recipe as JSON, which is YAML, too."""
    told = {
        "project_name": "care",
        "dataset_path": str(source),
        "export_path": str(target),
        "text_keys": "text",
        "np": processes,
        "use_cache": False,
        "open_tracer": False,
        "process": STEPS,
    }
    recipe.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "install":
        try:
            install(Path(words[0]))
        except RuntimeError as error:
            sys.exit(str(error))
    else:
        source, target, recipe, processes = words
        write_recipe(Path(source), Path(target), Path(recipe), int(processes))
