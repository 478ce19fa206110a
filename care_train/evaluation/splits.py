"""What a model may be measured with: benchmarks, test and validation splits, or a file; never what it learned."""

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from care_train.config.evaluation import ItemSettings
from care_train.dataset_info.entries import Entry, choose_entries, find_dataset_dir, read_entries
from care_train.dataset_info.files import hash_file, read_sums
from care_train.dataset_info.sources import load_entry, open_entry
from care_train.errors import CareError, Exit
from care_train.evaluation.items import Item, Read, find_language, read_items
from care_train.shards import Content, join_blocks, list_names, make_table, read_file

MEMORY = "--on_training_data measures what it remembers, and says so."
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output", "history": "history", "system": "system"}


@dataclass(frozen=True)
class Split:
    """One dataset to measure with. role: what a release keeps it for, None where nobody says; texts: for perplexity.

    pool: solved items that may be shown before its questions, its own among them. doubt: why it may have been learned
    all the same: not_stated, or other_release where the training part came of another release, split otherwise maybe.
    """

    name: str
    role: str | None
    items: list[Item]
    left_out: Counter[str]
    texts: list[str]
    pool: list[Item]
    doubt: str = ""


Learned = Mapping[str, str | None]
"""Names of what models were trained on, with the sha256 of their release's manifest."""


def read_splits(
    settings: ItemSettings, several: str, seed: int, learned: Learned = MappingProxyType({})
) -> list[Split]:
    """The datasets or the file that the settings name.

    Raises CareError: exit 7 for what a model was trained on, or is to be, unless that is what is asked for.
    """
    if settings.file:
        splits = [_read_file(Path(settings.file), settings, several, learned)]
    else:
        folder = find_dataset_dir(settings.dataset_dir)
        entries = read_entries(folder)
        sums = read_sums(folder / "manifest.json")
        chosen = _choose(entries, settings, learned)
        splits = [_read_entry(entry, settings, several, sums) for entry in chosen]
        if settings.shots and not settings.shots_from:
            siblings = {one.name: _read_siblings(one, entries, settings, several, sums) for one in chosen}
            splits = [replace(split, pool=siblings[split.name] or split.items) for split in splits]
    if settings.shots and settings.shots_from:
        pool = _read_shots(settings, several)
        splits = [replace(split, pool=pool) for split in splits]
    splits = [_draw(replace(split, items=name_twins(split.items)), settings.max_samples, seed) for split in splits]
    manifest = None if settings.file else _hash_manifest(folder)
    splits = [replace(split, doubt=find_doubt(split.name, split.role, learned, manifest)) for split in splits]
    for split in splits:
        if not split.items and not split.texts:
            reasons = ", ".join(f"{count} {reason}" for reason, count in split.left_out.items()) or "no records"
            raise CareError(f"nothing to measure with: {reasons}", where=split.name, fix="Check its records.")
    return splits


def find_doubt(name: str, role: str | None, learned: Learned, manifest: str | None) -> str:
    """Why a model may have learned this dataset, empty where nothing speaks for it."""
    if role is None:
        return "not_stated"
    whole = name.removesuffix(f"_{role}")
    return "other_release" if whole != name and whole in learned and learned[whole] != manifest else ""


def _hash_manifest(folder: Path) -> str | None:
    manifest = folder / "manifest.json"
    return hash_file(manifest, "sha256") if manifest.exists() else None


def _choose(entries: dict[str, Entry], settings: ItemSettings, learned: Collection[str]) -> list[Entry]:
    return choose_entries(entries, settings.dataset, lambda entry: _unsuited(entry, settings, learned), "held out")


def _unsuited(entry: Entry, settings: ItemSettings, learned: Collection[str]) -> CareError | None:
    """Why nothing is to be measured with this entry, None where it may be."""
    format = _find_format(entry)
    wanted = ("pt",) if settings.perplexity else ("eval", "sft")
    if format not in wanted:
        fix = "Name texts." if settings.perplexity else "Name a benchmark or questions with answers."
        fix = "Add --perplexity: texts ask nothing." if format == "pt" else fix
        return CareError(f"holds {format} records, not {' or '.join(wanted)}", where=entry.name, fix=fix)
    if settings.on_training_data:
        return None
    if entry.name in learned:
        return CareError("is what the model was trained on", where=entry.name, fix=MEMORY, code=Exit.POLICY)
    if entry.role == "train":
        fix = f"Name its validation or test split, or a benchmark; {MEMORY}"
        return CareError("is for training", where=entry.name, fix=fix, code=Exit.POLICY)
    return None


def _find_format(entry: Entry) -> str:
    """The format that a release states, else what the columns tell."""
    columns = entry.keys.get("columns") or {}
    if "format" in entry.care:
        return str(entry.care["format"])
    if entry.keys.get("ranking"):
        return "rw"
    if columns.get("prompt") == "question" and columns.get("response") == "answer":
        return "eval"
    return "pt" if columns and "response" not in columns and "messages" not in columns else "sft"


def _read_entry(entry: Entry, settings: ItemSettings, several: str, sums: dict[str, str]) -> Split:
    """The records of an entry, held to the release's checksums."""
    format = _find_format(entry)
    opened = open_entry(entry, "sft" if format == "eval" else format, sums, trusted=False)
    if format == "pt":
        return Split(entry.name, entry.role, [], Counter(), _read_texts(load_entry(opened)), [])
    if format == "sft":
        read = _read_talks(load_entry(opened).to_pylist(), entry.name, settings, str(entry.care.get("corpus") or ""))
    else:
        contents = [join_blocks(part.read()) for part in opened.parts]
        read = _read_content([row for one in contents for row in _list_rows(one)], entry.name, settings, several)
    return Split(entry.name, entry.role, read.items, read.left_out, [], read.items)


def _read_siblings(
    entry: Entry, entries: dict[str, Entry], settings: ItemSettings, several: str, sums: dict[str, str]
) -> list[Item]:
    """Items of another split of the same benchmark, the first by name; none where there is no other."""
    if _find_format(entry) != "eval" or not entry.care.get("corpus"):
        return []
    others = [
        other
        for name, other in sorted(entries.items())
        if name != entry.name and _find_format(other) == "eval" and other.care.get("corpus") == entry.care["corpus"]
    ]
    return _read_entry(others[0], settings, several, sums).items if others else []


def _read_shots(settings: ItemSettings, several: str) -> list[Item]:
    """Solved items of the file or dataset that --shots_from names; its training part will do too."""
    path = Path(str(settings.shots_from))
    if path.is_file():
        return _read_content(_list_rows(read_file(path, path.name)), path.stem, settings, several).items
    folder = find_dataset_dir(settings.dataset_dir)
    named = replace(settings, dataset=str(settings.shots_from), on_training_data=True)
    entries = _choose(read_entries(folder), named, ())
    sums = read_sums(folder / "manifest.json")
    return [item for entry in entries for item in _read_entry(entry, settings, several, sums).items]


def _read_file(path: Path, settings: ItemSettings, several: str, learned: Collection[str]) -> Split:
    """A file by what its columns are. One that is part of a dataset_info.json beside it keeps its role."""
    if not path.is_file():
        raise CareError("no such file", where=str(path), fix="Give a file of records with --file.")
    entry = _find_entry(path)
    role = entry.role if entry else None
    if entry and not settings.on_training_data and (role == "train" or entry.name in learned):
        fix = f"Give a file that is held out; {MEMORY}"
        raise CareError(f"is part of {entry.name}, for training", where=str(path), fix=fix, code=Exit.POLICY)
    content = read_file(path, path.name)
    names = list_names(content)
    if settings.perplexity:
        if "text" not in names:
            raise CareError(f"no column text, but {', '.join(names)}", where=str(path), fix="Name texts `text`.")
        return Split(path.stem, role, [], Counter(), _read_texts(make_table(content, {"text": "text"}, path.name)), [])
    if {"question", "answer"} <= set(names):
        read = _read_content(_list_rows(content), path.stem, settings, several)
    elif {"instruction", "output"} <= set(names):
        table = make_table(content, COLUMNS, path.name, optional=("query", "history", "system"))
        read = _read_talks(table.to_pylist(), path.stem, settings, "")
    else:
        fix = "It needs question and answer, or instruction and output; texts need --perplexity."
        raise CareError(f"its columns are {', '.join(names) or 'none'}", where=str(path), fix=fix)
    return Split(path.stem, role, read.items, read.left_out, [], read.items)


def _find_entry(path: Path) -> Entry | None:
    """The entry of a dataset_info.json beside or above the file that it belongs to."""
    real = Path(os.path.realpath(path))
    for folder in (real.parent, real.parent.parent):
        if (folder / "dataset_info.json").is_file():
            for entry in read_entries(folder).values():
                if str(entry.keys.get("file_name")) in (real.name, real.parent.name):
                    return entry
    return None


def _list_rows(content: Content) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else content.to_pylist()


def _read_content(rows: list[dict[str, Any]], name: str, settings: ItemSettings, several: str) -> Read:
    labels = tuple(part.strip() for part in (settings.labels or "").split(",") if part.strip())
    given = {"language": settings.language, "subject": settings.subject}
    return read_items(rows, name, labels=labels, several=several, **given)


def _read_talks(rows: list[dict[str, Any]], name: str, settings: ItemSettings, corpus: str) -> Read:
    """Records of conversations as items with a free answer: the last one, given all before it."""
    items: list[Item] = []
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows, 1):
        question = "\n".join(part for part in (row["prompt"], row["query"]) if part)
        reason = row["unfit"] or ("tools" if row["roles"] else "")
        reason = reason or ("no_question" if not question.strip() else "" if row["response"] else "no_answer")
        if reason:
            left_out[reason] += 1
            continue
        items.append(
            Item(
                id=row["id"] or f"{name}#{number}",
                dataset=name,
                subject=corpus or name,
                question=question,
                answer=row["response"],
                language=find_language(question) if settings.language == "auto" else settings.language,
                history=tuple((asked or "", told or "") for asked, told in row["history"] or []),
                system=row["system"],
            )
        )
    return Read(items, left_out)


def name_twins(items: list[Item]) -> list[Item]:
    """The items; of those with one id the later ones have their number put behind it, so that each has its own."""
    seen: set[str] = set()
    named = []
    for number, item in enumerate(items, 1):
        named.append(replace(item, id=f"{item.id}#{number}") if item.id in seen else item)
        seen.add(named[-1].id)
    return named


def _read_texts(table: Any) -> list[str]:
    return [text for text in table.column("text").to_pylist() if (text or "").strip()]


def _draw(split: Split, most: int | None, seed: int) -> Split:
    """At most so many of its records, drawn by the seed, in their order."""

    def draw(records: list[Any]) -> list[Any]:
        order = np.random.default_rng([seed, crc32(split.name.encode())]).permutation(len(records))
        return [records[place] for place in sorted(order[:most])]

    return split if most is None else replace(split, items=draw(split.items), texts=draw(split.texts))
