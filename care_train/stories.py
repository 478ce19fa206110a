"""What care_train.json records of a run."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from care_train.config import TrainSettings, list_values
from care_train.dataset_info import Dataset
from care_train.sources import describe_data

LIBRARIES = ("care-llm", "torch", "transformers", "peft", "bitsandbytes", "accelerate")


def describe_run(settings: TrainSettings, data: Dataset) -> dict[str, Any]:
    """Enough of a run to use the adapter, and to make it again."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    tiny = settings.model.model_name_or_path == "tiny"
    return {
        "stage": settings.run.stage,
        "base": str(Path(settings.run.output_dir) / "base") if tiny else settings.model.model_name_or_path,
        "template": settings.data.template,
        "system": settings.data.system,
        "quantization_bit": settings.model.quantization_bit,
        "datasets": data.rows,
        "data": describe_data(data.folder, data.rows),
        "dataset_dir": str(data.folder),
        "manifest_sha256": data.manifest_sha256,
        "sources": data.sources,
        "seed": settings.training.seed,
        "settings": list_values(settings),
        "versions": versions,
    }
