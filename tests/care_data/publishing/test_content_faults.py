"""Publishing a release whose words are hostile, whose counts or bytes are wrong, or that may not be passed on."""

import json
import re

import pyarrow as pa
import pytest
import yaml

from care_data import publishing
from care_data.errors import Exit

REPO = "care/demo"
SHARD = "demo_consult_sft/train-00000-of-00001"


# What others wrote is shown in the card and obeyed nowhere


WORDS = [
    "---\nconfigs: []\n---",
    "a: {b: [c",
    "<script>alert(1)</script>",
    "![x](http://127.0.0.1:9/x.png)",
    "| cell |\n\n## Heading\n`code` {{ 7 * 7 }}",
    "\u202e\x1b[31m&lt;img onerror=x&gt;",
    "\n```\n\n## Heading\n\n<script>1</script>",
]
LOAD = """if True:
    import json, sys, datasets
    names = datasets.get_dataset_config_names(sys.argv[1])
    loaded = {name: datasets.load_dataset(sys.argv[1], name) for name in names}
    rows = {name: {split: part.to_list() for split, part in each.items()} for name, each in loaded.items()}
    features = {name: sorted(next(iter(each.values())).features) for name, each in loaded.items()}
    print(json.dumps({"rows": rows, "features": features}))
"""


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_the_words_of_others_in_the_card(scene, words):
    pytest.importorskip("datasets")
    sources = json.loads(json.dumps(scene.manifest().sources))
    for source in sources.values():
        source |= {"title": words, "citation": words}
        source["license"] |= {"terms": words}
    scene.alter(sources=sources)
    ended = scene.publish()
    assert (ended.code, ended.text) == (Exit.DONE, "")
    scene.check_published()
    card = scene.hub.files(REPO)["README.md"].decode()
    header = card.split("---\n", 2)[1]
    told = yaml.safe_load(header)
    assert sorted(config["config_name"] for config in told["configs"]) == sorted(scene.manifest().counts)
    shown = re.sub(r"^```.*?^```$", "", card, flags=re.MULTILINE | re.DOTALL)  # a block of code is shown as it is
    for sign in ("<script", "<img", "![x]", "\n## Heading"):
        assert sign not in shown
    for sign in ("\x1b", "\u202e"):
        assert sign not in card
    back = json.loads(scene.client.run(LOAD, REPO))
    assert list(back["rows"]) == [config["config_name"] for config in told["configs"]]
    for line in scene.manifest().files:
        if "dataset" in line:
            with pa.ipc.open_stream((scene.release / line["path"]).read_bytes()) as stream:
                table = stream.read_all()
            assert back["rows"][line["dataset"]] == {"train": table.to_pylist()}
            assert back["features"][line["dataset"]] == sorted(table.schema.names)


def test_a_count_that_is_not_the_shards_is_found_before_anything_is_sent(scene):
    files = [{**line, "rows": line["rows"] + 1} if "rows" in line else line for line in scene.manifest().files]
    scene.alter(files=files)
    ended = scene.publish()
    assert ended.code == Exit.INTEGRITY, ended.text
    scene.check_nothing_was_sent()


def test_a_shard_that_is_not_the_releases_is_found_before_anything_is_sent(scene):
    scene.alter()
    shard = scene.release / f"{SHARD}.arrow"
    body = bytearray(shard.read_bytes())
    body[len(body) // 2] ^= 1
    shard.write_bytes(body)
    ended = scene.publish()
    assert ended.code == Exit.INTEGRITY, ended.text
    assert shard.name in ended.text
    scene.check_nothing_was_sent()


def test_what_lies_beside_the_tree_is_not_sent(scene):
    (publishing.place_tree(scene.release, {}) / "notes.txt").write_text("mine")
    assert scene.publish().code == Exit.DONE
    assert set(scene.hub.files(REPO)) == set(scene.tree) - {"notes.txt"}


# Licences and personal data


LICENSES = [
    {"id": "unknown", "use": "unclear", "redistribute": False},
    {"id": "CC-BY-NC-4.0", "use": "research", "redistribute": False},
    {"id": "CC-BY-ND-4.0", "use": "research", "redistribute": False},
    {"id": "other", "use": "research", "redistribute": False, "terms": "ask the authors"},
    {"id": "MIT", "use": "unclear", "redistribute": False},
]


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("terms", LICENSES, ids=[each["id"] for each in LICENSES])
def test_what_may_not_be_passed_on_is_named_and_kept(scene, terms, public):
    scene.license("demo_dialogue", **terms)
    scene.license("demo_preference", **terms)
    ended = scene.publish(public=public)
    assert ended.code == Exit.POLICY, ended.text
    assert "demo_dialogue, demo_preference" in ended.text
    assert [line.partition(":")[0] for line in ended.details] == ["demo_dialogue", "demo_preference"]
    assert all(terms["id"] in line for line in ended.details)
    assert scene.hub.journal == []


def test_what_may_not_be_passed_on_is_left_out_when_told(scene):
    scene.license("demo_dialogue", id="unknown", use="unclear", redistribute=False)
    ended = scene.publish(public=True, only_redistributable=True)
    assert (ended.code, list(ended.plan.withheld)) == (Exit.DONE, ["demo_dialogue"])
    files = scene.hub.files(REPO)
    assert not any("demo_dialogue" in path for path in files)
    assert {path.partition("/")[0] for path in files if path.endswith(".parquet")} == {
        "demo_consult_sft",
        "demo_preference_rw",
    }
    assert b"demo_dialogue_sft" not in files["README.md"] + files["dataset_info.json"] + files["croissant.json"]


@pytest.fixture
def private(scene):
    """A release one of whose answers has a telephone number."""

    def tell_number(table):
        answers = table["output"].to_pylist()
        answers[3] += "请拨打13800138000。"
        at = table.schema.get_field_index("output")
        return table.set_column(at, table.schema.field(at), pa.array(answers, pa.string()))

    scene.rewrite(f"{SHARD}.arrow", tell_number)
    return scene


@pytest.mark.parametrize("public", [True, False])
def test_personal_data_is_counted_and_kept(private, public):
    ended = private.publish(public=public)
    assert ended.code == Exit.POLICY, ended.text
    assert "1 phone" in ended.text
    assert "--accept-pii" in ended.text
    assert "13800138000" not in ended.text
    private.check_nothing_was_sent()


def test_personal_data_is_sent_when_told(private):
    ended = private.publish(accept_private=True)
    assert (ended.code, ended.plan.manifest.private) == (Exit.DONE, {"phone": 1})
    private.check_published()
