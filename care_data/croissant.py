"""A release as Croissant 1.0 metadata (https://docs.mlcommons.org/croissant/docs/croissant-spec.html), JSON-LD.

A FileObject for each shard, a FileSet and a RecordSet for each split of each config. mlcroissant streams the records of
Parquet shards; of Arrow streams, a format it has no reader for, it knows the files and fields only.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from care_data.citations import cite_release, link_source, list_sources
from care_data.configs import Config, Split
from care_data.store import Manifest

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context the specification asks for, word by word."""

FORMATS = {".arrow": "application/vnd.apache.arrow.stream", ".parquet": "application/x-parquet"}
"""Suffix of a shard to its media type."""


def describe_croissant(manifest: Manifest, configs: Sequence[Config], suffix: str) -> dict[str, Any]:
    """The metadata of a release as plain values. suffix: that of its shards."""
    _, works = list_sources(manifest.sources)
    links = sorted({url for source in manifest.sources.values() if (url := link_source(source["from"]))})
    own = cite_release(manifest.name, manifest.version, manifest.key)
    splits = [(config, split) for config in configs for split in config.splits]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": (
            f"Medical text to train and test language models on: {sum(config.rows for config in configs):,} records, "
            "cleaned and deduplicated. Each record names its corpus and licence; README.md says how it was made."
        ),
        "license": [_word_license(corpus, source["license"]) for corpus, source in sorted(manifest.sources.items())],
        "version": manifest.version,
        "citeAs": "\n".join(entry for entry in (own, works) if entry),
        "inLanguage": sorted({config.care["language"] for config in configs}),
        "keywords": ["medical", "care-data"],
        **({"isBasedOn": links} if links else {}),
        "distribution": [
            *(_describe_file(file, suffix) for _, split in splits for file in split.files),
            *(_describe_set(config, split, suffix) for config, split in splits),
        ],
        "recordSet": [_describe_records(config, split) for config, split in splits],
    }


def _word_license(corpus: str, terms: dict[str, Any]) -> str:
    told = [terms["id"], *([terms["terms"]] if "terms" in terms else [])]
    passed = "may be passed on" if terms["redistribute"] else "may not be passed on"
    return f"{corpus}: {'; '.join(told)} (use: {terms['use']}; {passed})"


def _describe_file(file: dict[str, Any], suffix: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": file["path"],
        "contentUrl": file["path"],
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": FORMATS[suffix],
        "sha256": file["sha256"],
    }


def _describe_set(config: Config, split: Split, suffix: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config.name}/{split.name}/shards",
        "name": f"{config.name}/{split.name}/shards",
        "description": f"The shards of the split {split.name} of {config.name}.",
        "encodingFormat": FORMATS[suffix],
        "includes": f"{split.dataset}/{split.name}-*{suffix}",
    }


def _describe_records(config: Config, split: Split) -> dict[str, Any]:
    name = f"{config.name}/{split.name}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{split.rows:,} records of the format {config.care['format']}.",
        "key": {"@id": f"{name}/id"},
        "field": [_describe_field(name, field) for field in config.schema],
    }


def _describe_field(records: str, field: pa.Field) -> dict[str, Any]:
    kind, depth = field.type, 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    described: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{records}/{field.name}",
        "name": f"{records}/{field.name}",
        "source": {"fileSet": {"@id": f"{records}/shards"}, "extract": {"column": field.name}},
    }
    if depth > 1:
        described["description"] = "A list of lists of texts."
    elif pa.types.is_struct(kind):
        described["description"] = f"A list of objects of {', '.join(part.name for part in kind)}."
    return described | {"dataType": "sc:Text"} | ({"repeated": True} if depth else {})
