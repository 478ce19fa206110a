"""What is written, and in which order, so that results.json tells of whole files."""

import json
import os

import pytest

from care_train.config.evaluation import ReportSettings
from care_train.errors import CareError
from care_train.evaluation import files
from care_train.evaluation.files import read_results, write_results

MODEL = {"name": "m", "base": "b", "adapters": [], "template": "plain", "system": None, "quantization_bit": None}
PREDICTION = {
    "id": "t#1",
    "dataset": "t",
    "kind": "text",
    "opening": "甲",
    "nats": 1.0,
    "tokens": 2,
    "characters": 3,
    "bytes": 9,
}


def make() -> dict:
    data = {
        "t": {"records": 1, "role": "test", "doubt": "", "left_out": {}, "training_data": False, "sha256": "0" * 64}
    }
    return {"version": "1", "model": MODEL, "data": data, "settings": {"sampling": {"seed": 1}}}


def test_what_is_written_is_read_again(tmp_path):
    folder = tmp_path / "a" / "b"
    written = write_results(folder, make(), [[PREDICTION], [PREDICTION]], ReportSettings())
    names = ["results.json", "predictions.jsonl", "predictions_against.jsonl", "report.html"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    results, predictions = read_results(folder / "results.json")
    assert (results, predictions) == (make(), [PREDICTION])
    write_results(folder, make(), [[PREDICTION]], ReportSettings())
    assert not (folder / "predictions_against.jsonl").exists()


def test_a_broken_write_leaves_no_results(tmp_path, monkeypatch):
    write_results(tmp_path, make(), [[PREDICTION]], ReportSettings())
    replace = os.replace

    def fail(source, target):
        if str(target).endswith("report.html"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_results(tmp_path, make(), [[PREDICTION]], ReportSettings())
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"data": {"t": {"records": 1}}})])
def test_what_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    (tmp_path / "predictions.jsonl").write_text("{}\n")
    with pytest.raises(CareError) as caught:
        read_results(tmp_path / "results.json")
    assert str(caught.value).startswith(f"{tmp_path / 'results.json'}: ")
    assert caught.value.fix.startswith("Give the results.json that care-train eval")
