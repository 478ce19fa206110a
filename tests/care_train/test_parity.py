"""Every step beside LLaMA-Factory 0.9.5 and TRL 1.16, whose numbers `python bench/parity.py --write` made."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GOLDEN = json.loads((Path(__file__).parent / "goldens/parity.json").read_text(encoding="utf-8"))
BENCH = Path(__file__).resolve().parents[2] / "bench"
CLOSE = 1.5e-5  # equal to five decimals, a rounding each


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModuleType, Path]]:
    """The script, which is in no package, and the inputs it makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import parity_sides

        inputs = tmp_path_factory.mktemp("parity") / "inputs"
        parity_sides.make_inputs(inputs)
        yield parity_sides, inputs


def test_every_case_has_its_numbers(sides: tuple[ModuleType, Path]) -> None:
    module, _ = sides
    assert {name: {"ours", *case.beside} for name, case in module.CASES.items()} == {
        name: set(told) for name, told in GOLDEN["cases"].items()
    }
    assert all(len(steps) == module.STEPS == 6 for told in GOLDEN["cases"].values() for steps in told.values())


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_loss_and_gradients_of_each_step_are_theirs(name: str, sides: tuple[ModuleType, Path], tmp_path: Path) -> None:
    module, inputs = sides
    ours = module.run_ours(module.CASES[name], inputs, tmp_path / "output")
    for side in module.CASES[name].beside:
        for step, (one, two) in enumerate(zip(ours, GOLDEN["cases"][name][side], strict=True), 1):
            assert one == pytest.approx(two, abs=CLOSE), f"{side}, step {step}"


def test_the_script_tells_a_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import parity

    told: dict[str, dict[str, Any]] = {side: {} for side in parity.SIDES}
    for name, sides in json.loads(json.dumps(GOLDEN["cases"])).items():
        for side, steps in sides.items():
            told[side][name] = steps
    assert parity.compare(told)
    told["trl"]["rm"][5][1] += 3e-5
    assert not parity.compare(told)
    assert capsys.readouterr().out.strip().endswith("| 3.0e-05 |")
