"""The benchmark on a GPU, small and without one: what is counted, judged and kept, and that both ways of ours run."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is in no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    import gpu

    return gpu


def point(gpu: ModuleType, **other: Any) -> Any:
    return gpu.Point("8b", 2048, True, 4, "ours", 10)._replace(**other)


def measured(speed: float, memory: float = 9.0) -> dict[str, Any]:
    return {"tokens_per_second": speed, "memory": memory * 2**30, "outside": 0.02, "context": 200.0, "device": "CPU"}


def test_operations_are_those_of_the_published_sizes(gpu):
    """Llama-2-7B has 6.61e9 weights in its matrices, the embedding not counted, and Llama-3-8B 7.50e9."""
    assert gpu.count_operations("7b", 0) / 4 == pytest.approx(6.607e9, rel=1e-3)
    assert gpu.count_operations("8b", 0) / 4 == pytest.approx(7.505e9, rel=1e-3)
    assert gpu.count_operations("8b", 1000) - gpu.count_operations("8b", 0) == 6 * 32 * 4096 * 1000
    assert gpu.find_peak("NVIDIA H100 80GB HBM3") == 989e12
    assert gpu.find_peak("NVIDIA H100 PCIe") == 756e12
    assert gpu.find_peak("CPU") is None


def test_lengths_fill_all_steps_and_are_the_same_each_time(gpu):
    import gpu_sides

    plain = gpu_sides.draw_lengths(point(gpu, packed=False, batch=2))
    assert len(plain) == 2 * (gpu_sides.WARM + 10 + gpu_sides.ALONE)
    packed = gpu_sides.draw_lengths(point(gpu, length=512))
    assert packed == gpu_sides.draw_lengths(point(gpu, length=512, side="trl"))
    assert max(packed) == 512
    assert sum(packed) >= 4 * 15 * 512


def test_aims_are_judged_by_the_points_there_are(gpu):
    found = {
        point(gpu): measured(9000.0, 30.0),
        point(gpu, batch=8): measured(9700.0, 60.0),
        point(gpu, batch=16): {"failed": "out of memory"},
        point(gpu, batch=1): measured(5000.0, 11.0),
        point(gpu, batch=8, side="trl"): measured(10000.0),
        point(gpu, batch=8, side="trl", packed=False): measured(7000.0),
        point(gpu, batch=16, side="trl", packed=False): measured(8000.0),
    }
    assert gpu.judge(found) == [
        ("tokens/s, 8b packed 2,048, best batch", 9700.0, ">= 9,652", True),
        ("GiB, 8b, batch 1 of 2,048", 11.0, "<= 10", False),
        ("least ours / TRL: 8b packed 2,048, batch 8", 0.97, ">= 1.0", False),
        ("8b 2,048: packed / TRL unpacked", 9700 / 8000, ">= 1.3", False),
    ]
    assert gpu.judge({point(gpu): {"failed": "out of memory"}}) == []


def test_batches_double_until_nothing_is_gained_or_memory_is_full(gpu, monkeypatch, tmp_path):
    speeds = {True: {1: 100.0, 2: 150.0, 4: 151.0, 8: 300.0}, False: {1: None, 2: 100.0}}

    def look(asked_point, *rest):
        speed = speeds[asked_point.packed][asked_point.batch]
        return measured(speed) if speed else {"failed": "out of memory"}

    monkeypatch.setattr(gpu, "look", look)
    asked = gpu.parse(["--shape", "8b", "--lengths", "512", "--sides", "ours", "--work", str(tmp_path)])
    assert [(each.packed, each.batch) for each, _ in gpu.fill(asked, {})] == [
        (True, 1),
        (True, 2),
        (True, 4),
        (False, 1),
    ]


def test_other_libraries_do_not_share_a_table(gpu, tmp_path):
    kept = tmp_path / "gpu.json"
    assert gpu.read_results(kept) == {}
    kept.write_text(json.dumps({"made_with": {**gpu.list_versions(), "torch": "1.0"}, "points": {}}), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"gpu.json was measured with .*; name another file with --json"):
        gpu.read_results(kept)


def test_a_small_run_goes_on_where_it_was(tmp_path):
    words = ["--shape", "tiny", "--lengths", "64", "--sides", "ours", "--most", "1", "--steps", "1"]
    command = [sys.executable, str(BENCH / "gpu.py"), *words, "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert list(kept["points"]) == ["tiny 64 True 1 ours 1", "tiny 64 False 1 ours 1"]
    for found in kept["points"].values():
        assert found["tokens_per_second"] > 0
        assert 2**26 < found["memory"] < 2**33
        assert 0 < found["outside"] < 1
        assert 8 <= found["context"] <= 64
    kept["points"]["tiny 64 True 1 ours 1"]["tokens_per_second"] = 123456.0
    (tmp_path / "gpu.json").write_text(json.dumps(kept), encoding="utf-8")
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "| tiny | 64 | packed | 1 | ours | 123,456 |" in again.stdout
    assert "\nOn CPU.\n" in again.stdout
