"""The card: `datasets` and the Hub's client take it, its bytes follow from the content, no text is obeyed."""

import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from care_data.cards import write_card
from care_data.store import read_manifest, sha256_file


@pytest.fixture
def load_dataset(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return lambda folder, *words: datasets.load_dataset(str(folder), *words, cache_dir=str(tmp_path / "cache"))


def test_datasets_loads_the_folder_and_every_config_with_the_counts_of_the_manifest(folder, load_dataset):
    found = {name: load_dataset(folder, name) for name in ("---_exam", "---_pt", "one_rw", "one_sft")}
    counted = {f["dataset"]: f["rows"] for f in read_manifest(folder).files if "dataset" in f}
    assert {name: {split: rows.num_rows for split, rows in splits.items()} for name, splits in found.items()} == {
        "---_exam": {"test": counted["---_exam"]},
        "---_pt": {"train": counted["---_pt"]},
        "one_rw": {"train": counted["one_rw"]},
        "one_sft": {"train": counted["one_sft"], "validation": counted["one_sft_validation"]},
    }
    assert found["one_sft"]["validation"]["id"] == ["one#0", "one#4", "one#8", "one#12"]
    assert load_dataset(folder)["train"]["id"] == found["one_sft"]["train"]["id"]
    assert found["---_exam"]["test"][0]["options"] == [{"label": "A", "text": "甲"}]


def test_datasets_loads_the_same_from_parquet_shards(folder, tmp_path, load_dataset):
    files = []
    for line in read_manifest(folder).files:
        if "dataset" in line:
            shard = (tmp_path / "tree" / line["path"]).with_suffix(".parquet")
            shard.parent.mkdir(parents=True, exist_ok=True)
            with pa.memory_map(str(folder / line["path"])) as stream:
                pq.write_table(pa.ipc.open_stream(stream).read_all(), shard, row_group_size=5)
            path = line["path"].replace(".arrow", ".parquet")
            files.append({**line, "path": path, "bytes": shard.stat().st_size, "sha256": sha256_file(shard)})
    (tmp_path / "tree/dataset_info.json").write_bytes((folder / "dataset_info.json").read_bytes())
    write_card(tmp_path / "tree", replace(read_manifest(folder), files=files), suffix=".parquet")
    for config in ("---_exam", "---_pt", "one_rw", "one_sft"):
        found, expected = load_dataset(tmp_path / "tree", config), load_dataset(folder, config)
        assert {split: rows.to_list() for split, rows in found.items()} == {
            split: rows.to_list() for split, rows in expected.items()
        }
        assert next(iter(found.values())).features == next(iter(expected.values())).features
    assert 'pl.scan_parquet("one_sft/*.parquet")' in (tmp_path / "tree/README.md").read_text("utf-8")


def test_datasets_refuses_a_card_with_wrong_counts(folder, load_dataset):
    from datasets.exceptions import NonMatchingSplitsSizesError

    card = folder / "README.md"
    card.write_text(card.read_text("utf-8").replace("num_examples: 12\n", "num_examples: 13\n"), encoding="utf-8")
    with pytest.raises(NonMatchingSplitsSizesError):
        load_dataset(folder, "one_sft")


def test_the_hubs_client_reads_the_card_and_writes_it_again(folder, read_header):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.DatasetCard.load(folder / "README.md")
    told = card.data.to_dict()
    assert {name: told[name] for name in told} == read_header(folder)
    again = hub.DatasetCard(str(card))
    assert (again.data.to_dict(), again.text) == (told, card.text)


def test_a_card_is_the_same_bytes_wherever_it_is_made(tmp_path, make_release):
    one, two = make_release("r"), make_release("elsewhere")
    for name in ("README.md", "croissant.json", "manifest.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert str(tmp_path) not in (one / "README.md").read_text("utf-8")


def test_the_manifest_names_the_card(folder):
    lines = {f["path"]: f for f in read_manifest(folder).files}
    for name in ("README.md", "croissant.json", "dataset_info.json"):
        path = folder / name
        assert lines[name] == {"path": name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def test_no_text_of_a_corpus_is_obeyed(folder, read_header, read_body):
    text = (folder / "README.md").read_text("utf-8")
    assert text.count("\n---\n") == 1
    assert read_header(folder)["license"] == "other"
    html = MarkdownIt("commonmark").enable("table").render(read_body(folder))
    assert "<script" not in html
    assert "javascript:b" not in re.findall(r'href="([^"]*)"', html)
    for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL):
        assert "alert" not in row or row.count("<td") in (5, 8)
    told = "--- license: mit --- : {} | &lt;script&gt;alert(1)&lt;/script&gt; `x` [a](javascript:b) ${y}$"
    assert f"<td>{told}</td>" in html
