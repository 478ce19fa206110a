"""Entries found, loaded and refused: each refusal is one line that names the place and the next thing to do."""

from pathlib import Path

import pytest

from care_data import registry
from care_data.entries import Entry, Join
from care_data.errors import CareError, Exit

ENTRY = """
title = "Invented"
from = "package:demo"
license = { id = "MIT", use = "research", redistribute = true }
citation = "none"
[files]
rows = { path = "a.csv", format = "csv" }
[outputs.sft]
shape = "pair"
fields = { instruction = "{q}", output = "{a}" }
[example]
files.rows = "q,a\\n问,答\\n"
records.sft = [{ instruction = "问", output = "答" }]
"""
TWO_FILES = ENTRY.replace(
    "[outputs.sft]", 'more = { path = "b.csv", format = "csv", from = "github:o/r@1" }\n[outputs.sft]'
)


def load(folder: Path, text: str, name: str = "mine") -> Entry:
    path = folder / "registry" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return registry.load_file(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(CareError) as caught:
        load(folder, text)
    assert caught.value.where == "registry/mine.toml"
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("registry/mine.toml: ")


def test_mirrors_of_an_entry_are_those_of_its_own_files(tmp_path: Path) -> None:
    scope = 'mirrors = ["modelscope:o/n@v1"]'
    text = TWO_FILES.replace("[files]", f"{scope}\n[files]").replace('"pair"', '"pair"\nrows = "rows"')
    assert [file.mirrors for file in load(tmp_path, text).files.values()] == [["modelscope:o/n@v1"], []]
    own = text.replace('from = "github:o/r@1"', 'from = "github:o/r@1", mirrors = ["hub:o/r@1", "drive:1Ab"]')
    assert load(tmp_path, own, "own").files["more"].mirrors == ["hub:o/r@1", "drive:1Ab"]
    assert "mirrors" in refusal(tmp_path, ENTRY.replace("[files]", 'mirrors = ["ftp:o/n"]\n[files]'))


def test_an_entry_with_all_its_defaults(tmp_path: Path) -> None:
    entry = load(tmp_path, ENTRY)
    assert (entry.name, entry.language, entry.priority, entry.status, entry.group) == (
        "mine",
        "zh",
        50,
        "verified",
        None,
    )
    assert entry.place == "registry/mine.toml"
    output = entry.outputs["sft"]
    assert (output.format, output.rows, output.role, output.language, output.default) == (
        "sft",
        "rows",
        "train",
        "zh",
        True,
    )
    assert (output.where, output.unique, output.joins, output.clean, output.extra) == ({}, [], [], [], ())
    assert (entry.files["rows"].source, entry.files["rows"].encoding) == ("package:demo", "utf-8")


def test_what_nobody_gave_leave_for_may_be_read_but_not_passed_on(tmp_path: Path) -> None:
    text = ENTRY.replace('"research", redistribute = true', '"unclear", redistribute = false')
    assert load(tmp_path, text).license == {"id": "MIT", "use": "unclear", "redistribute": False}


def test_a_file_of_another_source_and_a_join(tmp_path: Path) -> None:
    join = 'join.m = { file = "more", on = "id = key", take = "first", where = { x = "1" } }'
    entry = load(tmp_path, TWO_FILES.replace('shape = "pair"', f'shape = "pair"\nrows = "rows"\n{join}'))
    assert entry.files["more"].source == "github:o/r@1"
    assert entry.outputs["sft"].joins == [Join("m", "more", ("id", "key"), {"x": "1"}, "first")]


def test_like_replaces_whole_keys_and_passes_on_no_role(tmp_path: Path) -> None:
    text = TWO_FILES.replace(
        'shape = "pair"', 'shape = "pair"\nrows = "rows"\nrole = "benchmark"\nexpect = 3\nblank = ["无"]'
    )
    fields = 'fields = { instruction = "{z}", output = "{a}" }\n'
    more = f'[outputs.held]\nlike = "sft"\nrows = "more"\nlanguage = "en"\n{fields}'
    entry = load(tmp_path, text.replace("[example]", more + '[outputs.third]\nlike = "held"\n[example]'))
    held, third = entry.outputs["held"], entry.outputs["third"]
    assert (held.format, held.rows, held.role, held.expect, held.language) == ("sft", "more", "train", None, "en")
    assert held.fields == {"instruction": "{z}", "output": "{a}"}
    assert (third.format, third.blank, third.fields) == ("sft", ["无"], held.fields)


def test_a_system_prompt_is_an_extra_column(tmp_path: Path) -> None:
    system = ENTRY.replace('output = "{a}" }\n[example]', 'output = "{a}", system = "你是医生" }\n[example]')
    assert load(tmp_path, system).outputs["sft"].extra == ("system",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'title = "Invented"',
            "title = Invented",
            "not TOML: Invalid value (at line 2, column 9). Mend the line named.",
        ),
        ('title = "Invented"\n', "", "'title' is a required property. See schemas/corpus.schema.json."),
        (', use = "research"', "", "license: 'use' is a required property. See schemas/corpus.schema.json."),
        ('"research"', '"any"', "license.use: 'any' is not one of ['commercial', 'research', 'unclear']"),
        (
            '"research"',
            '"unclear"',
            "license.redistribute is true where license.use is unclear. Write redistribute = false, or use = ",
        ),
        ('format = "csv"', 'format = "xls"', "files.rows.format: 'xls' is not one of"),
        (
            'shape = "pair"',
            'shap = "pair"',
            "outputs.sft: Additional properties are not allowed ('shap' was unexpected)",
        ),
        ('shape = "pair"\n', "", "outputs.sft has no shape. Shapes are:"),
        ("outputs.sft", "outputs.train", 'outputs.train has no format. Add format = "sft" (or pt, rw, eval) to'),
        ('shape = "pair"', 'shape = "pair"\nrows = "row"', "outputs.sft.rows names the file 'row'. Files are: rows."),
        (
            'shape = "pair"',
            'shape = "pair"\njoin.x = { file = "y", on = "a = b" }',
            "outputs.sft.join.x.file names the file 'y'. Files are: rows.",
        ),
        ('shape = "pair"', 'like = "rw"', "outputs.sft.like names 'rw', which is no other output. Outputs are: sft."),
        ('shape = "pair"', 'like = "sft"', "outputs.sft.like names 'sft', which is no other output. Outputs are: sft."),
        (
            'shape = "pair"',
            'shape = "pair"\nwhere = { q = "(?=x)" }',
            "outputs.sft: '(?=x)' is no regular expression: look-around, including look-ahead and look-behind, is not",
        ),
        (
            'shape = "pair"',
            'shape = "pair"\nblank = ["(x"]',
            "outputs.sft: '(x' is no regular expression: unclosed group.",
        ),
        (
            'output = "{a}" }\n[e',
            'answer = "{a}" }\n[e',
            "outputs.sft.fields.answer has no place in a pair of the format sft. "
            "Fields are: instruction, input, output, system.",
        ),
        (
            'shape = "pair"\nfields = {',
            'shape = "dialogue"\nfields = { input = "{i}",',
            "outputs.sft.fields.input has no place in a dialogue of the format sft. "
            "Fields are: instruction, output, system.",
        ),
        (
            'shape = "pair"',
            'shape = "dialogue"\nturns = { in = "t", marks = "line" }',
            'outputs.sft.turns has no roles. Add roles = { mark or speaker = "user", … }.',
        ),
        (
            'shape = "pair"\nfields = { instruction = "{q}", output = "{a}" }',
            'shape = "dialogue"',
            "outputs.sft is a dialogue without turns. Add turns, or fields.",
        ),
        (
            'format = "csv"',
            'format = "blocks", sections = { a = "(x" }',
            "files.rows: '(x' is no regular expression: missing ), unterminated subpattern at position 0. Python's re",
        ),
        (
            'format = "csv"',
            'format = "blocks", sections = { a = "x" }, parts = { b = { c = "y" } }',
            "files.rows names the section 'b'. Sections are: a.",
        ),
        (
            'format = "csv"',
            'format = "blocks", start = "x", renew = "a"',
            "files.rows names the section 'a'. Sections are: none.",
        ),
    ],
)
def test_an_entry_that_cannot_work_is_refused_in_one_line(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert ENTRY.count(old) >= 1
    assert refusal(tmp_path, ENTRY.replace(old, new)).startswith(told)


def test_training_on_the_rows_of_a_benchmark_is_refused(tmp_path: Path) -> None:
    fields = 'fields = { question = "{q}", answer = "{a}" }\n'
    held = f'[outputs.held]\nformat = "eval"\nshape = "pair"\nrole = "benchmark"\n{fields}'
    text = ENTRY.replace("[example]", f"{held}[example]")
    told = refusal(tmp_path, text)
    assert told.startswith("outputs.sft trains on the rows of the benchmark 'held'. Part them with where,")
    parted = text.replace('[outputs.sft]\nshape = "pair"', '[outputs.sft]\nwhere = { split = "train" }\nshape = "pair"')
    assert set(load(tmp_path, parted).outputs) == {"sft", "held"}


def test_two_files_and_no_word_which_gives_the_rows(tmp_path: Path) -> None:
    told = "outputs.sft does not say which file's rows it takes. Files are: rows, more."
    assert refusal(tmp_path, TWO_FILES) == told


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry" / "mine.toml"
    path.parent.mkdir()
    path.write_bytes(ENTRY.encode("gb18030"))
    with pytest.raises(CareError, match=r"^registry/mine.toml: cannot be read: 'utf-8' codec"):
        registry.load_file(path)


# Folders and names


@pytest.mark.parametrize("name", ["_mine", "-x", "我的", "a b", "a.b", "x" * 61])
def test_a_file_named_as_no_corpus_can_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CareError) as caught:
        load(tmp_path, ENTRY, name)
    assert str(caught.value).startswith(f"registry: {name!r} cannot name a corpus. Begin with one of a-z")


def test_folders_of_ones_own_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, ENTRY.replace("Invented", "Mine"), "demo_consult")
    load(tmp_path, ENTRY, "zz_new")
    (tmp_path / "registry" / "_defaults.toml").write_text("")
    monkeypatch.setenv("CARE_REGISTRY", f"{tmp_path / 'registry'}:/nowhere")
    registry.groups.cache_clear()
    try:
        assert registry.load("demo_consult").title == "Mine"
        assert registry.load("demo_preference").title.startswith("Demo")
        assert {"zz_new", "demo_preference"} <= set(registry.names())
        assert "_defaults" not in registry.names()
        assert "demo_consult" not in registry.groups()["demo"]  # the entry that stands in for it is in no group
    finally:
        registry.groups.cache_clear()


def test_an_unknown_name_gets_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, nearest in (("pubmedqa2", "pubmedqa"), ("demos", "demo"), ("cmedqa", "cmedqa2")):
        with pytest.raises(CareError) as caught:
            registry.load(name)
        assert str(caught.value) == (f"no corpus named {name!r}. Did you mean {nearest}? `care-data list` shows all.")
        assert caught.value.code == Exit.USAGE
    for name in ("_defaults", "qqqqqqqq"):
        with pytest.raises(CareError, match=r"^no corpus named '\w+'\. `care-data list` shows all\.$"):
            registry.load(name)


def test_selecting_by_name_group_and_all() -> None:
    assert [entry.name for entry in registry.select(["pubmedqa", "demo", "pubmedqa"])] == [
        "pubmedqa",
        "demo_consult",
        "demo_dialogue",
        "demo_preference",
    ]
    every = [entry.name for entry in registry.select(["all"])]
    assert every == [name for name in registry.names() if not name.startswith("demo_")]
    assert len(every) >= 40
