"""The front matter of a card: what the Hub and `datasets` read of a release."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from care_data.cards.markdown import flatten
from care_data.citations import link_source
from care_data.configs import Config, pick_default
from care_data.store import Manifest

LICENSES = (
    "apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc", "cc0-1.0", "cc-by-2.0",
    "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "gpl", "gpl-2.0",
    "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "odc-by", "odbl", "pddl", "unlicense",
    "wtfpl",
)  # fmt: skip
"""The licences the Hub knows by an id that is the SPDX one in small letters."""

TASKS = {
    "pt": ("text-generation",),
    "sft": ("text-generation", "question-answering"),
    "rw": ("text-generation",),
    "eval": ("question-answering",),
}
"""Format to the Hub's names of what it is for."""

TAGS = {"pt": "pretraining", "sft": "instruction-tuning", "rw": "preference", "eval": "benchmark"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))  # fmt: skip


def describe_release(manifest: Manifest, configs: Sequence[Config], suffix: str) -> dict[str, Any]:
    """The front matter as plain values. suffix: that of the shards, `.arrow` or `.parquet`."""
    formats = sorted({config.care["format"] for config in configs})
    rows = sum(config.rows for config in configs)
    based = sorted(
        {
            "extended|" + flatten(source["from"].removeprefix("hub:").partition("@")[0])
            for source in manifest.sources.values()
            if source["from"].startswith("hub:")
        }
    )
    return {
        "pretty_name": flatten(f"Medical text: {manifest.name}"),
        "language": sorted({config.care["language"] for config in configs}),
        **describe_license(manifest, configs),
        "task_categories": sorted({task for each in formats for task in TASKS[each]}),
        "tags": ["medical", "care-data", *sorted(TAGS[each] for each in formats)],
        "size_categories": [next((name for most, name in SIZES if rows < most), "1B<n<10B")],
        **({"source_datasets": based} if based else {}),
        "configs": [_list_files(config, suffix, config is pick_default(configs)) for config in configs],
        "dataset_info": [_describe_config(config) for config in configs],
    }


def describe_license(manifest: Manifest, configs: Sequence[Config]) -> dict[str, Any]:
    """The licence of the whole: one the Hub knows, where all corpora are under it without further terms; else `other`
    with the corpora under each, and a link to upstream where there is one alone."""
    ids: dict[str, list[str]] = {}
    further = False
    for config in configs:
        corpus, source = config.care["corpus"], manifest.sources.get(config.care["corpus"])
        ids.setdefault(flatten(config.care["license"]), []).append(flatten(corpus))
        further |= source is not None and ("terms" in source["license"] or source["license"]["use"] == "unclear")
    only = next(iter(ids)).lower() if len(ids) == 1 else ""
    if only in LICENSES and not further:
        return {"license": only}
    told = [f"{name}: {', '.join(sorted(set(corpora)))}" for name, corpora in sorted(ids.items())]
    name = "mixed" if not only else "unspecified" if only == "unknown" else f"{only}-with-further-terms"
    links = {link_source(source["from"]) for source in manifest.sources.values()}
    link = {"license_link": links.pop()} if len(links) == 1 and links != {""} else {}
    return {"license": "other", "license_name": name, **link, "license_details": "; ".join(told)}


def _list_files(config: Config, suffix: str, default: bool) -> dict[str, Any]:
    files = [{"split": split.name, "path": f"{split.dataset}/{split.name}-*{suffix}"} for split in config.splits]
    return {"config_name": config.name, **({"default": True} if default else {}), "data_files": files}


def _describe_config(config: Config) -> dict[str, Any]:
    return {
        "config_name": config.name,
        "features": [{"name": field.name, **describe_type(field.type)} for field in config.schema],
        "splits": [
            {"name": split.name, "num_bytes": split.memory, "num_examples": split.rows} for split in config.splits
        ],
        "download_size": sum(split.bytes for split in config.splits),
        "dataset_size": sum(split.memory for split in config.splits),
    }


def describe_type(kind: pa.DataType) -> dict[str, Any]:
    """A column's type as `datasets` writes it: a list of one plain type is shortened to its name."""
    if pa.types.is_list(kind):
        inner = describe_type(kind.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **describe_type(field.type)} for field in kind]}
    return {"dtype": str(kind)}
