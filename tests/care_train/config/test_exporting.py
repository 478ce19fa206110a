"""Settings of an export."""

import pytest

from care_train.arguments import parse
from care_train.config import ALIASES
from care_train.config.exporting import ExportSettings, check_export
from care_train.errors import CareError, Exit


def read(*words: str) -> ExportSettings:
    return parse(ExportSettings, list(words), aliases=ALIASES)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--output_dir missing. Name the folder to make."),
        (("output_dir=x", "max_shard_size=big"), "--max_shard_size big is no size. Write it as 500MB or 5GB."),
        (("output_dir=x", "infer_dtype=float16"), "an export is computed in 32 bits. Leave --infer_dtype out"),
        (("output_dir=x", "quantization_bit=4"), "an export is in full precision, not quantised. Leave"),
    ],
)
def test_settings_that_cannot_be(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(CareError) as caught:
        check_export(read(*words))
    assert str(caught.value).startswith(message)
    assert caught.value.code == Exit.USAGE


@pytest.mark.parametrize(("given", "meant"), [("2", "2GB"), ("0.5", "0.5GB"), ("500MB", "500MB"), ("2 GiB", "2 GiB")])
def test_a_bare_size_is_in_gigabytes(given: str, meant: str) -> None:
    settings = read("export_dir=x", f"export_size={given}", "export_device=auto", "quantization_bit=16")
    check_export(settings)
    assert (settings.folder.max_shard_size, settings.folder.output_dir, settings.folder.device) == (meant, "x", "auto")
