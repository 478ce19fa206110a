"""What kept tokens are found by: everything that they were made of."""

import hashlib
import json
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from care_train.config import DataSettings
from care_train.templates import Template

HASHED = 10_000  # records that are hashed at once
CODE = ("examples", "lengths", "tokens", "spans", "templates")
"""Modules and packages that make tokens: when one of them changes, tokens are made again."""
APART = {
    *("dataset", "dataset_dir", "template", "max_samples", "val_size", "packing", "padding_free", "overwrite_cache"),
    *("mix_strategy", "interleave_probs", "eval_dataset", "streaming", "buffer_size", "trust_dataset_scripts"),
}
"""Settings of the data that change no token of a record; those of the cache itself begin with `tokens_cache`."""


def make_key(kind: str, table: pa.Table, tokenizer: Any, template: Template | None, data: DataSettings) -> str:
    """What tokens are found by: 40 hexadecimal digits of the records, tokenizer, template, settings and code.

    Records count as they were read, so another file with the same ones has the same tokens.
    """
    settings = {name: value for name, value in vars(data).items() if name not in APART and "tokens_cache" not in name}
    parts = [
        kind,
        _hash_table(table),
        _hash_tokenizer(tokenizer),
        asdict(template) if template else None,
        settings,
        _hash_code(),
        version("tokenizers"),
    ]
    told = json.dumps(parts, sort_keys=True, default=lambda one: getattr(one, "__qualname__", None) or repr(one))
    return hashlib.sha256(told.encode()).hexdigest()[:40]


def _hash_table(table: pa.Table) -> str:
    digest = hashlib.sha256(str(table.schema).encode())
    for batch in table.to_batches(max_chunksize=HASHED):
        digest.update(batch.serialize())
    return digest.hexdigest()


def _hash_tokenizer(tokenizer: Any) -> str:
    """Of the files it is saved as: a hub id, a folder or one made here are all the same."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.name != "tokenizer_config.json":  # it says where it was loaded from
                digest.update(path.name.encode() + path.read_bytes())
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, getattr(tokenizer, "add_bos_token", None)]
    digest.update(json.dumps([*special, tokenizer.chat_template]).encode())
    return digest.hexdigest()


def _hash_code() -> str:
    digest = hashlib.sha256()
    for name in CODE:
        place = Path(__file__).with_name(name)
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            digest.update(path.read_bytes())
    return digest.hexdigest()
