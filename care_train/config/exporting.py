"""Settings of an export, and what is wrong with them."""

import re
from dataclasses import dataclass, field
from typing import Any

from care_train.config.fields import setting, usage
from care_train.config.using import LoadSettings

SIZE = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B)?", re.IGNORECASE)


@dataclass
class FolderSettings:
    """Export"""

    output_dir: str = setting("", "folder to make; it appears once it is whole")
    overwrite_output_dir: bool = setting(False, "replace an earlier export there")
    dtype: str = setting(
        "auto", "numbers to write; auto: the base's own", choices=("auto", "float32", "bfloat16", "float16")
    )
    max_shard_size: str = setting("5GB", "largest file of weights, as 500MB or 5GB")
    device: str = setting("cpu", "where to compare; auto takes a GPU", choices=("cpu", "auto"))
    max_difference: float | None = setting(
        None, "largest difference of two logits (default: 0.001 for float32, 0.2 for float16, 1.5 for bfloat16)"
    )
    json: bool = setting(False, "print the result as one JSON object on stdout")
    notice: bool = setting(True, "say in the card that these are no words of a doctor (--no_notice leaves it out)")


@dataclass
class ExportSettings:
    """Merge adapters into their base: a model of its own, held against what was trained."""

    load: LoadSettings
    folder: FolderSettings
    extra: dict[str, Any] = field(default_factory=dict)


def check_export(settings: ExportSettings) -> None:
    """Raise for settings that cannot be, before anything is read; a bare --max_shard_size is in gigabytes."""
    folder = settings.folder
    if not folder.output_dir:
        raise usage("--output_dir missing", "Name the folder to make.")
    if not SIZE.fullmatch(folder.max_shard_size):
        raise usage(f"--max_shard_size {folder.max_shard_size} is no size", "Write it as 500MB or 5GB.")
    if folder.max_shard_size[-1].isdigit():
        folder.max_shard_size += "GB"
    if settings.load.quantization_bit in (4, 8):
        raise usage("an export is in full precision, not quantised", "Leave --quantization_bit out.")
    if settings.load.infer_dtype != "auto":
        raise usage("an export is computed in 32 bits", "Leave --infer_dtype out; --dtype says what is written.")
