"""The same corpora and settings give the same release, byte for byte, wherever, whenever and however it is built."""

import os
from pathlib import Path
from typing import Any

import pytest

from care_data import registry
from care_data.pipeline import run_stages
from care_data.stages import Settings
from care_data.stages.changes import parse_changes
from care_data.stages.mixing import Mix
from care_data.store import Store, read_manifest

SAMPLES = Path(os.environ.get("CARE_SAMPLES", Path(__file__).resolve().parents[2].parent / "shared/corpora"))
MIRROR = SAMPLES / "mirror"

BUILD = """
import datetime, time
now, late = time.time, {late}
time.time = lambda: now() + late
time.time_ns = lambda: int((now() + late) * 1e9)
class Day(datetime.date):
    today = classmethod(lambda day: day.fromtimestamp(now() + late))
class Moment(datetime.datetime):
    now = today = utcnow = classmethod(lambda moment, tz=None: moment.fromtimestamp(now() + late, tz))
datetime.date, datetime.datetime = Day, Moment
from care_data import cli, engines, release
engines.SMALL, release.SHARD_BYTES = 0, 20_000
cli.main()
"""
"""The command on another day, with work for two processes and datasets of several shards however small the corpora."""

PLACES: list[dict[str, Any]] = [
    {"workers": 1, "late": 0, "TZ": "UTC", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
    {"workers": 2, "late": 4e7, "TZ": "Asia/Shanghai", "LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8",
     "PYTHONHASHSEED": "4711"},
]  # fmt: skip

CORPORA = {
    "demo": ["demo"],
    "upstream": ["cmedqa2", "imcs_v2", "medicalgpt_pt", "comparison_gpt4", "huatuo26m_testdatasets"],
}
"""Of upstream's samples those of every format: text, joined files, dialogues, preferences, test sets."""


def build(care_data: Any, names: list[str], root: Path, place: dict[str, Any]) -> Path:
    """The release of the corpora, held out records among it, built below `root` in a place of its own."""
    home = root / "home"
    home.mkdir(parents=True)
    mirror = [] if names == ["demo"] else ["--mirror", MIRROR]
    variables = {name: value for name, value in place.items() if name.isupper()}
    ended = care_data(
        "run", *names, *mirror, "--split", "validation=0.1", "--workers", place["workers"], "--to", root / "data",
        "--json", program=BUILD.format(late=place["late"]), HOME=home, TMPDIR=home, **variables,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.json["failures"] == {}
    return Path(ended.json["release"])


@pytest.mark.parametrize("corpora", CORPORA)
def test_a_release_built_elsewhere_is_the_same_byte_for_byte(corpora, care_data, tmp_path, snapshot):
    if corpora == "upstream" and not MIRROR.is_dir():
        pytest.skip(f"no samples in {SAMPLES}")
    one, two = (
        build(care_data, CORPORA[corpora], tmp_path / folder, place)
        for folder, place in zip(("here", "elsewhere 数据/deeper"), PLACES, strict=True)
    )
    assert one.name == two.name
    shards = [path for path in snapshot(one) if path.endswith(".arrow")]
    assert len(shards) > len({path.split("/")[0] for path in shards}) > 6
    assert {"README.md", "croissant.json", "dataset_info.json", "manifest.json"} < set(snapshot(one))
    assert snapshot(one) == snapshot(two)
    told = read_manifest(one)
    assert told is not None
    assert {f["path"]: f["sha256"] for f in told.files} == {
        path: digest for path, digest in snapshot(two).items() if path != "manifest.json"
    }


CHANGES: dict[str, dict[str, Any]] = {
    "threshold": {"dedupe": {"threshold": 0.7}},
    "rows that may be bad": {"max_bad": 0.5},
    "private values": {"pii": "drop"},
    "filters": {"changes": parse_changes(["filters.sft.advertising=false"])},
    "a sample": {"mix": Mix(sample=0.5)},
    "another sample": {"mix": Mix(sample=0.25)},
    "the lot": {"mix": Mix(sample=0.5, seed=1)},
    "what is held out": {"mix": Mix(splits={"validation": 0.1})},
    "a weight": {"mix": Mix(weights={"demo_consult": 0.5})},
    "a share": {"mix": Mix(shares={"demo_consult": 0.5})},
}
"""What a release is made otherwise by, each alone."""


def test_every_setting_has_a_key_of_its_own_and_comes_back_to_it(tmp_path, snapshot):
    store = Store(tmp_path / "data")

    def key(**changes: Any) -> tuple[str, dict[str, str]]:
        settings = Settings(store, workers=1, **changes)
        result = run_stages(registry.select(["demo"]), settings, "write", lambda name, done: None)
        assert result.failures == {}
        assert result.release is not None
        manifest = read_manifest(result.release)
        assert manifest is not None
        assert result.release.name == f"demo-{manifest.key[:8]}"
        return manifest.key, snapshot(result.release)

    first, files = key()
    keys = {first: "none", **{key(**changes)[0]: what for what, changes in CHANGES.items()}}
    assert list(keys.values()) == ["none", *CHANGES]
    assert key() == (first, files)
