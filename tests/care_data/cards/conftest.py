"""A release of every format, made up, and what its card says."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import yaml

from care_data import release
from care_data.parts import PartWriter
from care_data.records import arrow_schema
from care_data.release import Dataset
from care_data.store import Manifest, writing

EVIL = "---\nlicense: mit\n---\n: {} | <script>alert(1)</script> `x` [a](javascript:b) ${y}$"
ROW = {
    "pt": {"text": "正文"},
    "sft": {"instruction": "问", "input": "", "output": "答", "history": [["前", "后"]]},
    "rw": {"instruction": "问", "input": "", "output": ["好", "差"], "chosen": "好", "rejected": "差", "history": []},
    "eval": {
        "question": "问",
        "options": [{"label": "A", "text": "甲"}],
        "answer": "A",
        "explanation": "",
    },
}


def part(path, record_format, corpus, rows):
    schema = arrow_schema(record_format)
    row = {"corpus": corpus, "license": "MIT", **ROW[record_format]}
    made = [
        {"id": f"{corpus}#{n}", **{name: row.get(name) for name in schema.names if name != "id"}} for n in range(rows)
    ]
    frame = pl.DataFrame(made, schema_overrides={"history": pl.List(pl.List(pl.String))} if "history" in row else None)
    writer = PartWriter(path, schema)
    with writing(path) as temporary:
        writer.write(frame, temporary)
        writer.close({"read": 0, "kept": 0, "dropped": {}}, temporary)
    return path


def make_source(title="Invented", license=None, citation="Wu et al. Work. ACL 2020", origin="hub:org/work@abc"):
    terms = license or {"id": "MIT", "use": "commercial", "redistribute": True}
    return {"title": title, "from": origin, "citation": citation, "languages": ["zh"], "license": terms}


def stages(read, converted, clean, unique, pure, written, held=0):
    dropped = {"held_out": held} if held else {}
    return [
        {"stage": "convert", "read": read, "kept": converted, "dropped": {"ragged": read - converted}},
        {
            "stage": "clean",
            "read": converted,
            "kept": clean,
            "dropped": {"blank_answer": converted - clean},
            "changed": {"changed_privacy": 3, "masked_phone": 1_234, "masked_email": 2},
        },
        {"stage": "dedupe", "read": clean, "kept": unique, "dropped": {"near_duplicate": clean - unique}},
        {"stage": "decontaminate", "read": unique, "kept": pure, "dropped": {}},
        {"stage": "write", "read": pure, "kept": written, "dropped": dropped},
    ]


CHOSEN = {"steps": ["markup", "privacy"], "limits": {}}
PARAMETERS = {
    "corpora": {
        "one": {
            "clean": {"sft": CHOSEN, "rw": CHOSEN},
            "dedupe": {"threshold": 0.8, "miss": 0.001, "num_perm": 128},
            "decontaminate": {"benchmarks": {"---": "k", "/home/me/own.jsonl:q": "k"}, "missing": ["cmb"]},
        },
        "gone": {"clean": {"sft": {"steps": ["names"], "limits": {}}}, "dedupe": {"threshold": 0.5}},
    },
    "mix": {"licence": "any", "splits": {"validation": 0.25}, "sample": None, "seed": 1, "shares": {}, "weights": {}},
}
MANIFEST = Manifest(
    stage="release",
    name="mine",
    key="ab" * 32,
    inputs=[],
    parameters=PARAMETERS,
    counts={
        "one_sft": {"read": 20, "kept": 12, "dropped": {"ragged": 8}},
        "one_rw": {"read": 3, "kept": 3, "dropped": {}},
    },
    funnel={"one_sft": stages(24, 20, 18, 16, 16, 12, held=4)},
    files=[],
    verified=True,
    sources={
        "one": make_source(),
        "---": make_source(EVIL, {"id": "MIT", "terms": EVIL, "use": "unclear", "redistribute": False}),
    },
    version="1",
    code="c",
)


def write_release(tmp_path, name="r", manifest=MANIFEST):
    """A release of every format: a config of 12 + 4 records, one of 3, one of 5, one benchmark of 7."""
    whole = part(tmp_path / "a.parquet", "sft", "one", 16)
    held = np.arange(16) % 4 == 0
    common = {"license": "MIT", "language": "zh", "extra": ()}
    one = Dataset("one", "sft", "sft", "train", parts=[whole], chosen=(~held,), **common)
    datasets = [
        one,
        replace(one, chosen=(held,), split="validation"),
        Dataset("one", "rw", "rw", "train", parts=[part(tmp_path / "b.parquet", "rw", "one", 3)], **common),
        Dataset("---", "pt", "pt", "train", parts=[part(tmp_path / "c.parquet", "pt", "---", 5)], **common),
        Dataset("---", "exam", "eval", "benchmark", parts=[part(tmp_path / "d.parquet", "eval", "---", 7)], **common),
    ]
    release.write(tmp_path / name, datasets, manifest)
    return tmp_path / name


@pytest.fixture
def manifest():
    """The manifest the release is written with."""
    return MANIFEST


@pytest.fixture
def source():
    """Makes what a manifest says of a corpus."""
    return make_source


@pytest.fixture
def make_release(tmp_path):
    """Writes the release, of a name and a manifest."""
    return lambda name="r", manifest=MANIFEST: write_release(tmp_path, name, manifest)


@pytest.fixture
def folder(make_release):
    """The release as it is."""
    return make_release()


@pytest.fixture
def read_header():
    """Reads the front matter of a release's card."""
    return lambda folder: yaml.safe_load((folder / "README.md").read_text(encoding="utf-8")[4:].split("\n---\n")[0])


@pytest.fixture
def read_body():
    """Reads what stands below it."""
    return lambda folder: (folder / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
