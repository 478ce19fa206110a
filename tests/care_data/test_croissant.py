"""Croissant metadata: mlcroissant takes it, and streams the records of Parquet shards by it."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.cards import write_card
from care_data.records import arrow_schema
from care_data.store import Manifest, sha256_file, write_json

ROWS = [
    {
        "id": f"one#{number}",
        "corpus": "one",
        "license": "MIT",
        "instruction": f"第{number}问",
        "input": "",
        "output": ["好", "差"],
        "chosen": "好",
        "rejected": "差",
        "history": [["前", "后"]] * number,
    }
    for number in range(5)
]
LICENSE = {"id": "MIT", "terms": "--- <script>", "use": "research", "redistribute": False}
SOURCE = {"title": "T", "from": "hub:org/work@abc", "citation": "Wu et al. Work. ACL 2020", "languages": ["zh"]}
MANIFEST = Manifest(
    stage="release",
    name="mine",
    key="ab" * 32,
    inputs=[],
    parameters={},
    counts={},
    files=[],
    verified=True,
    sources={"one": {**SOURCE, "license": LICENSE}},
    version="1.2.3",
)


def make(folder, suffix):
    """A release of two shards to train on and one held out; what its croissant.json says."""
    files, info = [], {}
    parts = {"one_rw/train-00000-of-00002": (0, 2), "one_rw/train-00001-of-00002": (2, 4)}
    for path, (first, last) in {**parts, "one_rw_test/test-00000-of-00001": (4, 5)}.items():
        dataset, shard = path.split("/")[0], folder / (path + suffix)
        shard.parent.mkdir(parents=True, exist_ok=True)
        rows = pa.Table.from_pylist(ROWS[first:last], schema=arrow_schema("rw"))
        if suffix == ".parquet":
            pq.write_table(rows, shard)
        else:
            with pa.OSFile(str(shard), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as stream:
                stream.write_table(rows)
        told = {"path": path + suffix, "dataset": dataset, "rows": last - first, "bytes": shard.stat().st_size}
        files.append({**told, "sha256": sha256_file(shard)})
        role = "test" if dataset.endswith("test") else "train"
        care = {"format": "rw", "role": role, "corpus": "one", "license": "MIT", "language": "zh", "rows": 1}
        info[dataset] = {"file_name": dataset, "care": care}
    write_json(folder / "dataset_info.json", info)
    assert write_card(folder, replace(MANIFEST, files=files), suffix=suffix) == ["README.md", "croissant.json"]
    return json.loads((folder / "croissant.json").read_text("utf-8"))


def test_it_names_every_shard_with_size_type_and_hash(tmp_path):
    told = make(tmp_path, ".arrow")
    files = [part for part in told["distribution"] if part["@type"] == "cr:FileObject"]
    assert [(file["contentUrl"], file["contentSize"], file["sha256"], file["encodingFormat"]) for file in files] == [
        (
            path.relative_to(tmp_path).as_posix(),
            f"{path.stat().st_size} B",
            sha256_file(path),
            "application/vnd.apache.arrow.stream",
        )
        for path in sorted(tmp_path.glob("*/*.arrow"))
    ]
    assert len(files) == 3


def test_it_names_licences_citations_and_fields(tmp_path):
    told = make(tmp_path, ".parquet")
    assert told["license"] == ["one: MIT; --- <script> (use: research; may not be passed on)"]
    assert "@inproceedings{one,\n  author        = {Wu and others}," in told["citeAs"]
    assert told["citeAs"].startswith("@misc{mine,")
    assert (told["name"], told["version"], told["inLanguage"]) == ("mine", "1.2.3", ["zh"])
    assert told["isBasedOn"] == ["https://huggingface.co/datasets/org/work"]
    assert "5 records" in told["description"]
    assert [(part["@id"], part["key"]["@id"]) for part in told["recordSet"]] == [
        ("one_rw/train", "one_rw/train/id"),
        ("one_rw/test", "one_rw/test/id"),
    ]
    fields = {field["@id"]: field for field in told["recordSet"][0]["field"]}
    assert list(fields) == [f"one_rw/train/{name}" for name in arrow_schema("rw").names]
    assert [name for name, field in fields.items() if field.get("repeated")] == [
        "one_rw/train/output",
        "one_rw/train/history",
    ]
    assert {field["dataType"] for field in fields.values()} == {"sc:Text"}


def read(mlcroissant, folder):
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    return dataset


@pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
def test_mlcroissant_takes_it(tmp_path, suffix):
    mlcroissant = pytest.importorskip("mlcroissant")
    make(tmp_path, suffix)
    told = read(mlcroissant, tmp_path).metadata
    assert [records.uuid for records in told.record_sets] == ["one_rw/train", "one_rw/test"]
    (warning,) = told.ctx.issues.warnings  # a release knows no day
    assert "datePublished" in warning


def test_mlcroissant_refuses_a_field_of_no_source(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    told = make(tmp_path, ".parquet")
    told["recordSet"][0]["field"][0]["source"]["fileSet"]["@id"] = "elsewhere"
    write_json(tmp_path / "croissant.json", told)
    with pytest.raises(mlcroissant.ValidationError):
        read(mlcroissant, tmp_path)


def test_mlcroissant_streams_the_records_of_parquet_shards(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    make(tmp_path, ".parquet")
    dataset = read(mlcroissant, tmp_path)
    for split, expected in (("train", ROWS[:4]), ("test", ROWS[4:])):
        found = list(dataset.records(record_set=f"one_rw/{split}"))
        assert [decode({name.split("/")[-1]: value for name, value in row.items()}) for row in found] == expected


def decode(value):
    """Bytes, which mlcroissant gives for texts, as text, however deep they lie."""
    if isinstance(value, dict):
        return {name: decode(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value if isinstance(value, str) else [decode(inner) for inner in value]


def test_of_arrow_shards_mlcroissant_has_no_reader(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    make(tmp_path, ".arrow")
    with pytest.raises(mlcroissant.GenerationError) as caught:
        list(read(mlcroissant, tmp_path).records(record_set="one_rw/test"))
    assert "returned a valid pandas dataframe" in str(caught.value.__cause__)
