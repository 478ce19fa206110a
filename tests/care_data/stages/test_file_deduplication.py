"""Duplicates among files of rows: what stays is as it was, what goes is told, and the folder is whole or not there.

Run as a program it kills runs: python test_file_deduplication.py FOLDER… (see kill_all below).
"""

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from care_data.duplicates.inputs import Rules
from care_data.errors import CareError
from care_data.stages.file_deduplication import FilesResult, dedupe_files, parse_groups
from care_data.store import read_manifest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "duplicates"))

from references import Row, alter, invent, judge

STEPS = ("fsync", "replace", "unlink", "rmdir", "mkdir", "rename")


def silent(step: str, done: int, total: int | None) -> None:
    pass


def dedupe(*paths: Path, out: Path, on: str | None = "text", workers: int | None = 2, **rules: Any) -> FilesResult:
    id_field = rules.pop("id_field", None)
    groups = parse_groups(on) if on else None
    return dedupe_files(list(paths), groups, Rules(**rules), out, workers, silent, id_field)


def rows_of(seed: int, count: int) -> list[dict[str, str]]:
    """Rows of which about half are copies of others, as they are or altered."""
    rng = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        texts.append(
            alter(rng, rng.choice(texts)) if texts and rng.random() < 0.5 else invent(rng, rng.choice([1, 12, 25]))
        )
    return [{"name": f"n{seed}-{at}", "text": text, "note": f'"{at}", x\n'} for at, text in enumerate(texts)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix
    if kind == ".jsonl":
        # Spaces and orders as only a person writes them: each line has to come out byte for byte.
        forms = [json.dumps, lambda row: json.dumps(row, ensure_ascii=False, separators=(",", " : "))]
        path.write_text("".join(forms[at % 2](row) + "\n" for at, row in enumerate(rows)), encoding="utf-8")
    elif kind == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)
    elif kind == ".parquet":
        pq.write_table(pl.DataFrame(rows).to_arrow(), path, row_group_size=50)
    else:
        pl.DataFrame(rows).write_ipc(path)
    return path


def read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    return (pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ipc(path)).to_dicts()


def expected(
    files: list[tuple[str, list[dict[str, str]]]], groups: list[list[str]], threshold: float = 0.8
) -> pl.DataFrame:
    """removed.parquet by definition: (id, file, row, reason, keeper, keeper_file, keeper_row, jaccard)."""
    rows, places = [], {}
    for rank, (name, content) in enumerate(files):
        for at, record in enumerate(content):
            order = f"{len(rows):06d}"  # of rows of one length the earlier stays
            places[order] = name, at + 1
            rows.append(Row(order, tuple("\n".join(record[field] for field in group) for group in groups), -rank))
    lines = []
    for order, (keeper, share, reason) in sorted(judge(rows, threshold).items()):
        (name, row), (keeper_name, keeper_row) = places[order], places[keeper]
        own = (f"{name}#{row}", name, row, reason)
        lines.append((*own, f"{keeper_name}#{keeper_row}", keeper_name, keeper_row, share))
    return pl.DataFrame(lines, REMOVED, orient="row")


REMOVED = {
    "id": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "reason": pl.String,
    "keeper": pl.String,
    "keeper_file": pl.String,
    "keeper_row": pl.Int64,
    "jaccard": pl.Float64,
}


def check(
    out: Path, files: list[tuple[str, list[dict[str, str]]]], groups: list[list[str]], threshold: float = 0.8
) -> None:
    """Everything in `out` is as the definition has it, and adds up."""
    removed, wanted = pl.read_parquet(out / "removed.parquet"), expected(files, groups, threshold)
    assert removed.schema == pl.Schema(REMOVED)
    assert removed.rows() == wanted.rows()
    gone = set(wanted["id"])
    manifest = read_manifest(out)
    assert manifest is not None
    for name, rows in files:
        stay = [row for at, row in enumerate(rows) if f"{name}#{at + 1}" not in gone]
        assert read(out / "kept" / name) == stay
        own = wanted.filter(file=name)["reason"].value_counts().rows()
        assert manifest.counts[name] == {"read": len(rows), "kept": len(stay), "dropped": dict(own)}
    clusters = pl.read_parquet(out / "clusters.parquet")
    keepers = wanted.select("keeper", "keeper_file", "keeper_row").unique()
    order = {name: at for at, (name, _) in enumerate(files)}
    heads = sorted(keepers.rows(), key=lambda row: (order[row[1]], row[2]))
    assert clusters.rows() == [
        (head, len(members) + 1, [head, *members])
        for head, _, _ in heads
        for members in [wanted.filter(keeper=head)["id"].to_list()]
    ]
    told = {entry["path"]: entry["bytes"] for entry in manifest.files}
    found = {p.relative_to(out).as_posix(): p.stat().st_size for p in out.rglob("*") if p.is_file()}
    assert found == {**told, "manifest.json": (out / "manifest.json").stat().st_size}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "arrow"])
def test_every_kind_of_file_as_by_definition(kind, tmp_path):
    rows = rows_of(1, 160)
    path = write(tmp_path / f"rows.{kind}", rows)
    result = dedupe(path, out=tmp_path / "out")
    assert result.fresh
    check(tmp_path / "out", [(path.name, rows)], [["text"]])
    assert pl.read_parquet(tmp_path / "out/removed.parquet").height > 50
    assert pl.read_parquet(tmp_path / "out/removed.parquet")["reason"].n_unique() == 2
    if kind == "jsonl":
        gone = set(pl.read_parquet(tmp_path / "out/removed.parquet")["row"])
        lines = path.read_bytes().splitlines(keepends=True)
        kept = b"".join(line for at, line in enumerate(lines) if at + 1 not in gone)
        assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == kept


def test_files_of_several_kinds_and_folders(tmp_path):
    made = {"b.csv": rows_of(2, 60), "a/x.jsonl": rows_of(3, 50), "a/y.parquet": [*rows_of(2, 30), *rows_of(3, 30)]}
    for name, rows in made.items():
        write(tmp_path / "in" / name, rows)
    dedupe(tmp_path / "in", out=tmp_path / "out")
    # Files of one path are of one rank: of equal length the earlier row stays.
    flat = [(name, made[name]) for name in sorted(made)]
    assert read_manifest(tmp_path / "out").counts.keys() == made.keys()
    removed = pl.read_parquet(tmp_path / "out/removed.parquet")
    everything = [row for _, rows in flat for row in rows]
    names = [f"{name}#{at + 1}" for name, rows in flat for at in range(len(rows))]
    gone = judge([Row(f"{at:04d}", (row["text"],)) for at, row in enumerate(everything)])
    told = {names[int(at)]: (names[int(keeper)], share, reason) for at, (keeper, share, reason) in gone.items()}
    assert {row[0]: row[1:] for row in removed.select("id", "keeper", "jaccard", "reason").rows()} == told


def test_earlier_paths_win_whatever_the_length(tmp_path):
    rows = rows_of(4, 80)
    longer = [{**row, "text": row["text"] + "。谢谢"} for row in rows]
    one, two = write(tmp_path / "one.jsonl", rows), write(tmp_path / "two.csv", longer)
    dedupe(one, two, out=tmp_path / "out")
    check(tmp_path / "out", [("one.jsonl", rows), ("two.csv", longer)], [["text"]])
    dedupe(two, one, out=tmp_path / "turned")
    check(tmp_path / "turned", [("two.csv", longer), ("one.jsonl", rows)], [["text"]])
    copies = write(tmp_path / "copies/one.jsonl", rows)
    dedupe(copies.parent, one, out=tmp_path / "copied")
    counts = read_manifest(tmp_path / "copied").counts
    assert [each["kept"] == 0 for each in counts.values()] == [False, True]


@pytest.mark.parametrize(("on", "groups"), [("text,note", [["text"], ["note"]]), ("text+name", [["text", "name"]])])
def test_fields_apart_and_joined(on, groups, tmp_path):
    rng = random.Random(7)
    rows = rows_of(5, 80)
    rows = [{**row, "name": "", "note": rng.choice(["多休息", "不要熬夜，早点睡"])} for row in rows]
    path = write(tmp_path / "rows.jsonl", rows)
    dedupe(path, out=tmp_path / "out", on=on)
    check(tmp_path / "out", [("rows.jsonl", rows)], groups)


def test_fields_are_those_of_the_format_unless_named(tmp_path):
    rows = [{"instruction": row["text"], "output": f"{at % 3}号答案是这样的"} for at, row in enumerate(rows_of(6, 90))]
    path = write(tmp_path / "rows.jsonl", rows)
    dedupe(path, out=tmp_path / "out", on=None)
    check(tmp_path / "out", [("rows.jsonl", rows)], [["instruction"], ["output"]])
    assert read_manifest(tmp_path / "out").parameters["fields"] == [["instruction"], ["output"]]


def test_rows_are_named_by_a_field(tmp_path):
    rows = rows_of(8, 60)
    path = write(tmp_path / "rows.csv", rows)
    dedupe(path, out=tmp_path / "out", id_field="name")
    removed = pl.read_parquet(tmp_path / "out/removed.parquet")
    wanted = expected([("rows.csv", rows)], [["text"]])
    assert removed["id"].to_list() == [rows[row - 1]["name"] for row in wanted["row"]]
    assert removed["keeper"].to_list() == [rows[row - 1]["name"] for row in wanted["keeper_row"]]
    assert removed.select("file", "row", "keeper_row", "jaccard").equals(
        wanted.select("file", "row", "keeper_row", "jaccard")
    )


def test_rows_of_equal_length_stay_by_their_place(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"text": "头痛三天怎么办"}] * 12)
    dedupe(path, out=tmp_path / "out")
    removed = pl.read_parquet(tmp_path / "out/removed.parquet")
    assert removed["id"].to_list() == [f"rows.jsonl#{row}" for row in range(2, 13)]
    assert set(removed["keeper"]) == {"rows.jsonl#1"}


def test_without_duplicates_the_tables_are_empty(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"text": "头痛三天"}, {"text": "咳嗽两周"}])
    assert dedupe(path, out=tmp_path / "out").clusters == []
    removed, clusters = (pl.read_parquet(tmp_path / f"out/{name}.parquet") for name in ("removed", "clusters"))
    assert (removed.height, removed.schema) == (0, pl.Schema(REMOVED))
    assert (clusters.height, clusters.columns) == (0, ["keeper", "size", "members"])
    assert (tmp_path / "out/kept/rows.jsonl").read_bytes() == path.read_bytes()


def test_some_clusters_are_shown_with_their_texts(tmp_path):
    text = "高血压病人平时饮食要清淡少盐，按时吃药，每周量两次血压并记录下来。"
    texts = [text, "您好，" + text, text, "咳嗽两周了要不要紧"]
    path = write(tmp_path / "rows.jsonl", [{"text": each} for each in texts])
    (cluster,) = dedupe(path, out=tmp_path / "out").clusters
    assert cluster.size == 3
    assert [(member.id, member.texts) for member in cluster.members] == [
        ("rows.jsonl#2", (texts[1],)),
        ("rows.jsonl#1", (text,)),
        ("rows.jsonl#3", (text,)),
    ]


def test_workers_do_not_matter(tmp_path, snapshot):
    path = write(tmp_path / "rows.jsonl", rows_of(9, 9000))
    dedupe(path, out=tmp_path / "one", workers=1)
    dedupe(path, out=tmp_path / "two", workers=4)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_the_same_again_does_nothing_and_anything_else_does_it_anew(tmp_path, snapshot):
    rows = rows_of(10, 60)
    path, out = write(tmp_path / "rows.jsonl", rows), tmp_path / "out"
    first = dedupe(path, out=out)
    before, time = snapshot(out), (out / "manifest.json").stat().st_mtime_ns
    again = dedupe(path, out=out)
    assert (again.fresh, again.manifest.key) == (False, first.manifest.key)
    assert (out / "manifest.json").stat().st_mtime_ns == time
    assert dedupe(path, out=out, threshold=0.5).fresh
    check(out, [("rows.jsonl", rows)], [["text"]], threshold=0.5)
    assert dedupe(path, out=out).fresh
    assert snapshot(out) == before
    (out / "kept/rows.jsonl").unlink()
    assert dedupe(path, out=out).fresh
    assert snapshot(out) == before
    write(path, rows[:40])
    assert dedupe(path, out=out).fresh
    check(out, [("rows.jsonl", rows[:40])], [["text"]])
    write(path.with_name("more.jsonl"), rows[40:])
    assert dedupe(path, path.with_name("more.jsonl"), out=out).fresh
    assert dedupe(path, out=out).fresh
    assert not (out / "kept/more.jsonl").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@contextmanager
def unchanged(*folders: Path) -> Iterator[None]:
    def look() -> dict[Path, bytes]:
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    before = look()
    yield
    assert look() == before


def test_a_folder_of_other_things_is_refused(tmp_path):
    path, out = write(tmp_path / "in/rows.jsonl", rows_of(11, 10)), tmp_path / "out"
    out.mkdir()
    dedupe(path, out=out)  # an empty folder is nobody's
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with (
        unchanged(tmp_path),
        pytest.raises(CareError, match=r"mine: the folder holds other things, such as letter.txt\. Choose") as caught,
    ):
        dedupe(path, out=tmp_path / "mine")
    assert caught.value.code == 2
    with unchanged(tmp_path), pytest.raises(CareError, match=r"letter.txt: a file, not a folder") as caught:
        dedupe(path, out=tmp_path / "mine/letter.txt")
    assert caught.value.code == 2
    (out / "notes.md").write_text("what I found")
    with unchanged(tmp_path), pytest.raises(CareError, match=r"out: the folder holds other things, such as notes.md"):
        dedupe(path, out=out, threshold=0.5)


def test_a_release_or_a_corpus_is_not_replaced(tmp_path, shelf, up_to, distinct):
    path = write(tmp_path / "rows.jsonl", rows_of(11, 10))
    shelf.add("one", distinct("one", 5))
    up_to("write")
    (release,) = (shelf.data / "releases").iterdir()
    for folder in (release, shelf.data / "unique/one", shelf.data / "raw/one"):
        with unchanged(tmp_path), pytest.raises(CareError, match="the folder holds other things") as caught:
            dedupe(path, out=folder)
        assert caught.value.code == 2


def test_what_is_read_is_not_replaced(tmp_path):
    path, out = write(tmp_path / "rows.jsonl", rows_of(12, 20)), tmp_path / "out"
    dedupe(path, out=out)
    for source in (out / "kept", out / "kept/rows.jsonl"):
        with (
            unchanged(tmp_path),
            pytest.raises(CareError, match=r"--out would replace .*kept/rows.jsonl, which is read"),
        ):
            dedupe(source, out=out)


@pytest.mark.parametrize(
    ("line", "told"),
    [('{"text": "头痛"', "rows.jsonl"), ('{"texts": "头痛"}', "text")],
)
def test_a_bad_row_leaves_what_was_there(line, told, tmp_path):
    path, out = write(tmp_path / "rows.jsonl", rows_of(13, 20)), tmp_path / "out"
    dedupe(path, out=out)
    with unchanged(out):
        path.write_text(line + "\n", encoding="utf-8")
        with pytest.raises(CareError, match=told) as caught:
            dedupe(path, out=out)
        assert caught.value.code in (1, 2)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_what_a_killed_run_left_is_cleared_up_and_what_it_set_aside_comes_back(tmp_path, snapshot):
    path, out = write(tmp_path / "rows.jsonl", rows_of(15, 30)), tmp_path / "out"
    dedupe(path, out=out)
    before = snapshot(out)
    gone = subprocess.Popen(["true"])
    gone.wait()
    out.rename(tmp_path / f".out.tmp-old-{gone.pid}")
    (tmp_path / f".out.tmp-{gone.pid}/kept").mkdir(parents=True)
    (tmp_path / f".out.tmp-{os.getppid()}").mkdir()  # of a run that is still at work
    assert not dedupe(path, out=out).fresh
    assert snapshot(out) == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == [f".out.tmp-{os.getppid()}"]


@pytest.mark.parametrize("on", ["", "text,", "text+,note", "+"])
def test_empty_fields_are_refused(on):
    with pytest.raises(CareError) as caught:
        parse_groups(on)
    assert str(caught.value) == f"--on {on!r} names an empty field. Write field,field; join fields with +."
    assert caught.value.code == 2


def test_fields_are_parted_by_commas_and_joined_by_plus_signs():
    assert parse_groups("instruction + input, output") == [["instruction", "input"], ["output"]]


@pytest.mark.parametrize("again", [False, True])
def test_killed_anywhere_the_folder_is_as_before_or_done(again, tmp_path):
    """At 6 steps, evenly spread, and at all of the last 8; CARE_KILLS=1000 tries them all."""
    write(tmp_path / "in/rows.jsonl", rows_of(14, 300))
    write(tmp_path / "in/more.csv", rows_of(14, 100))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    points = os.environ.get("CARE_KILLS", "6")
    done = subprocess.run(
        [sys.executable, __file__, tmp_path, points, "again" if again else "first"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120 + 10 * int(points),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["killed"] > 8


def look(out: Path) -> dict[str, bytes] | None:
    if not out.exists():
        return None
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def run(folder: Path, last_step: int | None, threshold: float) -> int:
    """Dedupe in a process of its own, killed before step `last_step`; its steps, below 0 if it failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        steps = count(1)

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*values: Any, **named: Any) -> Any:
                if next(steps) == last_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*values, **named)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        code = 1
        try:
            dedupe(folder / "in", out=folder / "out", threshold=threshold)
            code = 0
            os.write(writing, str(next(steps) - 1).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    _, status = os.waitpid(child, 0)
    return int(told) if status == 0 else -abs(os.waitstatus_to_exitcode(status))


def kill_all(folder: Path, points: int, again: bool) -> tuple[int, list[str]]:
    """Kill runs, over nothing or over what other rules made; how many, and what went wrong."""
    out, earlier, wrong = folder / "out", folder / "earlier", []
    if again:
        assert run(folder, None, 0.5) > 0
        os.rename(out, earlier)

    def start() -> None:
        shutil.rmtree(out, ignore_errors=True)
        if again:
            shutil.copytree(earlier, out)

    start()
    steps = run(folder, None, 0.8)
    assert steps > 0, steps
    before, after = look(earlier), look(out)
    chosen = sorted(
        {1 + at * (steps - 1) // max(points - 1, 1) for at in range(points)} | set(range(steps - 7, steps + 1))
    )
    for point in chosen:
        start()
        if run(folder, point, 0.8) != -signal.SIGKILL:
            wrong.append(f"step {point}: not killed")
        # Between the two renames the folder is not there; what it was lies beside it, and comes back with the next run.
        aside = [look(path) for path in folder.glob(".out.tmp-old-*")]
        if look(out) not in (before, after) and not (look(out) is None and aside == [before]):
            wrong.append(f"step {point} of {steps}: the folder is neither as before nor done")
        if run(folder, None, 0.8) < 0:
            wrong.append(f"step {point}: the second run failed")
        if look(out) != after:
            wrong.append(f"step {point}: the second run gave something else")
        wrong += [f"step {point}: {path.name} is left" for path in folder.glob(".*")]
    return len(chosen), wrong


def main() -> None:
    from care_data.store import code_digest

    code_digest()  # once for all runs
    killed, wrong = kill_all(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "again")
    print(json.dumps({"killed": killed, "wrong": wrong}))


if __name__ == "__main__":
    main()
