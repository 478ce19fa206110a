"""The configs of a release: what is held out belongs to what it is held out of; sizes are those `datasets` counts."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.configs import gather_configs, measure, pick_default
from care_data.records import arrow_schema

ROWS = {"pt": {"text": "正文"}, "sft": {"instruction": "问", "input": "", "output": "答", "history": [["前", "后"]]}}


def shard(folder, dataset, name, rows, batch=1_000, record_format="sft"):
    """Write a shard of so many records; its line in a manifest."""
    schema = arrow_schema(record_format)
    row = {"id": "x#1", "corpus": "x", "license": "MIT", **ROWS[record_format]}
    table = pa.Table.from_pylist([row] * rows, schema=schema)
    path = folder / dataset / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=batch)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            stream.write_table(table, max_chunksize=batch)
    return {"path": f"{dataset}/{name}", "dataset": dataset, "rows": rows, "bytes": path.stat().st_size}


def entry(role="train", record_format="sft"):
    care = {"format": record_format, "role": role, "corpus": "x", "license": "MIT", "language": "zh", "rows": 1}
    return {"file_name": "", "care": care}


def test_what_is_held_out_belongs_to_its_config(tmp_path):
    files = [
        shard(tmp_path, "x_sft_test", "test-00000-of-00001.arrow", 2),
        shard(tmp_path, "x_sft", "train-00000-of-00002.arrow", 5),
        shard(tmp_path, "x_sft", "train-00001-of-00002.arrow", 4),
        shard(tmp_path, "x_sft_validation", "validation-00000-of-00001.arrow", 3),
        {"path": "dataset_info.json", "bytes": 9, "sha256": "0"},
    ]
    info = {"x_sft": entry(), "x_sft_validation": entry("validation"), "x_sft_test": entry("test")}
    (config,) = gather_configs(tmp_path, files, info)
    assert (config.name, config.rows, config.care["role"]) == ("x_sft", 14, "train")
    assert [(split.name, split.dataset, split.rows) for split in config.splits] == [
        ("train", "x_sft", 9),
        ("validation", "x_sft_validation", 3),
        ("test", "x_sft_test", 2),
    ]
    assert [file["path"] for file in config.splits[0].files] == [files[1]["path"], files[2]["path"]]
    assert config.splits[0].bytes == files[1]["bytes"] + files[2]["bytes"]
    assert config.schema == arrow_schema("sft")
    assert (config.rows_of("test"), config.rows_of("dev")) == (2, 0)


def test_a_config_may_be_held_out_whole_and_a_benchmark_is_a_config(tmp_path):
    files = [
        shard(tmp_path, "x_sft_validation", "validation-00000-of-00001.arrow", 3),
        shard(tmp_path, "x_exam_test", "test-00000-of-00001.arrow", 8),
    ]
    info = {"x_sft_validation": entry("validation"), "x_exam_test": entry("benchmark")}
    configs = gather_configs(tmp_path, files, info)
    assert [(config.name, [split.name for split in config.splits]) for config in configs] == [
        ("x_exam_test", ["test"]),
        ("x_sft", ["validation"]),
    ]


def test_the_default_has_the_most_training_records_and_of_equals_is_the_first(tmp_path):
    files = [
        shard(tmp_path, "b_sft", "train-00000-of-00001.arrow", 5),
        shard(tmp_path, "a_pt", "train-00000-of-00001.arrow", 5, record_format="pt"),
        shard(tmp_path, "c_exam", "test-00000-of-00001.arrow", 50),
    ]
    info = {"a_pt": entry(record_format="pt"), "b_sft": entry(), "c_exam": entry("benchmark")}
    configs = gather_configs(tmp_path, files, info)
    assert pick_default(configs).name == "a_pt"
    assert pick_default(configs[1:]).name == "b_sft"
    assert pick_default(configs[2:]).name == "c_exam"


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
def test_sizes_are_those_datasets_counts(tmp_path, monkeypatch, suffix):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    file = shard(tmp_path, "x_sft", f"train-00000-of-00001.{suffix}", 2_345, batch=700)
    path = tmp_path / file["path"]
    loaded = datasets.load_dataset(suffix, data_files=str(path), cache_dir=str(tmp_path / "cache"), split="train")
    assert measure(path) == loaded.info.splits["train"].num_bytes > 100_000
