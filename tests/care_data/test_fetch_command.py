"""`care-data fetch` as people use it: what it would do, what it did, what it cannot, how it ends."""

import json
import re
import signal

import pytest

from care_data import registry
from care_data.errors import CareError, Exit
from care_data.stages import Settings
from care_data.stages.plans import plan_corpora
from care_data.store import Store
from care_data.summaries import FETCH_HEADER, fetched_cells, plan_cells

MAIN = "from care_data.cli import main; main()"

MANUAL = """
title    = "Invented questions behind a login"
from     = "manual:https://login.invalid/set/7"
license  = { id = "unknown", terms = "ask first", use = "unclear", redistribute = false }
citation = "none"
[files]
pairs = { path = "set/pairs.jsonl", format = "json" }
held  = { path = "set/held.jsonl", format = "json", optional = true }
[outputs.sft]
shape  = "pair"
rows   = "pairs"
fields = { instruction = "{q}", output = "{a}" }
[checksums.pairs]
"set/pairs.jsonl" = { sha256 = "SHA", bytes = 34 }
[example]
files.pairs = '{"q": "甲？", "a": "乙。"}'
files.held = '{"q": "甲？", "a": "乙。"}'
records.sft = [{ instruction = "甲？", output = "乙。" }]
"""
ROW = '{"q": "丙丁？", "a": "戊。"}\n'.encode()


@pytest.fixture
def fetch(upstream, care_data):
    """The command `fetch` with the shelf's entries and the server."""

    def run(*words, program="", **environment):
        words = ["fetch", *words, "--to", upstream.shelf.data]
        return care_data(*words, program=program, **{**upstream.environment, **environment})

    return run


@pytest.fixture
def three(upstream, distinct):
    for name in ("ash", "birch", "cedar"):
        upstream.shelf.add(name, distinct(name, 12), distinct(name, 8, 12))
        upstream.publish(name)
    return upstream


@pytest.fixture
def locked(upstream):
    """A corpus that only a person can fetch, and where its file belongs."""
    import hashlib

    assert len(ROW) == 34
    upstream.shelf.registry.mkdir(exist_ok=True)
    text = MANUAL.replace("SHA", hashlib.sha256(ROW).hexdigest())
    (upstream.shelf.registry / "locked.toml").write_text(text, encoding="utf-8")
    return upstream.shelf.data / "raw/locked/manual/login.invalid/set/7"


def table(text):
    """The rows of a table as lists of words."""
    return [line.split() for line in text.splitlines() if line.strip() and "──" not in line]


def complaints(ended):
    return [line for line in ended.err.splitlines() if line.startswith("care-data: ")]


# What would be done


def test_a_dry_run_asks_nobody_and_writes_nothing(three, fetch):
    ended = fetch("ash", "birch", "--dry-run")
    assert (ended.code, ended.err, three.server.log, three.shelf.data.exists()) == (0, "", [], False)
    rows = table(ended.out)
    assert rows[0] == ["corpus", "files", "bytes", "there", "licence", "share", "from", "needs"]
    assert rows[1] == ["ash", "*", "?", "–", "MIT", "yes", "github", "–"]
    assert "  ash: *.jsonl" in ended.out.splitlines()
    assert ended.out.splitlines()[-1].startswith("To fetch: 0 bytes and what is not known (?); free at ")


def test_a_dry_run_knows_what_was_fetched_and_what_is_pinned(three, fetch):
    assert fetch("ash").code == 0
    entry = three.shelf.registry / "birch.toml"
    with entry.open("a", encoding="utf-8") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{"0" * 64}", bytes = 2500 }}\n')
    asked = len(three.server.log)
    told = fetch("ash", "birch", "cedar", "--dry-run", "--json")
    plans = told.json["corpora"]
    size = sum(path.stat().st_size for path in three.shelf.upstream("ash").iterdir())
    assert [(f["path"], f["there"]) for f in plans["ash"]["files"]] == [("0.jsonl", True), ("1.jsonl", True)]
    assert (plans["ash"]["bytes_there"], plans["ash"]["bytes_missing"]) == (size, 0)
    assert (plans["birch"]["bytes_missing"], plans["birch"]["complete"]) == (2500, True)
    assert (plans["cedar"]["files"][0]["path"], plans["cedar"]["complete"]) == ("*.jsonl", False)
    assert (told.json["bytes_known"], told.json["bytes_missing"], told.json["complete"]) == (size + 2500, 2500, False)
    assert (told.code, len(three.server.log)) == (0, asked)
    shown = table(fetch("ash", "birch", "cedar", "--dry-run").out)
    assert [row[-5] for row in shown[1:4]] == ["all", "–", "–"]
    assert shown[4][:2] == ["all", "3"]


def test_a_dry_run_of_a_mirror_tells_what_is_in_it(three, fetch):
    (three.shelf.upstream("cedar") / "0.jsonl").unlink()
    (three.shelf.upstream("cedar") / "1.jsonl").unlink()
    told = fetch("ash", "cedar", "--dry-run", "--mirror", three.shelf.mirror, "--json").json["corpora"]
    size = sum(path.stat().st_size for path in three.shelf.upstream("ash").iterdir())
    assert (told["ash"]["bytes_missing"], told["ash"]["needs"], told["ash"]["sources"]) == (size, [], ["mirror"])
    assert told["cedar"]["needs"] == ["not in the mirror"]
    assert three.server.log == []


def test_a_dry_run_of_the_whole_registry(care_data, tmp_path):
    ended = care_data("fetch", "--all", "--dry-run", "--json", "--to", tmp_path / "data")
    names = [name for name in registry.names() if not name.startswith("demo_")]
    assert (ended.code, list(ended.json["corpora"])) == (0, names)
    plans = ended.json["corpora"]
    assert plans["chip_mdcfnpc"]["needs"] == ["by hand"]
    assert plans["meddg"]["needs"] == ["by hand (optional)"]
    assert plans["zysj"]["needs"] == ["permission (optional)"]
    told = {"id": "MIT", "use": "research", "redistribute": True}
    assert plans["toyhom_dialogue"]["license"].items() >= told.items()
    assert {f["path"] for f in plans["cmb"]["files"]} == {"data/CMB.zip", "data/CMB-test-choice-answer.json"}
    assert not (tmp_path / "data").exists()
    shown = care_data("fetch", "--all", "--dry-run", "--to", tmp_path / "data").out
    assert [row[0] for row in table(shown)[1:]][: len(names) + 1] == [*names, "all"]


def test_a_part_of_a_file_counts_as_there(three, fetch):
    from care_data.sources.partials import hold

    with (three.shelf.registry / "ash.toml").open("a", encoding="utf-8") as file:
        file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{"0" * 64}", bytes = 1000 }}\n')
    local = "github/test/ash@0123456789abcdef0123456789abcdef01234567/0.jsonl"
    with hold(three.shelf.data / "raw/ash", local) as part:
        part.write(bytes(300))
    told = fetch("ash", "--dry-run", "--json").json["corpora"]["ash"]
    assert (told["bytes_there"], told["bytes_missing"]) == (300, 700)


# By hand


def test_files_to_fetch_by_hand_are_asked_for_with_all_there_is_to_know(locked, fetch):
    ended = fetch("locked")
    lines = ended.err.splitlines()
    assert ended.code == 5
    assert lines[0] == (
        f"care-data: locked: some files have to be fetched by hand: get set/pairs.jsonl from https://login.invalid/set/7"
        f" into {locked}. Then run again; or use --mirror FOLDER, where a folder laid out by source holds them."
    )
    assert lines[1:4] == [
        "    licence  unknown (ask first), read it at https://login.invalid/set/7",
        f"    file     {locked}/set/pairs.jsonl  34 bytes",
        f"    file     {locked}/set/held.jsonl  size not known, optional",
    ]
    assert ["locked", "–", "–", "–", "left", "out", "(5)", "–", "–"] in table(ended.out)
    assert fetch("locked", "--json").json["failures"]["locked"]["details"] == [line[4:] for line in lines[1:4]]


def test_the_same_command_takes_the_files_once_they_are_there(locked, fetch, upstream, care_data):
    (locked / "set").mkdir(parents=True)
    (locked / "set/pairs.jsonl").write_bytes(ROW[:-2] + b" \n")
    wrong = fetch("locked")
    assert wrong.code == 4
    assert "is not what was pinned: sha256 is " in wrong.err
    assert (locked / "set/pairs.jsonl").read_bytes() == ROW[:-2] + b" \n"
    (locked / "set/pairs.jsonl").write_bytes(ROW)
    right = fetch("locked", "--json")
    assert (right.code, right.json["fetched"]["locked"]["verified"]) == (0, True)
    ended = care_data("convert", "locked", "--to", upstream.shelf.data, "--json", **upstream.environment)
    assert ended.json["stages"]["convert"]["locked"]["counts"]["sft"]["kept"] == 1


def test_one_corpus_to_fetch_by_hand_does_not_stop_the_others(locked, three, fetch):
    ended = fetch("ash", "locked", "birch", "--json")
    assert (ended.code, set(ended.json["fetched"]), set(ended.json["failures"])) == (3, {"ash", "birch"}, {"locked"})


# The disk


SMALL = "import shutil\nshutil.disk_usage = lambda path: type('', (), {'free': 1200})()\n" + MAIN


def test_a_disk_too_small_is_told_before_anything_is_asked_for(three, fetch):
    for name in ("ash", "birch"):
        with (three.shelf.registry / f"{name}.toml").open("a", encoding="utf-8") as file:
            file.write(f'[checksums.pairs]\n"0.jsonl" = {{ sha256 = "{"0" * 64}", bytes = 1000 }}\n')
    ended = fetch("ash", "birch", "cedar", "--json", program=SMALL)
    said = (
        "the disk is too small for 3 corpora: at least 2.0 kB are still needed, 1.2 kB are free at"
        f" {three.shelf.data}. Free some space, name fewer corpora, or choose another folder; nothing was begun."
    )
    assert (ended.code, ended.json["code"], ended.json["error"]) == (8, 8, said)
    assert (complaints(ended), three.server.log) == ([f"care-data: {said}"], [])
    assert fetch("ash", "birch", program=SMALL.replace("1200", "5000")).code != 8


# What was done


def test_the_table_and_the_json_say_the_same(three, fetch):
    first = fetch("ash", "birch", "--json")
    size = {name: sum(map(len, three.publish(name).values())) for name in ("ash", "birch")}
    told = first.json["fetched"]
    assert list(told) == ["ash", "birch"]
    assert [(told[n]["files"], told[n]["bytes"], told[n]["new"], told[n]["from"]) for n in told] == [
        (2, size["ash"], 2, ["github"]),
        (2, size["birch"], 2, ["github"]),
    ]
    assert first.json["stages"]["fetch"]["ash"]["missing"] == []
    again = table(fetch("ash", "birch", "cedar").out)
    assert again[0] == FETCH_HEADER
    assert [row[0] for row in again[1:]] == ["ash", "birch", "cedar", "all"]
    assert [row[4] for row in again[1:4]] == ["0", "0", "2"]
    assert again[4][:3] == ["all", "3", "6"]


def test_a_corpus_that_fails_stops_no_other_and_says_why(three, fetch):
    three.page("birch").faults = [{"status": 403}]
    ended = fetch("ash", "birch", "cedar", "--json")
    assert (ended.code, list(ended.json["fetched"]), list(ended.json["failures"])) == (3, ["ash", "cedar"], ["birch"])
    assert ended.json["failures"]["birch"]["code"] == 5
    assert complaints(ended)[0].startswith("care-data: birch/pairs: ")
    assert complaints(ended)[1:] == ["care-data: birch is left out."]
    three.page("birch").faults = [{"status": 403}]
    assert fetch("birch").code == 5


def test_a_bug_in_one_corpus_is_a_bug(three, fetch):
    program = "import care_data.stages.downloads as d\ndef fetch(*_, **__): raise KeyError('oops')\nd.fetch = fetch\n"
    ended = fetch("ash", "birch", program=program + MAIN)
    assert ended.code == 70
    assert complaints(ended) == ["care-data: KeyError: 'oops'. This is a bug; run with --debug and report it."]


def test_a_fatal_error_of_a_later_stage_hides_no_earlier_failure(three, care_data):
    program = (
        "import care_data.pipeline as p\nfrom care_data.errors import CareError\n"
        "def dedupe(*_): raise CareError('nothing goes', code=8)\np.dedupe_corpora = dedupe\n" + MAIN
    )
    three.page("birch").faults = [{"status": 403}]
    words = ["run", "ash", "birch", "--to", three.shelf.data]
    ended = care_data(*words, "--json", program=program, **three.environment)
    assert (ended.code, ended.json["error"], set(ended.json["failures"])) == (8, "nothing goes.", {"birch"})
    assert set(ended.json["stages"]["clean"]) == {"ash"}
    assert [line[:17] for line in complaints(ended)] == ["care-data: birch/", "care-data: nothin", "care-data: birch "]


def test_seconds_states_and_numbers_of_the_table():
    failures = {"dogwood": CareError("no", code=Exit.NETWORK)}
    assert fetched_cells({}, failures, 2.0) == [["dogwood", "–", "–", "–", "left out (6)", "–", "–"]]


def test_licences_and_sums_of_the_plan(three):
    entries = registry.select(["ash", "birch"])
    plans, failures = plan_corpora(entries, Settings(Store(three.shelf.data), str(three.shelf.mirror)))
    cells = plan_cells(plans, entries)
    size = sum(path.stat().st_size for name in ("ash", "birch") for path in three.shelf.upstream(name).iterdir())
    assert failures == {}
    assert cells[0][:2] + cells[0][3:] == ["ash", "2", "–", "MIT", "yes", "mirror", "–"]
    assert cells[2][:2] + cells[2][3:] == ["all 2", "4", "–", "", "2 yes", "", "–"]
    assert cells[2][2] == f"{size / 1000:.1f} kB"


# Flags


def test_a_file_that_changed_upstream_is_taken_only_where_that_is_said(three, fetch):
    entry = three.shelf.registry / "ash.toml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("*.jsonl", "0.jsonl"), encoding="utf-8")
    assert fetch("ash").code == 0
    raw = next((three.shelf.data / "raw/ash").rglob("0.jsonl"))
    before = raw.read_bytes()
    raw.unlink()
    three.page("ash").body = before.replace("？".encode(), "！".encode())
    three.page("ash").etag = '"two"'
    refused = fetch("ash")
    assert refused.code == 4
    assert not raw.exists()
    assert fetch("ash", "--accept-changed").code == 0
    assert raw.read_bytes() == before.replace("？".encode(), "！".encode())


def test_the_token_goes_to_another_hub_only_where_that_is_said(upstream, distinct, fetch):
    from standins.hub import publish

    upstream.shelf.add("one", distinct("one", 2))
    entry = upstream.shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8").replace("github:test/one@", "hub:test/one@").replace("*.jsonl", "0.jsonl")
    entry.write_text(text, encoding="utf-8")
    publish(
        upstream.server,
        "test/one",
        "0123456789abcdef0123456789abcdef01234567",
        {"0.jsonl": (upstream.shelf.upstream("one") / "0.jsonl").read_bytes()},
    )
    more = ["--hf-endpoint", upstream.server.url]
    (upstream.shelf.root / "config.toml").write_text("", encoding="utf-8")
    assert fetch("one", *more, HF_TOKEN="hf_invented").code == 0
    assert [headers for _, headers in upstream.server.log if "authorization" in headers] == []
    next((upstream.shelf.data / "raw/one").rglob("0.jsonl")).unlink()
    assert fetch("one", *more, "--send-token", HF_TOKEN="hf_invented").code == 0
    assert {h["authorization"] for _, h in upstream.server.log if "authorization" in h} == {"Bearer hf_invented"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pin", "--mirror", "x"], "--pin and --mirror do not go together."),
        (["--hf-endpoint", "ftp://x"], "is not an http address"),
        (["--name", "x"], "No such option: --name"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_flags_that_cannot_be_are_told_before_any_work(three, fetch, words, said):
    ended = fetch("ash", *words, "--json")
    assert (ended.code, ended.json["code"], three.server.log) == (2, 2, [])
    assert said in ended.json["error"]
    assert len(complaints(ended)) == 1


def test_bundle_and_pins_in_one_command(three, fetch, tmp_path, care_data):
    ended = fetch("ash", "birch", "--pin", "--bundle", tmp_path / "out", "--json")
    assert ended.code == 0
    assert (ended.json["bundle"]["files"], ended.json["bundle"]["copied"]) == (4, 4)
    assert {name: each["files"] for name, each in ended.json["pinned"].items()} == {"ash": 2, "birch": 2}
    other = [three.shelf.root / "other", "--mirror", tmp_path / "out", "--json"]
    away = care_data("fetch", "ash", "birch", "--to", *other, CARE_REGISTRY=three.shelf.registry)
    assert (away.code, [each["verified"] for each in away.json["fetched"].values()]) == (0, [True, True])
    for name in ("ash", "birch"):
        for path in (three.shelf.data / f"raw/{name}/github").rglob("*.jsonl"):
            copied = three.shelf.root / "other" / path.relative_to(three.shelf.data)
            assert copied.read_bytes() == path.read_bytes()


def test_a_foreign_folder_for_a_bundle_is_refused_before_anything_is_fetched(three, fetch, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.txt").write_text("dear")
    ended = fetch("ash", "--bundle", tmp_path / "letters", "--json")
    assert (ended.code, three.server.log) == (1, [])
    assert ended.json["error"] == (
        f"{tmp_path / 'letters'} holds something that is no bundle. Name an empty folder, or a new one."
    )
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]


# Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_fetch_of_several_ends_at_once_and_goes_on(upstream, fetch, number):
    body = b"".join(b'{"q": "%06d", "a": "%06d"}\n' % (n, n) for n in range(40000))
    for name in ("ash", "birch", "cedar"):
        upstream.shelf.add(name, [])
        (upstream.shelf.upstream(name) / "0.jsonl").write_bytes(body)
        upstream.publish(name)
        upstream.page(name).faults = [{"drip": 0.01, "size": 1 << 13}]
    code, err, seconds = upstream.interrupt("fetch", "ash", "birch", "cedar", after=300_000, number=number)
    assert (code, err.splitlines()[-1]) == (130, "care-data: interrupted; run again to go on.")
    assert seconds < 10
    assert "Traceback" not in err
    assert not list((upstream.shelf.data / "raw").rglob("0.jsonl"))
    ended = fetch("ash", "birch", "cedar", "--json")
    assert (ended.code, {each["bytes"] for each in ended.json["fetched"].values()}) == (0, {len(body)})
    assert upstream.server.sent <= 1.1 * 3 * len(body) + 3 * len(json.dumps({})) + 10_000


def test_a_stalled_host_does_not_hold_up_an_interrupt(upstream):
    for name in ("ash", "birch"):
        upstream.shelf.add(name, [])
        (upstream.shelf.upstream(name) / "0.jsonl").write_bytes(b"x" * 100_000)
        upstream.publish(name)
        upstream.page(name).faults = [{"cut": 50_000, "stall": 30}]
    code, err, seconds = upstream.interrupt("fetch", "ash", "birch", after=90_000)
    assert (code, re.findall("care-data: .*", err)) == (130, ["care-data: interrupted; run again to go on."])
    assert seconds < 10
