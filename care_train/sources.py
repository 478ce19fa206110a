"""What a release says of the corpora behind its datasets: titles, licences, languages."""

import json
from pathlib import Path
from typing import Any

Described = dict[str, Any]
"""Of a dataset: dataset, records, corpus, title, from, license, terms, use, languages; empty where nothing is said."""


def describe_data(folder: Path, rows: dict[str, int]) -> list[Described]:
    """Each dataset with its number of records and what dataset_info.json and manifest.json in `folder` say of it.

    Both may be absent, and a dataset of any other maker has nothing of ours in them.
    """
    entries, manifest = _read(folder / "dataset_info.json"), _read(folder / "manifest.json")
    sources = manifest.get("sources") or {}
    return [_describe(name, records, entries.get(name) or {}, sources) for name, records in rows.items()]


def _describe(name: str, records: int, entry: dict[str, Any], sources: dict[str, Any]) -> Described:
    care = entry.get("care") or {}
    corpus = str(care.get("corpus") or "")
    source = sources.get(corpus) or {}
    terms = source.get("license") or {}
    hub = entry.get("hf_hub_url")
    language = care.get("language")
    return {
        "dataset": name,
        "records": records,
        "corpus": corpus,
        "title": source.get("title", ""),
        "from": source.get("from") or (f"hub:{hub}" if hub else ""),
        "license": terms.get("id") or care.get("license") or "",
        "terms": terms.get("terms", ""),
        "use": terms.get("use", ""),
        "languages": [language] if language else source.get("languages") or [],
    }


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    tree = json.loads(path.read_text(encoding="utf-8-sig"))
    return tree if isinstance(tree, dict) else {}
