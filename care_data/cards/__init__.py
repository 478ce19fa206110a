"""The card of a release: README.md for people and the Hub, croissant.json for machines that look for data.

Both follow from the manifest, dataset_info.json and the shards alone: no day, no machine, so equal content has the same
card.
"""

import json
from pathlib import Path

import yaml

from care_data.cards.body import write_body
from care_data.cards.chinese import write_chinese
from care_data.cards.header import describe_release
from care_data.configs import gather_configs
from care_data.croissant import describe_croissant
from care_data.store import Manifest, write_json, writing

CARD = "README.md"
CROISSANT = "croissant.json"


def write_card(folder: Path, manifest: Manifest, *, suffix: str = ".arrow") -> list[str]:
    """Write the card beside the shards and dataset_info.json in `folder`; the names of the files it is.

    manifest: what it says of `files` is of the shards in the folder; it need not be written yet. suffix: that of the
    shards, `.arrow` or `.parquet`.
    """
    info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    configs = gather_configs(folder, manifest.files, info)
    header = yaml.safe_dump(
        describe_release(manifest, configs, suffix), allow_unicode=True, sort_keys=False, width=1 << 20
    )
    body = write_body(manifest, configs, suffix) + "\n" + write_chinese(manifest, configs)
    with writing(folder / CARD) as temporary:
        temporary.write_text(f"---\n{header}---\n\n{body}", encoding="utf-8")
    write_json(folder / CROISSANT, describe_croissant(manifest, configs, suffix))
    return [CARD, CROISSANT]
