"""The changes that are told of records of upstream's samples are those that cleaning made."""

from care_data import registry
from care_data.parts import read_frames
from care_data.provenance import explain
from care_data.stages.cleaning import TWICE
from care_data.store import Store, read_manifest

MOST = 6
"""Changed records looked at of each output."""


def read(store, stage, corpus, output):
    folder = store.folder(stage, corpus)
    parts = [f for f in read_manifest(folder).files if f["output"] == output and f["kind"] == "records"]
    return {
        row["id"]: row for part in parts for frame in read_frames(folder / part["path"]) for row in frame.to_dicts()
    }


def test_the_changes_told_in_their_order_make_the_cleaned_record(samples, run_mirror):
    names = [name for name in registry.names() if not name.startswith("demo")]
    run = run_mirror(names, samples / "mirror", stage="clean")
    store, seen = Store(run.store.root), 0
    for corpus, manifest in run.manifests.items():
        for output in manifest.counts:
            before = read(store, "convert", corpus, output)
            after = read(store, "clean", corpus, output)
            changed = [name for name in after if after[name] != before[name]][:MOST]
            same = [name for name in after if after[name] == before[name]][:1]
            for name in changed + same:
                story = explain(name, store)
                assert bool(story.changes) == (name in changed)
                record = dict(story.record)
                for _, field, old, new in story.changes:
                    assert record[field] == old
                    record[field] = new
                for field, at in TWICE.get(registry.load(corpus).outputs[output].format, {}).items():
                    record[field] = record["output"][at]
                assert record == after[name]
                seen += 1
    assert seen > 100
