"""The English text: counts, funnel, citations, and words to type that work."""

import re
from dataclasses import replace


def test_the_body_counts_and_says_how_it_was_made(folder, read_body):
    body = read_body(folder)
    assert "31 records in 4 configs, from 2 published corpora" in body
    assert "| config | format | language | train | validation | test | bytes |" in body
    assert re.search(r"^\| `one_sft` \| sft \| zh \| 12 \| 4 \| 0 \| [\d,]+ \|$", body, re.MULTILINE)
    assert "| `one_sft` | 24 | 20 | 18 | 16 | 16 | 12 | 4 |" in body
    assert "| convert | `ragged` | 4 |\n| clean | `blank_answer` | 2 |\n| dedupe | `near_duplicate` | 2 |\n" in body
    assert "held_out" not in body
    assert "- Cleaning: `markup`, `privacy`." in body
    assert "a Jaccard similarity of 0.8 of their character 5-grams; candidates by MinHash (128 values)" in body
    assert "a chance of at most 0.001" in body
    assert "Decontamination against `---`, `own.jsonl:q`." in body
    assert "nothing was checked against them: `cmb`." in body
    assert "validation 0.25 of each training config" in body
    assert "| `phone` | 1,234 |" in body
    assert "of `---` it is unclear what they may be used for" in body
    assert "@inproceedings{---,\n  author        = {Wu and others}," in body
    assert "`names`" not in body, "of a corpus that is not in the release"
    assert "/home/me" not in body
    assert 'load_dataset(PLACE, "one_sft", split="train")' in body


def test_what_the_card_says_to_type_reads_the_records(folder, monkeypatch, read_body):
    (told,) = re.findall(r"```python\n(from pathlib.*?)```", read_body(folder), re.DOTALL)
    monkeypatch.chdir(folder)
    found = {}
    exec(told, found)  # noqa: S102 - the card's own words
    assert found["records"].shape == (12, 7)


def test_what_is_not_known_to_be_so_is_not_said(read_body, make_release, manifest):
    bare = replace(manifest, parameters={}, sources={}, funnel={}, verified=False, private={"phone": 3})
    body = read_body(make_release(manifest=bare))
    assert "**No benchmark was at hand**" in body
    assert "**no pinned checksums, not all of them**" in body
    assert "## How it was made" not in body
    assert "published: 3 `phone`." in body
