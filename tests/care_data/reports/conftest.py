"""Data folders to report on, made in this process."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `from browser import Browser`

from care_data import registry
from care_data.pipeline import run_stages
from care_data.reports.funnels import find_funnels
from care_data.reports.scopes import find_scope
from care_data.reports.statistics import gather_numbers
from care_data.stages import Settings
from care_data.store import Store

BENCHMARK = """
[outputs.test]
format = "sft"
role   = "benchmark"
shape  = "pair"
rows   = "tests"
fields = { instruction = "{q}", output = "{a}" }
"""


@pytest.fixture
def run(shelf, monkeypatch):
    """run(stage, *corpora, name=…, **settings): run the stages up to one; the shelf's corpora are all there are."""
    monkeypatch.setattr(registry, "names", lambda: sorted(path.stem for path in shelf.registry.glob("*.toml")))

    def run_up_to(stage, *corpora, name=None, **changes):
        registry.groups.cache_clear()
        settings = Settings(Store(shelf.data), **{"mirror": str(shelf.mirror), **changes})
        result = run_stages(registry.select(list(corpora) or shelf.names), settings, stage, lambda *_: None, name)
        assert result.failures == {}
        return result

    return run_up_to


@pytest.fixture
def numbers(shelf):
    """numbers(*names): what a report of them says."""

    def gather(*names):
        scope = find_scope(list(names), Store(shelf.data))
        return gather_numbers(scope, find_funnels(scope))

    return gather


@pytest.fixture
def two(shelf, distinct):
    """Two corpora: one drops two records in cleaning and holds a record of the other, three lines are no JSON rows.

    The other has a benchmark output of two records, of which the first corpus holds one.
    """
    asked, answer = "我的电话是13812345678，<b>头痛</b>怎么办？", "多休息，多喝水，按时吃药。"
    own = distinct("own", 6)
    other = distinct("other", 5)
    test = distinct("test", 2)
    shelf.add(
        "alpha", [*own, (asked, answer), ("咳嗽怎么办？", "……"), ("咽痛怎么办？", "咽痛怎么办"), other[0], test[0]]
    )
    shelf.add(
        "beta",
        other,
        priority=60,
        extra_files='tests = { path = "*.test", format = "json" }',
        more=BENCHMARK,
        examples='files.tests = \'{"q": "丙？", "a": "丁。"}\'\n'
        'records.test = [{ instruction = "丙？", output = "丁。" }]',
    )
    lines = "\n".join(json.dumps({"q": q, "a": a}) for q, a in test)
    (shelf.upstream("beta") / "0.test").write_text(lines, encoding="utf-8")
    return shelf
