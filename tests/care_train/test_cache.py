"""Tokens kept on disk: found again, never wrong, whole or absent, resumed, bounded, made by one of many."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from care_train import examples as module
from care_train.cache import JOURNAL, Cache, Tokens, find_cache, keep_tokens
from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.examples import encode_pairs, encode_records, encode_texts
from care_train.keys import make_key
from care_train.lengths import Budget
from care_train.shards import TYPES
from care_train.templates import TEMPLATES

KEY = "ab" * 20
LLAMA2 = TEMPLATES["llama2"]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> Cache:
    return Cache(tmp_path / "tokens", 10**9, False, said.append)


def make(read: list[int] | None = None, *, stop: int = -1, blocks: int = 5) -> Callable[[Budget], Iterator[Tokens]]:
    """Five blocks of two records, of which one has an example; broken off before block `stop`. read: what was made."""

    def blocks_left(budget: Budget) -> Iterator[Tokens]:
        for number in range(budget.read // 2, blocks):
            if number == stop:
                raise KeyboardInterrupt
            if read is not None:
                read.append(number)
            budget.read += 2
            budget.kept += 1
            budget.dropped["overlong"] += 1
            ids = np.arange(number * 10, number * 10 + number, dtype=np.int32)
            yield Tokens(ids, ids % 2 == 0, np.array([0, len(ids)]))

    return blocks_left


def check_found(found: tuple[Any, Budget]) -> None:
    tokens, budget = found
    assert tokens.ids.tolist() == [10, 20, 21, 30, 31, 32, 40, 41, 42, 43]
    assert tokens.learned.tolist() == [one % 2 == 0 for one in tokens.ids.tolist()]
    assert tokens.ends.tolist() == [0, 0, 1, 3, 6, 10]
    assert (budget.read, budget.kept, dict(budget.dropped)) == (10, 5, {"overlong": 5})


def test_what_was_made_is_found_and_mapped(cache: Cache, said: list[str]) -> None:
    made: list[int] = []
    check_found(keep_tokens(cache, KEY, 10, make(made)))
    found = keep_tokens(cache, KEY, 10, make(made))
    check_found(found)
    assert made == [0, 1, 2, 3, 4]
    assert said == [f"cache: 10 tokens {what} {cache.folder / KEY}" for what in ("kept in", "of an earlier run, from")]
    assert [type(array.base).__name__ for array in found[0]] == ["memmap"] * 3
    assert not found[0].ids.flags.writeable
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in cache.folder.iterdir()] == [KEY]


def break_off(cache: Cache, stop: int) -> None:
    """A run that ends while it makes block `stop`."""
    with pytest.raises(KeyboardInterrupt):
        keep_tokens(cache, KEY, 10, make(stop=stop))


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from care_train.cache import Cache, Tokens, keep_tokens

def make(budget):
    for number in range(5):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        budget.read, budget.kept = budget.read + 2, budget.kept + 1
        budget.dropped["overlong"] += 1
        ids = np.arange(number * 10, number * 10 + number, dtype=np.int32)
        yield Tokens(ids, ids % 2 == 0, np.array([0, len(ids)]))

keep_tokens(Cache(Path(sys.argv[1]), 10**9, False, print), sys.argv[2], 10, make)
"""


def test_a_killed_run_is_gone_on_with_after_its_last_block(cache: Cache, said: list[str]) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, cache.folder, KEY]).returncode == -9
    assert [path.name for path in cache.folder.iterdir()] == [f"{KEY}.part"]
    made: list[int] = []
    check_found(keep_tokens(cache, KEY, 10, make(made)))
    assert made == [3, 4]
    assert said[0] == f"cache: going on after 6 of 10 records in {cache.folder / KEY}.part"


@pytest.mark.parametrize("name", ["ids", "learned", "ends", JOURNAL])
def test_blocks_that_were_half_written_are_made_again(cache: Cache, name: str) -> None:
    break_off(cache, 4)
    path = cache.folder / f"{KEY}.part" / name
    os.truncate(path, path.stat().st_size - 1)
    made: list[int] = []
    check_found(keep_tokens(cache, KEY, 10, make(made)))
    assert made == [3, 4]


@pytest.mark.parametrize("name", ["ids", "learned", "ends", JOURNAL])
@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_a_damaged_one_is_made_again(cache: Cache, said: list[str], name: str, how: str) -> None:
    keep_tokens(cache, KEY, 10, make())
    path = cache.folder / KEY / name
    content = path.read_bytes()
    if how == "remove":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(
            content[:middle] + (bytes([content[middle] ^ 1]) + content[middle + 1 :] if how == "flip" else b"")
        )
    made: list[int] = []
    check_found(keep_tokens(cache, KEY, 10, make(made)))
    assert made == [0, 1, 2, 3, 4]
    assert f"cache: those in {cache.folder / KEY} are damaged, making them again" in said
    check_found(keep_tokens(cache, KEY, 10, make(stop=0)))


def test_a_journal_without_its_last_lines_is_not_whole(cache: Cache) -> None:
    keep_tokens(cache, KEY, 10, make())
    path = cache.folder / KEY / JOURNAL
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    made: list[int] = []
    check_found(keep_tokens(cache, KEY, 10, make(made)))
    assert made == [0, 1, 2, 3, 4]


def test_overwrite_makes_them_again(cache: Cache, said: list[str]) -> None:
    keep_tokens(cache, KEY, 10, make())
    made: list[int] = []
    check_found(keep_tokens(Cache(cache.folder, cache.limit, True, said.append), KEY, 10, make(made)))
    assert made == [0, 1, 2, 3, 4]
    assert said[1] == f"cache: those in {cache.folder / KEY} are made again"


def test_overwrite_takes_nothing_of_a_run_that_was_broken_off(cache: Cache, said: list[str]) -> None:
    break_off(cache, 3)
    made: list[int] = []
    check_found(keep_tokens(Cache(cache.folder, cache.limit, True, said.append), KEY, 10, make(made)))
    assert made == [0, 1, 2, 3, 4]


def test_a_folder_that_is_swept_while_another_waits_for_it_is_made_anew(cache: Cache, said: list[str]) -> None:
    part = cache.folder / f"{KEY}.part"
    part.mkdir(parents=True)
    lock = os.open(part, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(keep_tokens(cache, KEY, 10, make())))
    waiting.start()
    wait_for(lambda: len(said) == 1)
    time.sleep(0.05)  # from what it says to where it waits
    part.rmdir()
    os.close(lock)
    waiting.join(10)
    check_found(found[0])


def wait_for(reached: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_one_of_many_makes_them_and_the_others_wait(cache: Cache, said: list[str]) -> None:
    started, go, made = threading.Event(), threading.Event(), list[int]()

    def slow(budget: Budget) -> Iterator[Tokens]:
        started.set()
        go.wait(30)
        yield from make(made)(budget)

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(keep_tokens(cache, KEY, 10, slow))) for _ in range(4)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: said.count("cache: another run is making them, waiting for it") == 3)
    go.set()
    for thread in threads:
        thread.join(10)
    assert made == [0, 1, 2, 3, 4]
    assert len(found) == 4
    for one in found:
        check_found(one)
    assert [path.name for path in cache.folder.iterdir()] == [KEY]


def test_what_was_used_longest_ago_goes_first(cache: Cache) -> None:
    keys = [digit * 40 for digit in "1234"]
    for age, key in enumerate(keys):
        keep_tokens(cache, key, 10, make())
        os.utime(cache.folder / key / JOURNAL, (1e9 + age, 1e9 + age))
    size = sum(file.stat().st_size for file in (cache.folder / keys[0]).iterdir())
    other = cache.folder / "notes"
    other.mkdir()
    keep_tokens(cache, keys[0], 10, make(stop=0))  # used again
    keep_tokens(Cache(cache.folder, 3 * size, False, print), "5" * 40, 10, make())
    assert sorted(path.name[0] for path in cache.folder.iterdir()) == ["1", "4", "5", "n"]
    keep_tokens(Cache(cache.folder, 1, False, print), "6" * 40, 10, make())
    assert sorted(path.name[0] for path in cache.folder.iterdir()) == ["6", "n"]


def test_one_being_made_is_not_swept_but_one_left_is(cache: Cache) -> None:
    break_off(cache, 2)
    tight = Cache(cache.folder, 1, False, print)

    def sweep_meanwhile(budget: Budget) -> Iterator[Tokens]:
        yield from make(blocks=2)(budget)
        keep_tokens(tight, "d" * 40, 10, make())
        yield from make()(budget)

    check_found(keep_tokens(cache, "c" * 40, 10, sweep_meanwhile))
    assert sorted(path.name for path in cache.folder.iterdir()) == ["c" * 40, "d" * 40]


# What the encoders make of it


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema(list(TYPES.items())))


TALKS = table(*({"id": f"r{n}", "prompt": f"头痛{n}天？", "response": f"休息{n}天。"} for n in range(7)))
PREFERENCES = table(
    *({"id": f"r{n}", "prompt": f"头痛{n}天？", "chosen": f"休息{n}天。", "rejected": "不管。"} for n in range(5))
)
TEXTS = table(*({"id": f"r{n}", "text": "咳嗽要多喝水。" * n} for n in range(6)))


def flatten(sequences: Any) -> list[Any]:
    return [np.concatenate([*map(np.atleast_1d, _values(item))]).tolist() for item in sequences]


def _values(item: dict[str, Any]) -> Iterator[Any]:
    for value in item.values():
        yield from _values(value) if isinstance(value, dict) else [value]


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("kind", ["sft", "rw", "pt"])
def test_tokens_and_account_are_the_same_with_and_without_it(
    kind: str, packing: bool, tokenizer: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    data = DataSettings(cutoff_len=24, overlong="truncate", packing=packing)
    encode: Callable[..., Any] = {
        "sft": lambda *more: encode_records(TALKS, tokenizer, LLAMA2, data, *more),
        "rw": lambda *more: encode_pairs(PREFERENCES, tokenizer, LLAMA2, data, *more),
        "pt": lambda *more: encode_texts(TEXTS, tokenizer, data, *more),
    }[kind]
    plain, budget = encode()
    assert len(plain) >= 5
    for _ in range(2):
        kept, account = encode(cache)
        assert flatten(kept) == flatten(plain)
        assert account == budget
    assert len(list(cache.folder.iterdir())) == 1


def test_an_encoding_goes_on_where_it_was_broken_off(
    tokenizer: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    plain, budget = encode_records(TALKS, tokenizer, LLAMA2, DataSettings())
    fit, batches = module.fit, list[int]()

    def fit_twice(talks: list[Any], *more: Any) -> Any:
        batches.append(len(talks))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return fit(talks, *more)

    monkeypatch.setattr(module, "fit", fit_twice)
    with pytest.raises(KeyboardInterrupt):
        encode_records(TALKS, tokenizer, LLAMA2, DataSettings(), cache)
    batches[:] = [0] * 3
    kept, account = encode_records(TALKS, tokenizer, LLAMA2, DataSettings(), cache)
    assert sorted(batches[3:]) == [1, 2]  # the two blocks before were kept
    assert flatten(kept) == flatten(plain)
    assert account == budget


def test_the_key_is_of_what_tokens_are_made_of(tokenizer: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from care_train.models import load_tokenizer

    data = DataSettings()
    key = make_key("sft", TALKS, tokenizer, LLAMA2, data)
    same = [
        make_key("sft", table(*TALKS.to_pylist()), load_tokenizer(str(tiny)), LLAMA2, data),
        make_key("sft", TALKS, tokenizer, LLAMA2, replace(data, val_size=0.1, dataset="other", tokens_cache="x")),
    ]
    assert same == [key, key]
    other = load_tokenizer(str(tiny))
    other.add_tokens(["头痛"])
    changed = table({**TALKS.to_pylist()[0], "response": "休息0夜。"}, *TALKS.to_pylist()[1:])
    keys = [
        make_key("rw", TALKS, tokenizer, LLAMA2, data),
        make_key("sft", changed, tokenizer, LLAMA2, data),
        make_key("sft", TALKS.slice(0, 6), tokenizer, LLAMA2, data),
        make_key("sft", TALKS, other, LLAMA2, data),
        make_key("sft", TALKS, tokenizer, replace(LLAMA2, user="{question}"), data),
        make_key("sft", TALKS, tokenizer, LLAMA2, replace(data, cutoff_len=100)),
        make_key("sft", TALKS, tokenizer, LLAMA2, replace(data, mask_history=True)),
    ]
    monkeypatch.setattr("care_train.keys.CODE", ("examples", "lengths"))
    keys.append(make_key("sft", TALKS, tokenizer, LLAMA2, data))
    assert len({key, *keys}) == 9


def test_a_folder_that_cannot_be_written_is_said_and_passed_over(
    tokenizer: Any, tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "file").touch()
    examples, _ = encode_records(
        TALKS, tokenizer, LLAMA2, DataSettings(), Cache(tmp_path / "file", 1, False, said.append)
    )
    assert len(examples) == 7
    assert [line.startswith("cache: tokens are not kept for the next run: [Errno ") for line in said] == [True]


def test_a_full_disk_leaves_no_part(cache: Cache) -> None:
    def fill(budget: Budget) -> Iterator[Tokens]:
        yield from make(blocks=2)(budget)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left"):
        keep_tokens(cache, KEY, 10, fill)
    assert list(cache.folder.iterdir()) == []


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(**settings: Any) -> Cache | None:
        return find_cache(DataSettings(**settings), print)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find() == Cache(tmp_path / "care-train/tokens", 20 * 10**9, False, print)
    assert find(tokens_cache="here", tokens_cache_gb=0.5, overwrite_cache=True) == Cache(
        Path("here"), 500_000_000, True, print
    )
    assert find(tokens_cache="none") is None
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert find(overwrite_cache=True) == find()
    with pytest.raises(CareError, match=r"--tokens_cache_gb 0 holds nothing\. Use --tokens_cache none"):
        find(tokens_cache_gb=0.0)
