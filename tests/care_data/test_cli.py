"""The command: exit codes, one line for an error, JSON for machines whatever happens, nothing written outside."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from care_data.bars import Bars
from care_data.console import complain, print_json, print_table
from care_data.errors import CareError, Exit

MAIN = "from care_data.cli import main; main()"


@pytest.fixture
def two(shelf, distinct):
    shelf.add("good", distinct("good", 12))
    shelf.add("better", distinct("better", 8))
    return shelf


@pytest.fixture
def at_shelf(care_data, shelf):
    """The command with the shelf's entries and mirror."""

    def run(*words, **environment):
        more = ["--to", shelf.data, "--mirror", shelf.mirror]
        return care_data(*words, *more, CARE_REGISTRY=shelf.registry, **environment)

    return run


def lines(text):
    return [line for line in text.splitlines() if line.startswith("care-data:")]


# What a run tells


def test_the_demo_tells_what_it_did_and_where(demo):
    folder, ended = demo
    assert (ended.code, lines(ended.err)) == (0, [])
    assert f"fetch    demo_consult: 1 files, 24,080 bytes → {folder}/raw/demo_consult" in ended.err
    assert f"convert  demo_consult: 151 read, 146 kept → {folder}/records/demo_consult" in ended.err
    told = ended.json
    assert told["release"].startswith(f"{folder}/releases/demo-")
    assert (told["fresh"], told["failures"]) == (True, {})
    assert set(told["stages"]) == {"fetch", "convert", "clean", "dedupe", "decontaminate", "write"}
    counts = next(iter(told["stages"]["write"].values()))["counts"]
    assert sum(c["read"] for c in counts.values()) == 321
    assert sum(c["kept"] for c in counts.values()) == 292


def test_the_table_of_a_run_adds_up(demo, care_data, tmp_path):
    shutil.copytree(demo[0], tmp_path / "data")
    ended = care_data("write", "demo", "--to", tmp_path / "data")
    assert "all 321 292 29 read = kept + dropped" in " ".join(ended.out.split())
    assert "3 exact_duplicate, 2 blank_output, 2 near_duplicate" in ended.out
    assert (
        ended.out.rstrip().splitlines()[-1]
        == f"Release: {tmp_path}/data/releases/" + demo[1].json["release"].rsplit("/")[-1]
    )


def test_a_stage_stops_there_and_names_the_next(two, at_shelf):
    ended = at_shelf("convert", "good")
    assert ended.code == 0
    assert "good/sft     12     12         0   –" in ended.out
    assert ended.out.rstrip().endswith(f"Next: care-data clean good --to {two.data}")
    assert sorted(p.name for p in two.data.iterdir()) == [".lock", "raw", "records"]


def test_a_mirrors_release_is_called_unverified(two, at_shelf):
    ended = at_shelf("run", "good", "--name", "mine")
    assert ended.out.rstrip().splitlines()[-2:] == [
        "Unverified: some files are not the pinned ones of upstream, or nothing pins them.",
        f"Release: {two.data}/releases/mine",
    ]


def test_a_release_of_other_corpora_is_not_replaced(two, at_shelf):
    assert at_shelf("run", "good", "--name", "mine").code == 0
    before = (two.data / "releases/mine/manifest.json").read_bytes()
    ended = at_shelf("run", "demo", "--name", "mine")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        "care-data: a release 'mine' of good is there. Choose another --name, or remove it."
    )
    assert (two.data / "releases/mine/manifest.json").read_bytes() == before


def test_version_and_a_group_where_one_corpus_is_wanted(care_data):
    assert care_data("--version").out == "care-data 0.1.0\n"
    shown = care_data("show", "demo")
    assert shown.code == 2
    assert shown.err.startswith("care-data: 'demo' is a group. Name one of it: demo_consult, ")


# The catalogue


def test_list_names_every_corpus(care_data):
    from care_data import registry

    told = care_data("list", "--json").json["corpora"]
    assert [row["name"] for row in told] == registry.names()
    demo = next(row for row in told if row["name"] == "demo_preference")
    assert (demo["formats"], demo["language"], demo["license"], demo["group"]) == (["rw"], ["zh"], "Apache-2.0", "demo")
    uses = {row["name"]: row["use"] for row in told}
    assert (uses["demo_preference"], uses["cmedqa2"], uses["cmb"]) == ("commercial", "research", "unclear")
    table = care_data("list").out
    assert all(row["name"] in table for row in told)


def test_show_prints_the_entry(care_data):
    told = care_data("show", "demo_consult", "--toml")
    assert told.out.startswith("# registry/demo_consult.toml\ntitle    = ")
    sheet = care_data("show", "demo_consult").out
    assert sheet.split("\n")[1].split() == ["corpus", "demo_consult,", "one", "of", "the", "group", "demo"]
    assert "\nExample\n" in sheet
    assert care_data("show", "demo_consult", "--json").json["files"]["pairs"]["encoding"] == "gb18030"


def test_show_goes_on_where_the_example_makes_nothing(shelf, care_data, distinct):
    shelf.add("one", distinct("one", 1))
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8")
    entry.write_text(text[: text.index("[example]")] + "[example]\nfiles = {}\nrecords.sft = []\n", encoding="utf-8")
    told = care_data("show", "one", CARE_REGISTRY=shelf.registry)
    assert told.code == 0
    assert told.err.startswith("care-data: one: example.files has no ")
    assert "\nOutputs\n" in told.out


def test_check_tells_an_entry_whose_example_lies(shelf, care_data, distinct):
    shelf.add("one", distinct("one", 1))
    entry = shelf.registry / "one.toml"
    assert care_data("check", "one", CARE_REGISTRY=shelf.registry).out == "1 entries checked, 1 as they say.\n"
    entry.write_text(entry.read_text(encoding="utf-8").replace('output = "乙。"', 'output = "丙。"'), encoding="utf-8")
    ended = care_data("check", entry)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "one: example.records.sft: record 1: output is '乙。', not '丙。'",
        "1 entries checked, 0 as they say.",
    ]
    assert care_data("check", entry, "--json").json["problems"].keys() == {"one"}


# Usage


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["run", "demo_consut"],
            "no corpus named 'demo_consut'. Did you mean demo_consult? `care-data list` shows all.",
        ),
        (
            ["run", "demo", "--output", "demo_consult.rw"],
            "no output 'demo_consult.rw'. Outputs are: demo_consult.sft, ",
        ),
        (["run", "demo", "--nonsense"], "No such option: --nonsense"),
        (["run"], "no corpus named. Name corpora or groups, or say --all."),
        (["run", "demo", "--workers", "0"], "Invalid value for '--workers'"),
        (["run", "demo", "--max-bad", "1.1"], "Invalid value for '--max-bad'"),
        (["run", "demo", "--max-bad", "nan"], "Invalid value for '--max-bad'"),
        (["rum", "demo"], "No such command 'rum'"),
        (["show", "nowhere"], "no corpus named 'nowhere'."),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_word_is_one_line_and_exit_code_2(care_data, tmp_path, words, said):
    to = ["--to", tmp_path / "data"] if "demo" in " ".join(words) and words[0] == "run" else []
    ended = care_data(*words, *to)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert len(lines(ended.err)) == 1
    assert not list(tmp_path.glob("data/*/*"))


def test_no_command_shows_the_help(care_data):
    ended = care_data()
    assert ended.code == 2
    assert "Usage" in ended.out + ended.err
    assert lines(ended.err) == []


@pytest.mark.parametrize(
    "name",
    ["../x", "../pyproject", "a/b", "/etc/passwd", "a\nb", "\x1b[31mred", "..", "", "x" * 300, "\udcff", "_defaults"],
)
def test_a_hostile_name_of_a_corpus_is_refused_and_escaped(care_data, tmp_path, name):
    ended = care_data("run", os.fsencode(name).decode("utf-8", "surrogateescape"), "--to", tmp_path / "data", "--json")
    assert (ended.code, ended.json["code"]) == (2, 2)
    assert ended.json["error"].startswith("no corpus named ")
    assert ended.err.count("\n") == 1
    assert ended.err.rstrip("\n").isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "a/b", "/x", "a\nb", "\x1b]8;;x", "x" * 300, "{0.__class__}", "$(x)"]
)
def test_a_hostile_name_of_a_release_is_refused_and_escaped(care_data, tmp_path, name):
    ended = care_data("run", "demo_consult", "--to", tmp_path / "data", "--json", "--name", name)
    assert (ended.code, ended.json["code"]) == (2, 2)
    assert "cannot name a folder" in ended.err
    assert ended.err.rstrip("\n").isprintable()
    assert [p.name for p in (tmp_path / "data").rglob("*")] == [".lock"]


@pytest.fixture
def litter(shelf, distinct):
    """A registry of one good entry, one misnamed, one that is not TOML, and one that breaks the schema."""
    shelf.add("one", distinct("one", 1))
    good = (shelf.registry / "one.toml").read_text(encoding="utf-8")
    (shelf.registry / "a b\x1b.toml").write_text(good, encoding="utf-8")
    (shelf.registry / "torn.toml").write_text('title = "Torn', encoding="utf-8")
    (shelf.registry / "bare.toml").write_text('title = "Bare"', encoding="utf-8")
    return shelf


def test_files_that_are_no_entries_are_told_and_stop_nobody_else(litter, care_data):
    named = "care-data: registry: 'a b\\x1b' cannot name a corpus."
    torn, bare = "care-data: registry/torn.toml: not TOML: ", "care-data: registry/bare.toml: "
    listed = care_data("list", "--json", CARE_REGISTRY=litter.registry)
    assert listed.code == 0
    assert {"one", "cmb"} <= {row["name"] for row in listed.json["corpora"]}
    assert [[line.startswith(start) for line in lines(listed.err)] for start in (named, torn, bare)] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    more = ["--to", litter.data, "--mirror", litter.mirror]
    ran = care_data("convert", "one", *more, CARE_REGISTRY=litter.registry)
    assert (ran.code, len(lines(ran.err))) == (0, 2)
    ran = care_data("convert", "one", "torn", "bare", *more, "--json", CARE_REGISTRY=litter.registry)
    assert (ran.code, set(ran.json["failures"]), set(ran.json["stages"]["convert"])) == (3, {"torn", "bare"}, {"one"})
    assert lines(ran.err)[-1] == "care-data: torn, bare are left out."
    assert care_data("fetch", "bare", *more, CARE_REGISTRY=litter.registry).code == 1


def test_check_counts_files_that_are_no_entries(litter, care_data):
    ended = care_data("check", "--json", CARE_REGISTRY=litter.registry)
    assert ended.code == 1
    assert set(ended.json["problems"]) == {"torn", "bare", "registry"}
    assert ended.json["problems"]["registry"][0].startswith("registry: 'a b\\x1b' cannot name a corpus.")
    assert care_data("check", "one", CARE_REGISTRY=litter.registry).code == 0
    misnamed = care_data("check", litter.registry / "a b\x1b.toml")
    assert misnamed.code == 1
    assert misnamed.err.startswith("care-data: registry: 'a b\\x1b' cannot name a corpus.")


def test_a_folder_of_entries_that_is_not_there_is_told(care_data, tmp_path):
    said = f"CARE_REGISTRY names '{tmp_path}/mine', which is no folder. Create it, or correct the variable."
    ended = care_data("list", CARE_REGISTRY=tmp_path / "mine")
    assert (ended.code, lines(ended.err)) == (0, [f"care-data: {said}"])
    assert care_data("check", "--json", CARE_REGISTRY=tmp_path / "mine").json["problems"] == {"registry": [said]}


def test_the_home_folder_is_found(care_data, tmp_path):
    assert care_data("fetch", "demo_consult", "--to", "~/there", HOME=tmp_path).code == 0
    assert (tmp_path / "there/raw/demo_consult/manifest.json").is_file()


# What fails


def test_one_broken_corpus_of_three_is_left_out(two, at_shelf, distinct):
    two.add("broken", distinct("broken", 5))
    (two.upstream("broken") / "0.jsonl").write_text("{\n" * 10)
    ended = at_shelf("run", "good", "broken", "better", "--json")
    assert ended.code == 3
    told = ended.json
    assert (set(told["failures"]), told["failures"]["broken"]["code"]) == ({"broken"}, 1)
    assert set(told["stages"]["write"].popitem()[1]["counts"]) == {"good_sft", "better_sft"}
    assert lines(ended.err)[0].startswith("care-data: broken/")
    assert lines(ended.err)[1:] == ["care-data: broken is left out."]
    again = at_shelf("run", "good", "broken", "better")
    assert again.code == 3
    assert "Nothing to do" not in again.out


def test_all_broken_is_the_first_ones_code(two, at_shelf, care_data, shelf):
    shutil.rmtree(two.upstream("good"))
    (two.upstream("better") / "0.jsonl").write_text("{\n" * 10)
    ended = at_shelf("run", "good", "better", "--json")
    assert (ended.code, set(ended.json["failures"])) == (1, {"good", "better"})
    assert ended.json["release"] is None
    secret = shelf.registry / "secret.toml"
    text = (shelf.registry / "good.toml").read_text(encoding="utf-8")
    secret.write_text(
        text.replace("github:test/good", "manual:nowhere.invalid/x").replace("@01", "/01"), encoding="utf-8"
    )
    ended = care_data("run", "secret", "--to", shelf.data, "--json", CARE_REGISTRY=shelf.registry)
    assert ended.code == ended.json["failures"]["secret"]["code"] == 5


def test_a_wrong_checksum_in_the_package_is_exit_code_4(shelf, care_data):
    from care_data.resources import resource_folder

    shelf.registry.mkdir()
    text = (resource_folder("registry") / "demo_consult.toml").read_text(encoding="utf-8")
    (shelf.registry / "demo_consult.toml").write_text(text.replace("11d9b41c", "11d9b41d"), encoding="utf-8")
    ended = care_data("run", "demo_consult", "--to", shelf.data, CARE_REGISTRY=shelf.registry)
    assert ended.code == 4
    assert "demo_consult/pairs: consultations.csv of the installed package is not what was pinned" in ended.err


@pytest.mark.parametrize("words", [["list"], ["show", "x"], ["run", "x"], ["run"], ["check", "x.toml"], ["--nope"]])
def test_stdout_is_json_and_nothing_else_whatever_happens(care_data, tmp_path, words):
    ended = care_data(*words, "--json", CARE_DATA=tmp_path / "data")
    assert isinstance(ended.json, dict)
    assert ("error" in ended.json) == (ended.code != 0)
    assert ended.json.get("code", 0) == ended.code


def test_a_bug_is_one_line_and_a_traceback_only_when_asked_for(care_data, tmp_path):
    program = "import care_data.registry as r\ndef select(*_): raise KeyError('oops')\nr.select = select\n" + MAIN
    ended = care_data("run", "demo", "--to", tmp_path, "--json", program=program)
    assert ended.code == ended.json["code"] == 70
    assert ended.err == "care-data: KeyError: 'oops'. This is a bug; run with --debug and report it.\n"
    ended = care_data("--debug", "run", "demo", "--to", tmp_path, "--json", program=program)
    assert ended.code == ended.json["code"] == 70
    assert "Traceback (most recent call last)" in ended.err
    assert "line 2, in select" in ended.err


def test_the_traceback_of_a_corpus_left_out_is_shown_when_asked_for(two, care_data):
    (two.upstream("good") / "0.jsonl").write_text("{\n" * 10)
    words = ["run", "good", "--to", two.data, "--mirror", two.mirror]
    assert "Traceback" not in care_data(*words, CARE_REGISTRY=two.registry).err
    debug = care_data("--debug", *words, CARE_REGISTRY=two.registry).err
    assert debug.count("Traceback (most recent call last)") >= 1
    assert "conversion.py" in debug


def test_a_data_folder_that_cannot_be_is_one_line(care_data, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ["file", "file/below"]:
        ended = care_data("run", "demo", "--to", tmp_path / place, "--json")
        assert (ended.code, ended.json["code"]) == (1, 1)
        assert ended.err.count("\n") == 1
        assert str(tmp_path / "file") in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_one_line(care_data, tmp_path):
    tmp_path.chmod(0o555)
    ended = care_data("run", "demo", "--to", tmp_path / "data")
    tmp_path.chmod(0o755)
    assert ended.code == 1
    assert "no permission to read or write. Choose another folder with --to." in ended.err


def test_a_second_run_beside_the_first_names_it(care_data, tmp_path):
    hold = (
        "import sys, time\nfrom pathlib import Path\nfrom care_data.store import Store\n"
        "with Store(Path(sys.argv[1])).lock():\n    print('held', flush=True)\n    time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, env=environment) as first:
        assert first.stdout.readline() == b"held\n"
        ended = care_data("run", "demo", "--to", tmp_path, "--json")
        first.kill()
    assert ended.code == 1
    assert f"the data folder is in use by process {first.pid} on " in ended.json["error"]
    assert care_data("fetch", "demo", "--to", tmp_path).code == 0


def test_a_terminal_that_knows_only_ascii_gets_a_table_and_json(demo, care_data, tmp_path):
    shutil.copytree(demo[0], tmp_path / "data")
    ended = care_data("run", "demo", "--to", tmp_path / "data", PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert "demo_preference_rw" in ended.out
    listed = care_data("list", "--json", PYTHONIOENCODING="ascii")
    assert listed.out.isascii()
    assert listed.json == care_data("list", "--json").json


def test_a_data_folder_named_in_another_encoding_is_written_to(care_data, tmp_path):
    folder = os.fsencode(tmp_path) + "/数据".encode("gb18030")
    for more in (["--json"], []):
        ended = care_data("fetch", "demo", "--to", os.fsdecode(folder), *more)
        assert ended.code == 0, ended.err
    assert sorted(os.listdir(folder)) == [b".lock", b"raw"]


# A full disk, an interrupt


LIMITED = "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop()),) * 2)\n" + MAIN


@pytest.mark.parametrize(
    ("before", "limit"), [("fetch", 3000), ("convert", 3000), ("clean", 3000), ("dedupe", 3000)], ids=str
)
def test_a_full_disk_is_one_line_and_exit_code_8_and_harms_nothing(demo, care_data, tmp_path, snapshot, before, limit):
    """Files may not grow beyond a limit: the next stage fails at its first part, and what was done stays."""
    data = tmp_path / "data"
    kept = {"fetch": ["raw"], "convert": ["raw", "records"], "clean": ["raw", "records", "clean"]}
    for folder in kept.get(before, ["raw", "records", "clean", "unique"]):
        shutil.copytree(demo[0] / folder, data / folder)
    there = snapshot(data)
    ended = care_data("run", "demo", "--to", data, "--json", limit, program=LIMITED)
    assert (ended.code, ended.json["code"]) == (8, 8)
    assert len(lines(ended.err)) == 1
    assert "the disk is full. Free some space and run again; it resumes." in ended.err
    assert "Traceback" not in ended.err
    assert snapshot(data) == there
    again = care_data("run", "demo", "--to", data, "--json")
    assert (again.code, again.json["fresh"]) == (0, True)
    assert snapshot(data) == snapshot(demo[0])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root mounts a small disk")
@pytest.mark.parametrize("kilobytes", [80, 200])
def test_a_disk_that_really_is_full(demo, care_data, tmp_path, kilobytes, snapshot):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        ended = care_data("run", "demo", "--to", disk / "data", "--json")
        assert ended.code == 8
        assert "the disk is full" in ended.err
        assert "Traceback" not in ended.err
        assert [name for name in snapshot(disk) if ".tmp-" in name] == []
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert care_data("run", "demo", "--to", disk / "data", "--json").code == 0
        ledgers = {name for name in snapshot(disk / "data") if name.endswith("fetched.json")}
        found, expected = snapshot(disk / "data"), snapshot(demo[0])
        assert {k: v for k, v in found.items() if k not in ledgers} == {
            k: v for k, v in expected.items() if k not in ledgers
        }
    finally:
        subprocess.run(["umount", disk], check=True)


INTERRUPTED = (
    "import os, signal, sys\n"
    "number, at = map(int, sys.argv.pop().split(':'))\n"
    "replace, calls = os.replace, []\n"
    "def counted(*paths):\n"
    "    calls.append(paths)\n"
    "    if len(calls) == at: os.kill(os.getpid(), number)\n"
    "    replace(*paths)\n"
    "os.replace = counted\n" + MAIN
)


@pytest.mark.parametrize(
    ("number", "at"), [(signal.SIGINT, 1), (signal.SIGINT, 25), (signal.SIGINT, 47), (signal.SIGTERM, 9)]
)
def test_an_interrupted_run_stops_cleanly_and_goes_on(demo, care_data, tmp_path, snapshot, number, at):
    ended = care_data("run", "demo", "--to", tmp_path, "--json", f"{int(number)}:{at}", program=INTERRUPTED)
    assert (ended.code, ended.json) == (130, {"error": "interrupted; run again to go on.", "code": 130})
    assert lines(ended.err) == ["care-data: interrupted; run again to go on."]
    assert ended.err.endswith("\ncare-data: interrupted; run again to go on.\n") or ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert [name for name in snapshot(tmp_path) if ".tmp" in name] == []
    assert care_data("run", "demo", "--to", tmp_path).code == 0
    found, expected = snapshot(tmp_path), snapshot(demo[0])
    assert {k: v for k, v in found.items() if "fetched" not in k} == {
        k: v for k, v in expected.items() if "fetched" not in k
    }


def test_a_closed_pipe_is_no_error(care_data):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "care_data.cli", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert b"Traceback" not in process.stderr.read()


# How it talks


def test_json_is_printed_whatever_it_holds(capsys):
    print_json({"a": "头\x1b", "b": "\udcff"})
    assert json.loads(capsys.readouterr().out) == {"a": "头\x1b", "b": "\udcff"}


def test_an_error_is_one_line_without_what_a_terminal_obeys(capsys):
    complain("a\x1b[31m\r\n\u202e头\udcff\u2028b")
    assert capsys.readouterr().err == "care-data: a\\x1b[31m\\r\\n\\u202e头\\udcff\\u2028b\n"


def test_no_column_vanishes_where_there_is_little_room(capsys):
    print_table(["corpus", "files", "state", "from"], [["x" * 60, "1,000", "verified", "github"]], {1}, width=40)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 40
    assert {"1,000", "verified", "github"} <= set(shown.split())
    assert shown.count("x") == 60


def test_bars_of_a_fetch_count_bytes_and_corpora(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Bars(2) as bars:
        bars.advance("fetch", "one", 1_500, 3_000)
        bars.advance("fetch", "two", 500, None)
        told = {task.description: (task.fields["amount"], task.visible) for task in bars._bar.tasks}
        bars.end("fetch", "one")
        after = {task.description: (task.fields["amount"], task.visible) for task in bars._bar.tasks}
    assert told == {
        "fetch one": ("1.5 kB of 3.0 kB", True),
        "fetch two": ("500 bytes", True),
        "fetch all 2": ("2.0 kB, 0 of 2", True),
    }
    assert (after["fetch one"][1], after["fetch all 2"][0]) == (False, "2.0 kB, 1 of 2")


def test_bars_are_for_terminals(capsys, monkeypatch):
    with Bars() as bars:
        bars.advance("clean", "one", 1, 2)
        bars.say("clean one [red]")
    assert capsys.readouterr().err == "clean one [red]\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Bars() as bars:
        bars.advance("clean", "one", 1, 2)
        bars.advance("clean", "one", 2, 2)
        bars.say("clean one [red]")
        assert len(bars._tasks) == 1
    assert "clean one [red]" in capsys.readouterr().err


def test_an_error_crosses_to_another_process_whole():
    import pickle

    error = CareError("what", where="file", fix="Do.", code=Exit.LIMIT, fatal=True)
    other = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert vars(other) == vars(error)
    assert str(other.within("one")) == "one/file: what. Do."
    assert (other.within("one").code, other.within("one").fatal) == (Exit.LIMIT, True)


def test_exit_codes_are_those_promised():
    assert {code.name: int(code) for code in Exit} == {
        "DONE": 0,
        "DATA": 1,
        "USAGE": 2,
        "PARTIAL": 3,
        "INTEGRITY": 4,
        "MANUAL": 5,
        "NETWORK": 6,
        "POLICY": 7,
        "LIMIT": 8,
        "BUG": 70,
        "INTERRUPTED": 130,
    }
