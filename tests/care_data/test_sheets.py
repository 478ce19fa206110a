"""The sheet of a corpus says what its entry says, and its comments with it."""

import pytest

from care_data import registry
from care_data.console import print_card
from care_data.examples import convert_example
from care_data.sheets import describe, read_notes

TOML = """
title = "Text with a # in it"         # a note # with a sign
# above
# the key
from  = 'web:x#y'
license = { id = "MIT", terms = "say \\"#\\"", redistribute = true }

[files]                               # beside the table
a = { path = "a" }

# of the output
[outputs.sft]
where = { q = '#.*' }

[example]
files.a = "# no note"                 # nor this
"""


def test_comments_are_notes_where_they_stand() -> None:
    assert read_notes(TOML) == [
        ("title", "a note # with a sign"),
        ("from", "above the key"),
        ("files", "beside the table"),
        ("outputs.sft", "of the output"),
    ]


def test_a_sheet_tells_what_the_entry_says() -> None:
    entry = registry.load("cmb")
    sections = dict(describe(entry, {"id": "1", "output": "答"}))
    assert list(sections) == [entry.title, "Files", "Outputs", "Set aside, in the example", "Notes", "Example"]
    own = dict(sections[entry.title])
    assert own["licence"].split("\n") == [
        "Apache-2.0",
        "exam questions and cases of third parties",
        "unclear what it may be used for: nobody with the right to say has said",
        "a cleaned copy may not be published",
    ]
    assert own["source"].split("\n") == [
        "github:FreedomIntelligence/CMB",
        "https://github.com/FreedomIntelligence/CMB",
        "pinned at 6c8ece46097dae736c6805dd3b831e1a38c08971",
    ]
    assert dict(sections["Files"])["key"] == (
        "data/CMB-test-choice-answer.json\njson, utf-8; checksum of 1 known (sha256); 2,601,052 bytes"
    )
    assert dict(sections["Outputs"])["eval"].startswith(
        "eval, a benchmark, never trained on; 11,200 rows expected\na choice from each row of test, joined with key\n"
    )
    assert dict(sections["Set aside, in the example"])["eval"] == "1 no_key, 1 answer_outside_options"
    assert sections["Example"][1] == ("→ sft", '{\n "output": "答"\n}')


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("demo_consult", "anyone may use it, commercially too"),
        ("cmedqa2", "upstream allows research; nothing more is clearly allowed"),
        ("zysj", "unclear what it may be used for: nobody with the right to say has said"),
    ],
)
def test_a_sheet_says_in_plain_words_what_the_licence_allows(name: str, told: str) -> None:
    entry = registry.load(name)
    assert dict(describe(entry, None)[0][1])["licence"].split("\n")[-2] == told


@pytest.mark.parametrize("name", registry.names())
def test_every_corpus_has_a_sheet_of_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.cells import cell_len

    entry = registry.load(name)
    made = convert_example(entry, next(iter(entry.outputs.values())))
    print_card(describe(entry, made[0] if made else None))
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == entry.title
    assert max(cell_len(line) for line in lines) <= 80
    assert entry.license["id"] in "".join(lines)


def test_what_a_terminal_would_obey_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_card([("a\x1b[31m", [("label", "one\ntwo\x07")])])
    assert capsys.readouterr().out == "a\\x1b[31m\n  label  one\n         two\\x07\n"
