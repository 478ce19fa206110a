"""Places, names and values as they are shown."""

import json

import pytest

from care_data.dataset_info.wording import as_json, listed, nearest, place, quoted, without_secrets


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (("mm", "columns", "prompt"), "mm.columns.prompt"),
        (("belle_0.5m",), "belle_0.5m"),
        (("中医", "tags"), "中医.tags"),
        (("a b", "tags"), '"a b".tags'),
        (("{0.__class__}",), '"{0.__class__}"'),
        (("",), '""'),
        (("a\nb",), '"a\\nb"'),
        (("x" * 500,), '"' + "x" * 79 + '…"'),
    ],
)
def test_places(keys: tuple[str, ...], shown: str):
    assert place(*keys) == shown


@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "\u202e", "\ud800", "\U000e0001", "\x7f", "\u3000", '"\\', "\r\n\t", "中"]
)
def test_quoted_texts_are_json_and_printable(text: str):
    assert quoted(text).isprintable()
    assert json.loads(quoted(text)) == text


def test_an_entry_as_json_keeps_its_lines():
    assert as_json({"a\u2028": "中"}, indent=2) == '{\n  "a\\u2028": "中"\n}'


def test_addresses_lose_what_is_secret():
    assert without_secrets("https://u:p@h/x?token=1&sig=2") == "https://…@h/x?…"
    assert without_secrets("owner/hf_set") == "owner/hf_set"


def test_of_many_names_a_dozen_is_shown():
    assert listed(["a", "b"]) == '"a", "b"'
    assert listed(map(str, range(15))).endswith('"11" and 3 more')


def test_the_nearest_names_whatever_their_case():
    assert nearest("Promt", ["query", "prompt", "PROMPTS"])[0] == "prompt"
    assert nearest("x", ["prompt"]) == []
    assert nearest("c4_demo", ["kto_demo"], cutoff=0.9) == []
