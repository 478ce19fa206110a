"""The whole order of stages: what is done again and what is not, the same bytes always, and no harm from any death."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from care_data import engines, load_corpus, records, registry, release
from care_data.errors import CareError, Exit
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store, read_manifest

KILLS = Path(__file__).parent / "kills.py"

HELD = """
[outputs.held]
format = "sft"
like   = "sft"
role   = "benchmark"
rows   = "kept_back"
[outputs.quiz]
format = "eval"
role   = "benchmark"
shape  = "pair"
rows   = "kept_back"
fields = { question = "{q}", answer = "{a}" }
"""
HELD_FILES = 'kept_back = { path = "held/test.jsonl", format = "json" }'
HELD_EXAMPLES = """files.kept_back = '{"q": "丙？", "a": "丁。"}'
records.held = [{ instruction = "丙？", output = "丁。" }]
records.quiz = [{ question = "丙？", answer = "丁。" }]"""


def run(shelf, names=(), last="write", data=None, name=None, **changes):
    """Run in this process; the result and the lines of (stage, corpus, fresh) that were reported."""
    told = []
    settings = Settings(Store(data or shelf.data), **{"mirror": str(shelf.mirror), **changes})
    with settings.store.lock():
        result = run_stages(
            registry.select(list(names) or shelf.names),
            settings,
            last,
            lambda corpus, done: told.append((done.manifest.stage, corpus, done.fresh)),
            name,
        )
    return result, told


def fresh(told):
    """What was done, as `stage corpus`."""
    return {f"{stage} {'' if stage == 'release' else corpus}".strip() for stage, corpus, done in told if done}


def shard(result, dataset):
    return pl.concat([pl.read_ipc_stream(path) for path in sorted((result.release / dataset).iterdir())])


@pytest.fixture
def three(shelf, distinct):
    """Three corpora in five files; `low` repeats two of `high`'s pairs and one of its own, `mid` one of each."""
    high, low, mid = distinct("high", 30), distinct("low", 20), distinct("mid", 12)
    shelf.add("high", high[:10], high[10:20], high[20:], priority=90)
    shelf.add("low", [*low, high[3], high[7], low[5]], priority=10)
    shelf.add("mid", [*mid, high[0], low[0]])
    return shelf


# The same bytes


@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_changes_no_byte(three, tmp_path, snapshot, monkeypatch, workers):
    monkeypatch.setattr(release, "SHARD_BYTES", 500)
    one, _ = run(three, data=tmp_path / "one", workers=1)
    monkeypatch.setattr(engines, "SMALL", 0)
    many, _ = run(three, data=tmp_path / "many", workers=workers)
    assert one.release.name == many.release.name
    assert len(snapshot(one.release)) > 8
    assert snapshot(one.release) == snapshot(many.release)
    for stage in ("records", "clean", "unique"):
        assert snapshot(tmp_path / "one" / stage) == snapshot(tmp_path / "many" / stage)


def test_the_order_of_the_corpora_and_the_folder_change_no_byte(three, tmp_path, snapshot):
    first, _ = run(three, data=tmp_path / "a")
    for number, order in enumerate([["mid", "low", "high"], ["low", "high", "mid"]]):
        other, _ = run(three, order, data=tmp_path / f"elsewhere {number}/数据")
        assert snapshot(other.release) == snapshot(first.release)


def test_clock_language_and_hash_seed_change_no_byte(three, care_data, tmp_path, snapshot):
    folders = []
    for number, (zone, language, seed) in enumerate([("UTC", "C", "0"), ("Asia/Shanghai", "zh_CN.UTF-8", "4711")]):
        ended = care_data(
            "run", *random.Random(number).sample(three.names, 3), "--to", tmp_path / str(number), "--json",
            "--mirror", three.mirror, CARE_REGISTRY=three.registry, TZ=zone, LANG=language, LC_ALL=language,
            PYTHONHASHSEED=seed,
        )  # fmt: skip
        assert ended.code == 0, ended.err
        folders.append(Path(ended.json["release"]))
    assert snapshot(folders[0]) == snapshot(folders[1])


def test_nothing_in_a_release_knows_where_it_was_made(three, tmp_path):
    result, _ = run(three)
    for path in result.release.rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes()


def test_manifests_fit_their_schema_and_add_up_over_the_chain(three):
    result, _ = run(three)
    assert sum(len(manifests) for manifests in result.manifests.values()) == 16
    for manifests in result.manifests.values():
        for manifest in manifests.values():
            records.require("manifest", manifest.to_json(), manifest.stage)
    for corpus in three.names:
        chain = [
            result.manifests[stage][corpus].counts["sft"] for stage in ("convert", "clean", "dedupe", "decontaminate")
        ]
        for before, after in pairwise(chain):
            assert after["read"] == before["kept"]
        told = result.manifests["write"][result.release.name].counts[f"{corpus}_sft"]
        assert (told["read"], told["kept"]) == (chain[0]["read"], chain[-1]["kept"])
        assert told["read"] == told["kept"] + sum(told["dropped"].values())
        assert shard(result, f"{corpus}_sft").height == told["kept"]
    counts = result.manifests["write"][result.release.name].counts
    assert {name: (c["read"], c["kept"], c["dropped"]) for name, c in counts.items()} == {
        "high_sft": (30, 30, {}),
        "low_sft": (23, 19, {"exact_duplicate": 4}),  # two of high's, its own again, and mid's of mid's priority
        "mid_sft": (14, 13, {"exact_duplicate": 1}),
    }


# What is done again


def test_a_second_run_does_nothing_and_touches_only_the_releases_manifest(demo, care_data, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(demo[0], folder)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    again = care_data("run", "demo", "--to", folder)
    assert again.code == 0
    assert "Nothing to do: all of it is there already" in again.out
    assert again.err.count(": nothing to do") == 16
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    changed = {path.relative_to(folder).as_posix() for path in after if after[path] != before.get(path)}
    manifest = f"releases/{Path(demo[1].json['release']).name}/manifest.json"
    assert set(after) == set(before)
    assert changed == {".lock", manifest}
    assert after[folder / manifest][1] == before[folder / manifest][1]


def test_a_second_run_in_this_process_reports_nothing_done(three):
    assert fresh(run(three)[1]) == {
        *(
            f"{stage} {corpus}"
            for stage in ("fetch", "convert", "clean", "dedupe", "decontaminate")
            for corpus in three.names
        ),
        "release",
    }
    again, told = run(three)
    assert (fresh(told), again.fresh) == (set(), False)


def change_entry(shelf, name, old, new):
    path = shelf.registry / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_entry_whose_words_change_is_not_done_again_and_the_release_says_the_new_ones(three):
    run(three)
    change_entry(three, "mid", "Invented questions", "Other words")
    result, told = run(three)
    assert fresh(told) == {"release"}
    assert read_manifest(result.release).sources["mid"]["title"].startswith("Other words")


def test_a_changed_output_does_that_corpus_again_and_what_depends_on_it(three):
    run(three)
    change_entry(three, "mid", 'shape  = "pair"', 'shape  = "pair"\nblank  = ["无"]')
    dedupe = {f"{stage} {corpus}" for stage in ("dedupe", "decontaminate") for corpus in three.names}
    assert fresh(run(three)[1]) == {"convert mid", "clean mid", "release", *dedupe}


def test_a_changed_priority_does_only_dedupe_and_release_again(three):
    run(three)
    change_entry(three, "mid", "priority = 50", "priority = 5")
    result, told = run(three)
    assert fresh(told) == {
        "release",
        *(f"{stage} {name}" for stage in ("dedupe", "decontaminate") for name in three.names),
    }
    counts = result.manifests["write"][result.release.name].counts
    assert (counts["low_sft"]["kept"], counts["mid_sft"]["kept"]) == (20, 12)


def test_another_share_of_bad_rows_converts_again(three):
    run(three)
    _, told = run(three, max_bad=0.5)
    assert {f"convert {corpus}" for corpus in three.names} <= fresh(told)
    assert fresh(run(three)[1]) != set()  # the folder holds one setting's records at a time


def test_an_output_asked_for_is_made_and_released(shelf, distinct):
    fields = '{ instruction = "{a}", output = "{q}" }'
    more = f'[outputs.more]\nformat = "sft"\nlike = "sft"\ndefault = false\nfields = {fields}'
    shelf.add(
        "one", distinct("one", 5), more=more, examples='records.more = [{ instruction = "乙。", output = "甲？" }]'
    )
    plain, _ = run(shelf)
    assert sorted(p.name for p in plain.release.iterdir() if p.is_dir()) == ["one_sft"]
    asked, told = run(shelf, outputs=frozenset({"one.more"}))
    assert sorted(p.name for p in asked.release.iterdir() if p.is_dir()) == ["one_more", "one_sft"]
    assert "convert one" in fresh(told)
    assert fresh(run(shelf, outputs=frozenset({"one.more"}))[1]) == set()


def test_checksums_added_to_an_entry_reach_the_release(shelf, distinct, snapshot):
    from care_data.store import sha256_file

    shelf.add("one", distinct("one", 5))
    before, _ = run(shelf)
    assert not read_manifest(before.release).verified
    sha256 = sha256_file(shelf.upstream("one") / "0.jsonl")
    entry = shelf.registry / "one.toml"
    entry.write_text(entry.read_text(encoding="utf-8") + f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{sha256}" }}\n')
    after, told = run(shelf)
    assert read_manifest(after.release).verified
    assert "release" in fresh(told)
    assert snapshot(after.release / "one_sft") == snapshot(before.release / "one_sft")


def test_the_history_of_a_folder_does_not_show_in_a_release(three, tmp_path, snapshot):
    run(three, ["mid"])
    run(three, max_bad=0.3)
    change_entry(three, "low", "priority = 10", "priority = 70")
    run(three)
    change_entry(three, "low", "priority = 70", "priority = 10")
    assert snapshot(run(three)[0].release) == snapshot(run(three, data=tmp_path / "new")[0].release)


# What somebody broke


@pytest.mark.parametrize("place", ["records", "clean", "unique"])
@pytest.mark.parametrize("damage", ["part", "rejects", "manifest", "cut part", "bad manifest", "empty manifest"])
def test_what_was_damaged_is_made_again_as_it_was(three, snapshot, place, damage):
    rows = [{"q": "", "a": ""}, {"q": "多少？", "a": "。"}]  # one row for the rejects of each stage
    with (three.upstream("low") / "0.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    result, _ = run(three, max_bad=1.0)
    before = snapshot(three.data)
    folder = three.data / place / "low"
    parts = sorted(folder.glob("*.parquet"))
    assert [path.name.count("rejects") for path in parts] == [0, 1]
    if damage == "part":
        parts[0].unlink()
    elif damage == "rejects":
        parts[1].unlink()
    elif damage == "manifest":
        (folder / "manifest.json").unlink()
    elif damage == "cut part":
        os.truncate(parts[0], parts[0].stat().st_size // 2)
    else:
        (folder / "manifest.json").write_text("" if damage == "empty manifest" else '{"stage": "clean"}')
    again, told = run(three, max_bad=1.0)
    assert fresh(told) == {f"{ {'records': 'convert', 'clean': 'clean', 'unique': 'dedupe'}[place] } low"} | (
        {f"dedupe {corpus}" for corpus in three.names} if place == "unique" else set()
    )
    assert snapshot(three.data) == before
    assert again.release == result.release


def test_a_damaged_release_is_made_again_as_it_was(three, snapshot):
    result, _ = run(three)
    before = snapshot(three.data)
    for path in [result.release / "low_sft/train-00000-of-00001.arrow", result.release / "manifest.json"]:
        path.unlink()
        assert fresh(run(three)[1]) == {"release"}
        assert snapshot(three.data) == before


def test_a_flipped_byte_of_a_raw_file_is_fetched_again(demo, care_data, tmp_path, snapshot):
    folder = tmp_path / "data"
    shutil.copytree(demo[0], folder)
    before = snapshot(folder)
    path = folder / "raw/demo_consult/package/demo/consultations.csv"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    ended = care_data("run", "demo", "--to", folder)
    assert ended.code == 0
    assert "fetch    demo_consult: 1 files" in ended.err
    assert "convert  demo_consult: nothing to do" in ended.err
    after = snapshot(folder)
    ledger = "raw/demo_consult/fetched.json"  # holds the time of change
    assert {k: v for k, v in after.items() if k != ledger} == {k: v for k, v in before.items() if k != ledger}


def test_a_flipped_byte_of_a_mirrors_file_is_taken_from_the_mirror_again(three, snapshot):
    run(three)
    path = next((three.data / "raw/mid").rglob("0.jsonl"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"q"', b'"r"', 1))
    _, told = run(three)
    assert path.read_bytes() == content
    assert fresh(told) == {"fetch mid"}


def test_a_raw_file_that_was_only_touched_is_not_fetched_again(three):
    run(three, mirror=str(three.mirror))
    for path in (three.data / "raw").rglob("*.jsonl"):
        os.utime(path, ns=(1, 1))
    assert fresh(run(three, mirror=None)[1]) == set()


def test_a_new_upstream_file_does_that_corpus_again(three, distinct):
    run(three)
    (three.upstream("mid") / "1.jsonl").write_text(
        '{"q": "新的问题是什么？", "a": "新的回答就在这里。"}\n', encoding="utf-8"
    )
    result, told = run(three)
    assert {"fetch mid", "convert mid", "clean mid", "release"} <= fresh(told)
    assert "convert low" not in fresh(told)
    assert shard(result, "mid_sft")["output"][-1] == "新的回答就在这里。"


# Benchmarks


def test_benchmark_records_stay_apart_from_training(shelf, distinct):
    train, held = distinct("train", 8), distinct("held", 4)
    shelf.add("one", train, more=HELD, extra_files=HELD_FILES, examples=HELD_EXAMPLES)
    (shelf.upstream("one") / "held").mkdir()
    rows = [*held, train[0]]  # an item that is also a training row stays in the benchmark, and the row goes
    lines = [json.dumps({"q": q, "a": a}, ensure_ascii=False) for q, a in rows]
    (shelf.upstream("one") / "held/test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result, _ = run(shelf)
    info = json.loads((result.release / "dataset_info.json").read_text(encoding="utf-8"))
    assert {name: (entry["care"]["role"], entry["care"]["rows"]) for name, entry in info.items()} == {
        "one_sft": ("train", 7),
        "one_held": ("benchmark", 5),
        "one_quiz": ("benchmark", 5),
    }
    assert set(shard(result, "one_sft")["instruction"]) == {q for q, _ in train[1:]}
    assert shard(result, "one_held")["instruction"].to_list() == [q for q, _ in rows]
    assert shard(result, "one_quiz")["question"].to_list() == [q for q, _ in rows]
    assert set(result.manifests["dedupe"]["one"].counts) == {"sft"}
    ids = [*shard(result, "one_sft")["id"], *shard(result, "one_held")["id"], *shard(result, "one_quiz")["id"]]
    assert len(set(ids)) == 17


def test_a_corpus_of_benchmarks_alone_is_released(shelf, distinct):
    shelf.add("one", distinct("one", 3))
    change_entry(shelf, "one", 'shape  = "pair"', 'shape  = "pair"\nrole = "benchmark"')
    result, _ = run(shelf)
    assert result.manifests["dedupe"]["one"].counts == {}
    assert [p.name for p in (result.release / "one_sft").iterdir()] == ["test-00000-of-00001.arrow"]
    assert fresh(run(shelf)[1]) == set()


# What fails


def test_a_broken_corpus_is_left_out_and_the_others_complete(three):
    (three.upstream("low") / "0.jsonl").write_text("no JSON\n" * 50)
    result, told = run(three)
    assert set(result.failures) == {"low"}
    assert str(result.failures["low"]).startswith("low/")
    assert sorted(p.name for p in result.release.iterdir() if p.is_dir()) == ["high_sft", "mid_sft"]
    assert "convert low" not in fresh(told)
    assert not (three.data / "records/low/manifest.json").exists()


def test_an_error_of_the_system_is_the_corpus_s_own(three, monkeypatch):
    from care_data import pipeline

    def fail(entry, settings):
        raise OSError(errno.EIO, "Input/output error", "/disk/low")

    clean = pipeline._ONE_CORPUS["clean"]
    monkeypatch.setitem(pipeline._ONE_CORPUS, "clean", lambda e, s: fail(e, s) if e.name == "low" else clean(e, s))
    result, _ = run(three)
    assert str(result.failures["low"]) == "/disk/low: input/output error. See to it, then run again."
    assert result.release is not None


@pytest.mark.parametrize("stage", ["convert", "clean", "dedupe", "decontaminate", "write"])
def test_a_full_disk_ends_the_run_and_leaves_what_was_there(three, monkeypatch, snapshot, stage):
    """ENOSPC at every file of the stage: the error is one, what was done before stays, and a rerun completes."""
    order = ["fetch", "convert", "clean", "dedupe", "decontaminate", "write"]
    run(three, last=order[order.index(stage) - 1])
    before = snapshot(three.data)
    fsync = os.fsync

    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CareError) as caught:
        run(three, mirror=None)
    monkeypatch.setattr(os, "fsync", fsync)
    assert (caught.value.code, caught.value.what) == (Exit.LIMIT, "the disk is full")
    assert snapshot(three.data) == before
    result, told = run(three, mirror=None)
    assert fresh(told) == {
        *(f"{late} {corpus}" for late in order[order.index(stage) : -1] for corpus in three.names),
        "release",
    }
    assert result.failures == {}


def test_a_name_that_cannot_be_is_told_before_any_work(three):
    with pytest.raises(CareError) as caught:
        run(three, name="../clean")
    assert caught.value.code == Exit.USAGE
    assert snapshot_names(three.data) == {".lock"}


def snapshot_names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_run_killed_anywhere_and_run_again_is_as_if_never_killed(three, tmp_path):
    """At 16 steps of the run, evenly spread; CARE_KILLS=1000 tries them all."""
    points = int(os.environ.get("CARE_KILLS", "16"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, KILLS, tmp_path / "killed", three.mirror, str(points), *three.names],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120 + 10 * points,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert min(told["steps"]) > 60


# A corpus as a frame


def test_load_corpus_gives_the_records_and_fetches_once(three, distinct):
    frame = load_corpus("high", to=three.data, mirror=str(three.mirror)).collect()
    assert frame["output"].to_list() == [a for _, a in distinct("high", 30)]
    assert frame["id"][10] == "high/sft/1.jsonl#1"
    shutil.rmtree(three.mirror)
    assert load_corpus("high", to=three.data).collect().equals(frame)


def test_load_corpus_says_what_there_is(three):
    with pytest.raises(CareError, match="Did you mean high"):
        load_corpus("hihg", to=three.data)
    with pytest.raises(CareError, match=r"no output named 'rw'.*Outputs are: sft"):
        load_corpus("high", "rw", to=three.data)
