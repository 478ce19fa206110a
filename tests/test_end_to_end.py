"""From upstream's files to an answer: the three demo corpora, a release, one training step, one question."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from care_data import registry
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.store import Store


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of the demo corpora."""
    store = Store(tmp_path_factory.mktemp("data"))
    result = run_stages(registry.select(["demo"]), Settings(store, workers=1), "write", lambda name, done: None)
    assert result.failures == {}
    assert result.release is not None
    return result.release


def test_the_counts_add_up_from_the_first_row_to_the_last_record(release):
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    info = json.loads((release / "dataset_info.json").read_text(encoding="utf-8"))
    assert sorted(info) == ["demo_consult_sft", "demo_dialogue_en", "demo_dialogue_sft", "demo_preference_rw"]
    read = kept = 0
    for name, counts in manifest["counts"].items():
        assert counts["read"] == counts["kept"] + sum(counts["dropped"].values()), name
        shards = sorted((release / info[name]["file_name"]).iterdir())
        assert sum(pa.ipc.open_stream(path).read_all().num_rows for path in shards) == counts["kept"]
        read, kept = read + counts["read"], kept + counts["kept"]
    assert (read, kept) == (321, 292)


def test_a_release_trains_and_answers(release, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    from care_train import cli, tiny

    monkeypatch.setattr(tiny, "MOST_STEPS", 2)
    adapter = str(tmp_path / "adapter")
    train = [
        "sft",
        "--model_name_or_path",
        "tiny",
        "--quantization_bit",
        "4",
        "--template",
        "llama2",
        "--max_steps",
        "1",
    ]
    code = cli.run([*train, "--dataset", "demo_*", "--dataset_dir", str(release), "--output_dir", adapter, "--json"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    result = json.loads(shown.out)
    assert result["steps"] == 1
    assert result["budget"]["records"] == 139 + 27 + 62  # the supervised ones; preferences are for another stage
    assert 0 < result["loss_last"] < 20

    code = cli.run(["chat", "--checkpoint_dir", adapter, "--question", "煮中药用什么锅好？", "--max_new_tokens", "4"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert shown.out.strip()
