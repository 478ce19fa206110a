"""Keys of a dataset: unknown, of a wrong type, contradicting one another; each with its place and a way out."""

from typing import Any

import pytest

from care_data.dataset_info.keys import check_keys, columns_of, newer_keys, sound_keys
from care_data.records import load_schema

FILE = {"file_name": "x.json"}
SHAREGPT = {**FILE, "formatting": "sharegpt"}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
PAIR = {"prompt": "q", "response": "a"}
PREFERENCE = {"prompt": "q", "chosen": "c", "rejected": "r"}

NO_PROMPT = 'n.columns: no column of prompts is named. Add "prompt"; where columns is given nothing is read by default.'

SOUND = {
    "a file": FILE,
    "2023": {**FILE, "file_sha1": "A" * 40, "columns": {**PAIR, "query": "", "history": ""}},
    "empty means none": {**FILE, "file_sha1": "", "subset": None, "columns": {"prompt": "text", "query": None}},
    "today": {**SHAREGPT, "columns": {"messages": "m", "tools": "t", "images": "i"}, "tags": TAGS, "num_samples": 5},
    "openai": {**FILE, "formatting": "openai", "columns": {"messages": "messages"}, "tags": TAGS},
    "preferences": {**FILE, "ranking": True, "columns": PREFERENCE},
    "preferences in turns": {
        **SHAREGPT,
        "ranking": True,
        "columns": {"messages": "m", "chosen": "c", "rejected": "r"},
    },
    "marked answers": {**FILE, "columns": {**PAIR, "kto_tag": "k"}},
    "a part of train": {**FILE, "split": "train[:100]"},
    "a remote split": {"hf_hub_url": "a/b", "split": "validation", "subset": "zh", "folder": "d"},
    "ours": {**FILE, "care": {"format": "sft", "role": "train", "corpus": "mm", "license": "MIT", "rows": 0}},
}

FAULTY: list[tuple[Any, list[str]]] = [
    ({**FILE, "colums": {}}, ['n.colums: unknown key. Did you mean "columns"?']),
    ({**FILE, "Ranking": True}, ['n.Ranking: unknown key. Did you mean "ranking"?']),
    ({**FILE, "prompt": "q"}, ["n.prompt: unknown key. It belongs inside columns."]),
    ({**FILE, "role_tag": "q"}, ["n.role_tag: unknown key. It belongs inside tags."]),
    (
        {**FILE, "columns": {**PAIR, "ranking": "x"}},
        ["n.columns.ranking: unknown key. It belongs one level up, beside columns."],
    ),
    (
        {**FILE, "columns": {**PAIR, "promt": "x"}},
        ['n.columns.promt: unknown key. Did you mean "prompt"?'],
    ),
    (
        {**SHAREGPT, "tags": {**TAGS, "bot": "x"}},
        [
            "n.tags.bot: unknown key. Loaders pass over it. Known here: role_tag, content_tag, user_tag, "
            "assistant_tag, observation_tag, function_tag, system_tag."
        ],
    ),
    ({"file_name": 5}, ["n.file_name: it is a number 5, not a text. Write a text, or leave the key out."]),
    ({"file_name": ["a"]}, ["n.file_name: it is a list, not a text. Write a text, or leave the key out."]),
    (
        {**FILE, "columns": ["q", "a"]},
        ["n.columns: it is a list, not an object. Write an object, or leave the key out."],
    ),
    ({**FILE, "columns": None}, ["n.columns: it is null, not an object. Write an object, or leave the key out."]),
    (
        {**FILE, "columns": {"prompt": ["q"]}},
        [
            "n.columns.prompt: it is a list, not a text. Write a text, or leave the key out.",
            NO_PROMPT,
        ],
    ),
    (
        {**FILE, "ranking": "true"},
        ['n.ranking: it is a text "true", not true or false. Write true or false, or leave the key out.'],
    ),
    (
        {**FILE, "num_samples": 2.5},
        ["n.num_samples: it is a number 2.5, not a whole number. Write a whole number, or leave the key out."],
    ),
    ({**FILE, "num_samples": 0}, ["n.num_samples: 0 is less than 1. Write a greater number, or leave the key out."]),
    (
        {**FILE, "formatting": "chatml"},
        ['n.formatting: "chatml" is none of them. Write "alpaca" or "sharegpt" or "openai".'],
    ),
    (
        {**FILE, "file_sha1": "0" * 64},
        [
            "n.file_sha1: no SHA-1: 64 characters, which a sha256 has, not 40 hexadecimal digits. "
            "Write what `sha1sum FILE` tells, or leave it out."
        ],
    ),
    (
        {**FILE, "care": {"format": "sft", "role": "train", "corpus": "mm"}},
        ["n.care: it has no license and no rows. Write it, or leave care out."],
    ),
    ({}, ["n: it does not say where its data is. Add file_name: a file or folder beside this file."]),
    ({"columns": PAIR}, ["n: it does not say where its data is. Add file_name: a file or folder beside this file."]),
    (
        {"file_name": " "},
        [
            "n.file_name: it is empty, yet loaders take the first source that is there. "
            "Name a file or folder beside this file."
        ],
    ),
    (
        {**FILE, "hf_hub_url": ""},
        ["n.hf_hub_url: it is empty, yet loaders take the first source that is there. Take the key out."],
    ),
    ("x.json", ['n: it is a text, not an object of keys. Write {"file_name": …}.']),
    (
        {**FILE, "ranking": True},
        [
            "n.ranking: true, but columns names no chosen and no rejected. "
            "Name both columns; the [chosen, rejected] lists of 2023 are not read by LLaMA-Factory of today."
        ],
    ),
    (
        {**FILE, "ranking": True, "columns": {"prompt": "q", "chosen": "c"}},
        [
            "n.ranking: true, but columns names no rejected. "
            "Name both columns; the [chosen, rejected] lists of 2023 are not read by LLaMA-Factory of today."
        ],
    ),
    (
        {**FILE, "columns": PREFERENCE},
        ['n.columns.chosen: it is read only where ranking is true. Add "ranking": true.'],
    ),
    (
        {**FILE, "ranking": True, "columns": {**PREFERENCE, "kto_tag": "k"}},
        [
            "n.columns.kto_tag: it stands beside ranking. "
            "Preference pairs and marked single answers are two kinds of data: keep one."
        ],
    ),
    (
        {**SHAREGPT, "columns": {"system": "s"}},
        [
            "n.columns: sharegpt without a column of messages. "
            'Add "messages"; where columns is given nothing is read by default.'
        ],
    ),
    (
        {**SHAREGPT, "columns": {"messages": "m", "prompt": "q"}},
        [
            "n.columns.prompt: sharegpt does not read it. "
            'They are for alpaca: take them out, or write "formatting": "alpaca".'
        ],
    ),
    (
        {**FILE, "columns": {"messages": "m"}},
        ['n.columns.messages: it is read only where formatting is sharegpt. Add "formatting": "sharegpt".'],
    ),
    (
        {**FILE, "columns": {"response": "a"}},
        [NO_PROMPT],
    ),
    (
        {**FILE, "tags": TAGS},
        ['n.tags: tags are read only where formatting is sharegpt. Take them out, or write "formatting": "sharegpt".'],
    ),
    (
        {**SHAREGPT, "tags": {"role_tag": "role", "content_tag": "content"}},
        [
            "n.tags: it has no user_tag, assistant_tag. "
            "Where tags is given, those left out are none, not the usual ones: name them all."
        ],
    ),
    (
        {**FILE, "columns": {"prompt": "answer", "response": "question"}},
        [
            'n.columns.prompt: prompt and response seem swapped ("answer", "question"). '
            'By these names "prompt" is "question" and "response" is "answer".'
        ],
    ),
    (
        {**FILE, "columns": {"prompt": "text", "response": "text"}},
        ['n.columns.response: it is the same column as prompt. Name the column of each; both are "text" now.'],
    ),
    (
        {**FILE, "split": "validation"},
        ['n.split: a file has no split "validation": all of it is train. Take the key out.'],
    ),
]


@pytest.mark.parametrize("entry", SOUND.values(), ids=SOUND)
def test_sound_entries(entry: dict[str, Any]):
    assert check_keys("n", entry) == []


@pytest.mark.parametrize(("entry", "lines"), FAULTY)
def test_faulty_entries(entry: Any, lines: list[str]):
    assert [str(problem) for problem in check_keys("n", entry)] == lines


@pytest.mark.parametrize("key", ["constructor", "__proto__", "toString", "{0.__class__}"])
def test_an_unknown_key_like_no_other(key: str):
    [problem] = check_keys("n", {**FILE, key: 1})
    assert problem.what == "unknown key"
    assert problem.fix.startswith("Loaders pass over it. Known here: hf_hub_url, ms_hub_url, ")


def test_the_whole_vocabulary_of_both_eras_is_known():
    properties = load_schema("dataset_info")["$defs"]["dataset"]["properties"]
    names = "hf_hub_url ms_hub_url om_hub_url script_url cloud_file_name file_name file_sha1 formatting ranking subset"
    assert set(properties) == {*names.split(), "split", "folder", "num_samples", "columns", "tags", "care"}
    roles = "prompt query response history system tools chosen rejected kto_tag images videos audios messages"
    assert set(properties["columns"]["properties"]) == set(roles.split())
    tags = ("role", "content", "user", "assistant", "observation", "function", "system")
    assert set(properties["tags"]["properties"]) == {f"{tag}_tag" for tag in tags}


@pytest.mark.parametrize(
    ("entry", "columns"),
    [
        (FILE, {"prompt": "instruction", "query": "input", "response": "output"}),
        (SHAREGPT, {"messages": "conversations"}),
        ({**FILE, "formatting": "openai"}, {"messages": "conversations"}),
        ({**FILE, "columns": {"prompt": "q", "query": "", "response": None, "messages": "m"}}, {"prompt": "q"}),
        ({**SHAREGPT, "columns": {"prompt": "q", "messages": "m", "system": "s"}}, {"messages": "m", "system": "s"}),
        ({**FILE, "columns": 5}, {}),
    ],
)
def test_the_columns_that_are_read(entry: dict[str, Any], columns: dict[str, str]):
    assert columns_of(entry) == columns


def test_keys_since_2023():
    entry = {
        **SHAREGPT,
        "file_sha1": "x",
        "ranking": False,
        "columns": {"prompt": "q", "messages": "m", "system": "", "x": "y"},
    }
    assert newer_keys(entry) == {"formatting", "columns.messages"}


def test_sound_keys():
    assert sound_keys({**FILE, "num_samples": "5", "x": 1, "subset": "", "columns": {"prompt": 5}}) == ["file_name"]
