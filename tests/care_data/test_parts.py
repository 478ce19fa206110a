"""Parts: what goes in comes out, with its counts; what is not whole is not there."""

import resource
import weakref

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from care_data.errors import CareError, Exit
from care_data.parts import PartWriter, open_part, read_frames
from care_data.records import arrow_schema
from care_data.store import sha256_file, writing

SCHEMA = arrow_schema("sft")


def frame(first, count):
    numbers = range(first, first + count)
    return pl.DataFrame(
        {
            "id": [f"c/sft/f#{n}" for n in numbers],
            "corpus": ["c"] * count,
            "license": ["MIT"] * count,
            "instruction": [f"问{n}" for n in numbers],
            "input": [""] * count,
            "output": [f"答{n}" for n in numbers],
            "history": [[["早", "好"]] * (n % 3) for n in numbers],
        },
        schema_overrides={"history": pl.List(pl.List(pl.String))},
    )


def write(path, frames, rejects=(), counts=None):
    writer = PartWriter(path, SCHEMA)
    with writing(path) as temporary:
        for each in frames:
            writer.write(each, temporary)
        for each in rejects:
            writer.set_aside(each)
        writer.close(counts or {"read": 1, "kept": 1, "dropped": {}}, temporary)
    return open_part(path)


REJECTS = pl.DataFrame({"id": ["x", "y"], "reason": ["blank", "junk"], "detail": ["", "头"]})


def test_records_and_counts_come_back(tmp_path):
    counts = {"read": 7, "kept": 5, "dropped": {"blank": 2}}
    part = write(tmp_path / "a-00000-k.parquet", [frame(0, 3), frame(3, 2)], [REJECTS], counts)
    assert (part.rows, part.counts) == (5, counts)
    assert pl.concat(read_frames(part.path)).equals(frame(0, 5))
    assert pl.read_parquet(part.rejects).equals(REJECTS)


def test_frames_are_of_the_size_asked_for(tmp_path):
    part = write(tmp_path / "a.parquet", [frame(0, 5), frame(5, 5)])
    assert [each.height for each in read_frames(part.path, rows=4)] == [4, 4, 2]


def test_columns_are_of_plain_types_in_the_formats_order(tmp_path):
    part = write(tmp_path / "a.parquet", [frame(0, 2).select(reversed(frame(0, 2).columns))])
    schema = pq.read_schema(part.path).remove_metadata()
    assert schema == SCHEMA
    assert schema.field("instruction").type == pa.string()
    assert schema.field("history").type == pa.list_(pa.list_(pa.string()))


def test_a_part_without_records_is_a_part(tmp_path):
    part = write(tmp_path / "a.parquet", [], [REJECTS])
    assert part.rows == 0
    assert [f["path"] for f in part.describe(tmp_path, "sft")] == ["a.parquet", "a.rejects.parquet"]
    assert list(read_frames(part.path)) == []


def test_a_part_without_rejects_has_no_file_of_them(tmp_path):
    part = write(tmp_path / "a.parquet", [frame(0, 1)], [REJECTS.clear()])
    assert part.rejects is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_rejects_do_not_pile_up_in_memory(tmp_path):
    """A corpus of millions of rows may be nothing but rejects."""
    path, seen = tmp_path / "a.parquet", []
    writer = PartWriter(path, SCHEMA)
    with writing(path) as temporary:
        for batch in range(40):
            numbers = range(batch * 5000, batch * 5000 + 5000)
            aside = pl.DataFrame({"id": [f"{n}" for n in numbers], "detail": [f"<{n}>" for n in numbers]})
            seen.append(weakref.ref(aside))
            writer.set_aside(aside)
            del aside
            assert sum(ref() is not None for ref in seen) < 10  # a batch is four of these
        assert [each.name for each in tmp_path.iterdir()] == []
        writer.close({"read": 200_000, "kept": 0, "dropped": {"junk": 200_000}}, temporary)
    part = open_part(path)
    found = pl.read_parquet(part.rejects)
    assert found.get_column("id").to_list() == [f"{n}" for n in range(200_000)]
    assert found.get_column("detail").to_list() == [f"<{n}>" for n in range(200_000)]
    assert pq.read_metadata(part.rejects).num_row_groups == 10


def test_work_that_fails_leaves_no_rejects(tmp_path):

    def rejects():
        yield pl.concat([REJECTS] * 10_000)
        yield pl.concat([REJECTS] * 10_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.parquet", [frame(0, 3)], rejects())
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_described_by_what_lies_on_disk(tmp_path):
    part = write(tmp_path / "a.parquet", [frame(0, 2)], [REJECTS])
    records, rejects = part.describe(tmp_path, "sft")
    assert records == {
        "path": "a.parquet",
        "output": "sft",
        "kind": "records",
        "rows": 2,
        "bytes": part.path.stat().st_size,
        "sha256": sha256_file(part.path),
    }
    assert (rejects["kind"], "rows" in rejects) == ("rejects", False)


def test_the_same_records_are_the_same_bytes(tmp_path):
    first = write(tmp_path / "a.parquet", [frame(0, 9)], [REJECTS])
    second = write(tmp_path / "b.parquet", [frame(0, 9)], [REJECTS])
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.rejects.read_bytes() == second.rejects.read_bytes()


def test_a_part_that_is_not_whole_is_not_there(tmp_path):
    path = tmp_path / "a.parquet"
    assert open_part(path) is None
    write(path, [frame(0, 50)], [REJECTS])
    whole = path.read_bytes()
    for damaged in [b"", whole[:-1], whole[: len(whole) // 2], whole + b"x", b"PAR1" + b"\0" * 40]:
        path.write_bytes(damaged)
        assert open_part(path) is None
    pq.write_table(frame(0, 2).to_arrow(), path)  # a Parquet file, but no part
    assert open_part(path) is None
    path.write_bytes(whole)
    assert open_part(path).rows == 50


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "another"])
def test_a_part_whose_rejects_are_not_whole_is_not_there(tmp_path, damage):
    part = write(tmp_path / "a.parquet", [frame(0, 1)], [REJECTS])
    if damage == "gone":
        part.rejects.unlink()
    elif damage == "another":
        REJECTS[:1].write_parquet(part.rejects)
    else:
        whole = part.rejects.read_bytes()
        part.rejects.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    assert open_part(part.path) is None


def test_a_disk_that_is_full_at_the_rejects_is_told_and_leaves_nothing(tmp_path):
    aside = pl.DataFrame(
        {"id": [f"{n}" for n in range(3000)], "reason": "junk", "detail": [str(n**9) for n in range(3000)]}
    )
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        with pytest.raises(CareError) as caught:
            write(tmp_path / "a.parquet", [frame(0, 1)], [aside])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert (caught.value.code, caught.value.fatal) == (Exit.LIMIT, True)
    assert caught.value.where == str(tmp_path / "a.rejects.parquet")
    assert list(tmp_path.iterdir()) == []
