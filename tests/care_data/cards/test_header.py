"""The front matter: what the release holds, one licence only where all are under it, names that stay names."""

import json
from dataclasses import replace

import pytest

from care_data.cards import write_card
from care_data.cards.header import describe_license, describe_type
from care_data.configs import gather_configs
from care_data.records import FORMATS, arrow_schema, columns
from care_data.store import read_manifest


def test_the_header_says_what_the_release_holds(folder, read_header):
    header = read_header(folder)
    infos = header.pop("dataset_info")
    assert header == {
        "pretty_name": "Medical text: mine",
        "language": ["zh"],
        "license": "other",
        "license_name": "mit-with-further-terms",
        "license_link": "https://huggingface.co/datasets/org/work",
        "license_details": "MIT: ---, one",
        "task_categories": ["question-answering", "text-generation"],
        "tags": ["medical", "care-data", "benchmark", "instruction-tuning", "preference", "pretraining"],
        "size_categories": ["n<1K"],
        "source_datasets": ["extended|org/work"],
        "configs": [
            {"config_name": "---_exam", "data_files": [{"split": "test", "path": "---_exam/test-*.arrow"}]},
            {"config_name": "---_pt", "data_files": [{"split": "train", "path": "---_pt/train-*.arrow"}]},
            {"config_name": "one_rw", "data_files": [{"split": "train", "path": "one_rw/train-*.arrow"}]},
            {
                "config_name": "one_sft",
                "default": True,
                "data_files": [
                    {"split": "train", "path": "one_sft/train-*.arrow"},
                    {"split": "validation", "path": "one_sft_validation/validation-*.arrow"},
                ],
            },
        ],
    }
    found = {info["config_name"]: {s["name"]: s["num_examples"] for s in info["splits"]} for info in infos}
    assert found == {
        "---_exam": {"test": 7},
        "---_pt": {"train": 5},
        "one_rw": {"train": 3},
        "one_sft": {"train": 12, "validation": 4},
    }
    sizes = {path.parent.name: path.stat().st_size for path in folder.glob("*/*.arrow")}
    assert infos[3]["download_size"] == sizes["one_sft"] + sizes["one_sft_validation"]
    assert infos[3]["dataset_size"] == sum(split["num_bytes"] for split in infos[3]["splits"])


@pytest.mark.parametrize("record_format", FORMATS)
@pytest.mark.parametrize("extra", [(), ("system",)], ids=["plain", "system"])
def test_features_are_written_as_datasets_writes_them(record_format, extra):
    datasets = pytest.importorskip("datasets")
    schema = arrow_schema(record_format, extra)
    assert len(schema) == len(columns(record_format, extra))
    expected = datasets.Features.from_arrow_schema(schema)._to_yaml_list()
    assert [{"name": field.name, **describe_type(field.type)} for field in schema] == expected


@pytest.mark.parametrize("name", ["---", "a: {}", "<script>", "- x", "'\"", "#c", "yes", "1e3", "!!python/object:a"])
def test_names_stay_names_in_the_header(name, read_header, make_release, source):
    made = make_release()
    info = json.loads((made / "dataset_info.json").read_text("utf-8"))
    manifest = read_manifest(made)
    for entry in info.values():
        entry["care"] |= {"language": name, "license": name}
    (made / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    sources = {name: source(origin=f"hub:{name}/x@1", license={"id": name, "use": "unclear", "redistribute": False})}
    write_card(made, replace(manifest, name=name, sources=sources))
    header = read_header(made)
    assert header["language"] == [name]
    assert header["pretty_name"] == f"Medical text: {name}"
    assert header["source_datasets"] == [f"extended|{name}/x"]
    assert header["license_details"] == f"{name}: ---, one"


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        ([("MIT", None, "commercial")], {"license": "mit"}),
        ([("CC-BY-NC-4.0", None, "research")] * 2, {"license": "cc-by-nc-4.0"}),
        (
            [("unknown", None, "unclear")],
            {"license": "other", "license_name": "unspecified", "license_link": "https://github.com/o/c0"},
        ),
        (
            [("MIT", "no trade", "research")],
            {
                "license": "other",
                "license_name": "mit-with-further-terms",
                "license_link": "https://github.com/o/c0",
            },
        ),
        ([("MIT", None, "unclear")] * 2, {"license": "other", "license_name": "mit-with-further-terms"}),
        ([("MIT", None, "commercial"), ("GPL-3.0", None, "research")], {"license": "other", "license_name": "mixed"}),
    ],
)
def test_one_licence_is_said_only_where_all_are_under_it(licenses, expected, make_release, source, manifest):
    made = make_release()
    info = json.loads((made / "dataset_info.json").read_text("utf-8"))
    (config, *_) = gather_configs(made, read_manifest(made).files, info)
    configs, sources = [], {}
    for number, (name, terms, use) in enumerate(licenses):
        corpus = f"c{number}"
        configs.append(replace(config, care={**config.care, "corpus": corpus, "license": name}))
        license = {"id": name, "use": use, "redistribute": True, **({"terms": terms} if terms else {})}
        sources[corpus] = source(license=license, origin=f"github:o/{corpus}@1")
    found = describe_license(replace(manifest, sources=sources), configs)
    details = found.pop("license_details", None)
    assert found == expected
    if expected.get("license_name") == "mixed":
        assert details == "GPL-3.0: c1; MIT: c0"
