"""Whatever the stages name has words in both languages."""

import json
import re

from care_data import cleaners, filters, records
from care_data.characters import TAGS
from care_data.contamination import REASONS as LEAKS
from care_data.duplicates.search import REASONS as DUPLICATES
from care_data.reports import words
from care_data.reports.sections import describe_reason

ALL = (words.WORDS, words.FIELDS, words.LANGUAGES, words.STEPS, words.PRIVATE, words.REASONS)


def test_both_languages_are_there():
    pairs = {key: pair for each in ALL for key, pair in each.items()}
    assert len(pairs) > 150
    assert [key for key, (english, _) in pairs.items() if not english or re.search("[一-鿿]", english)] == []
    bare = [key for key, (_, chinese) in pairs.items() if not re.search("[一-鿿]", chinese)]
    assert bare == ["p95"]


def test_every_reason_step_and_type_has_words():
    reasons = {rule.__name__ for rules in filters.RULES.values() for rule in rules} | {*LEAKS, *DUPLICATES} - {"kept"}
    schemas = "".join(json.dumps(records.load_schema(name)) for name in records.FORMATS)
    found = re.findall(r'"reason": "(\w+)"', schemas)
    assert len(found) > 5
    assert sorted({*reasons, *found} - set(words.REASONS)) == []
    assert sorted(set(cleaners.STEPS) - set(words.STEPS)) == []
    assert sorted(set(TAGS) - set(words.PRIVATE)) == []


def test_a_reason_of_a_join_is_told_by_its_name():
    assert "has no joined row of truth" in describe_reason("no_truth")
    assert "见于所连接的 truth" in describe_reason("in_truth")
    assert describe_reason("something_new") == ""
