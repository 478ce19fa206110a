"""What tells one model's weights from another's."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from care_train.fingerprints import SAMPLE, fingerprint

WEIGHTS = {"a": torch.arange(3 * SAMPLE, dtype=torch.float32), "b": torch.ones(4, 5)}


def write(folder: Path, weights: dict[str, torch.Tensor], **notes: str) -> str:
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors", notes)
    return str(folder)


def test_it_is_the_same_for_a_copy_under_another_name_and_note(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", WEIGHTS), write(tmp_path / "two", WEIGHTS, format="pt")
    assert fingerprint(one) == fingerprint(two)
    assert len(str(fingerprint(one))) == 16


@pytest.mark.parametrize("change", ["first", "last", "middle", "name", "shape", "type"])
def test_it_differs_where_the_weights_do(tmp_path: Path, change: str) -> None:
    other = {name: weight.clone() for name, weight in WEIGHTS.items()}
    if change in ("first", "last", "middle"):
        other["a"][{"first": 0, "last": -1, "middle": 3 * SAMPLE // 2 + 100}[change]] += 1
    elif change == "name":
        other["c"] = other.pop("b")
    elif change == "shape":
        other["b"] = other["b"].reshape(5, 4)
    else:
        other["b"] = other["b"].to(torch.float16)
    assert fingerprint(write(tmp_path / "one", WEIGHTS)) != fingerprint(write(tmp_path / "two", other))


def test_what_lies_elsewhere_has_none(tmp_path: Path) -> None:
    assert fingerprint(str(tmp_path)) is None
    assert fingerprint("nobody/nothing") is None
