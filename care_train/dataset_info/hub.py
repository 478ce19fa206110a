"""An entry's records from the Hugging Face Hub, at the revision it names."""

import os
import re
from collections.abc import Callable, Iterator

import pyarrow as pa

from care_train.dataset_info.entries import Entry
from care_train.errors import CareError, Exit
from care_train.shards import BLOCK

REPOSITORY = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(@.+)?")
COMMIT = re.compile(r"[0-9a-f]{40}")


def load_hub(entry: Entry, *, streaming: bool) -> tuple[Callable[[], Iterator[pa.Table]], str, list[str]]:
    """(what gives tables of the repository's own columns, what they came from with the commit, notes). One table, or
    with streaming one for each block of records, which are fetched as they are asked for.

    `hf_hub_url` is OWNER/NAME, or OWNER/NAME@REVISION; `subset`, `folder` and `split` choose among what it holds.
    Raises CareError: exit 5 where one has to log in, 6 without network and copy in the cache, 7 for a loading script.
    """
    stated = str(entry.keys["hf_hub_url"])
    if not REPOSITORY.fullmatch(stated):
        fix = "Write OWNER/NAME or OWNER/NAME@REVISION; files here are named with file_name."
        raise CareError(f"hf_hub_url {stated} is no repository", where=entry.name, fix=fix)
    name, _, revision = stated.partition("@")
    if os.path.exists(name):  # the library would read it in the repository's place, and say nothing
        fix = "Start the command from another folder, or name the folder with file_name."
        raise CareError(f"{name} is a folder here as well as a repository", where=entry.name, fix=fix)
    split = entry.keys.get("split") or "train"
    try:
        from datasets import load_dataset_builder

        builder = load_dataset_builder(
            name, entry.keys.get("subset"), data_dir=entry.keys.get("folder"), revision=revision or None
        )
        if streaming:
            remote = builder.as_streaming_dataset(split=split).with_format("arrow")
        else:
            builder.download_and_prepare()
            table = builder.as_dataset(split=split).with_format("arrow")[:]
    except Exception as error:
        raise _explain(entry, name, error) from error
    commit = builder.hash if COMMIT.fullmatch(builder.hash or "") else revision
    advice = f"; to keep to it write {name}@{commit} under hf_hub_url" if commit and revision != commit else ""
    note = f"{entry.name}: from the Hub, {name} at {commit or 'an unknown commit'}{advice}"
    return (
        (lambda: remote.iter(batch_size=BLOCK)) if streaming else (lambda: iter([table])),
        f"hf:{name}@{commit}",
        [note],
    )


def _explain(entry: Entry, name: str, error: Exception) -> CareError:
    """The library's error as ours. Errors that are not of data, name or network are raised as they are."""
    said = str(error).strip().split("\n")[0].rstrip(".")
    shown = f"{entry.name}: {name}"
    if "scripts are no longer supported" in said:
        fix = f'Take the Hub\'s own conversion: "hf_hub_url": "{name}@refs/convert/parquet".'
        return CareError(
            "the repository holds a loading script, which is not run", where=shown, fix=fix, code=Exit.POLICY
        )
    if "gated" in said or "401" in said or "403" in said:
        fix = "Accept its terms on its page, then log in: hf auth login."
        return CareError(f"not open to you ({said})", where=shown, fix=fix, code=Exit.LOGIN)
    if isinstance(error, ConnectionError) or type(error).__module__.split(".")[0] in ("httpx", "httpcore", "requests"):
        fix = (
            f"Where there is a network run: hf download {name} --repo-type dataset --local-dir FOLDER; put the file"
            " beside dataset_info.json and write file_name for hf_hub_url."
        )
        return CareError(f"the Hub cannot be reached ({said})", where=shown, fix=fix, code=Exit.NETWORK)
    if type(error).__module__.startswith(("datasets.", "huggingface_hub.")) or isinstance(error, ValueError):
        fix = "Check hf_hub_url, subset, split and folder in dataset_info.json."
        return CareError(said, where=shown, fix=fix)
    return CareError(
        f"cannot be read ({type(error).__name__}: {said})", where=shown, fix="Give its files by file_name."
    )
