"""Dataset scripts, as loaders ran them before: refused, unless a person trusts one that lies in the dataset folder."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from care_train.dataset_info.entries import Entry
from care_train.dataset_info.files import confine, hash_file
from care_train.errors import CareError, Exit
from care_train.shards import Rows, read_file

SECONDS = 1800
"""Longest run of a script."""
HELD = {
    "kernel": "by the kernel",
    "interpreter": "by the interpreter alone, which does not stop a program that means harm",
}


def run_script(entry: Entry, *, trusted: bool) -> tuple[Rows, str, list[str]]:
    """(rows, what they came from with its sha256, what was run and what held it). See sandbox.py for what it may do.

    `script_url` is a folder NAME with NAME.py, or the file, inside the dataset folder. Raises CareError: exit 7 unless
    `trusted`, or for a script from elsewhere; 8 for one that takes longer than SECONDS.
    """
    stated = str(entry.keys["script_url"])
    if not trusted:
        fix = (
            "Scripts are programs and are not run: convert the data with care-data or give file_name. If you have read"
            " the script and trust it, --trust_dataset_scripts runs it shut off from network and files."
        )
        raise CareError("script_url is refused", where=entry.name, fix=fix, code=Exit.POLICY)
    if "://" in stated:
        fix = "Read it, and put it and its data into the dataset folder."
        raise CareError("script_url is no file here", where=entry.name, fix=fix, code=Exit.POLICY)
    script = _find_script(entry, stated)
    digest = hash_file(script, "sha256")
    with tempfile.TemporaryDirectory(prefix="care-script-") as work:
        held, seconds = _run(entry, script, digest, work)
        rows = read_file(Path(work) / "examples.jsonl", f"{entry.name}: {script.name}")
    note = (
        f"{entry.name}: ran {script} (sha256 {digest}) in {seconds:.1f} s, {len(rows):,} examples; network shut "
        f"{HELD[held['network']]}; other files shut {HELD[held['files']]}; no environment, no other process"
    )
    return rows, f"script:{stated}@{digest}", [note]


def _find_script(entry: Entry, stated: str) -> Path:
    root = os.path.realpath(entry.folder)
    place = confine(os.path.join(root, stated), root, entry.name, "script_url")
    script = confine(place / f"{place.name}.py", root, entry.name, "script_url") if place.is_dir() else place
    if not script.is_file() or script.suffix != ".py":
        fix = "It names a folder NAME that holds NAME.py."
        raise CareError(f"no script {script.name} in {stated}", where=entry.name, fix=fix)
    return script


def _run(entry: Entry, script: Path, digest: str, work: str) -> tuple[dict[str, str], float]:
    """(what shut off network and files, seconds); what the script gave lies in `work`."""
    asked = {
        "script": str(script), "sha256": digest, "folder": str(script.parent), "work": work, "seconds": SECONDS,
        "subset": entry.keys.get("subset"), "split": entry.keys.get("split") or "train",
    }  # fmt: skip
    alone = {
        "PATH": os.defpath, "HOME": work, "TMPDIR": work, "HF_HOME": work, "LANG": "C.UTF-8",
        "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    program = str(Path(__file__).with_name("sandbox.py"))
    where, started = f"{entry.name}: {script.name}", time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", program, json.dumps(asked)],
            cwd=work, env=alone, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=SECONDS, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        what = f"the script was stopped after {SECONDS:,} s"
        raise CareError(what, where=where, fix="Convert its data to JSON lines once.", code=Exit.LIMIT) from error
    if done.returncode:
        told = Path(work) / "error.txt"
        why = told.read_text(encoding="utf-8").rstrip(".") if told.exists() else f"it ended with {done.returncode}"
        fix = "Mend the script, or convert the data and give file_name."
        raise CareError(f"the script failed ({why})", where=where, fix=fix)
    return json.loads(done.stdout), time.monotonic() - started
