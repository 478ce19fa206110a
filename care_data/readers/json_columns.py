"""JSON lines straight to columns, in one compiled pass over the bytes, where that gives what reading row by row gives.

The pass follows a plan: the objects, lists and texts that the patterns want, and beside them every key of the first
line. A block with anything else (a number where text is wanted, a key twice, a key not in the plan, a broken line) is
not plain: nothing of it is taken, and it is read row by row, with its bad rows set aside.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from care_data.readers.encodings import reads_as_utf8
from care_data.readers.json_scan import ESCAPED, LIST, SKIP, STRUCT, TEXT, scan_lines
from care_data.readers.spans import JSON, view_spans
from care_data.rows import OPTIONS, Wanted

MAX_KEYS = 60  # of one object: which of them were seen is a bit each of a number


@dataclass(frozen=True)
class Plan:
    """What a line may hold, as a tree in arrays; node 0 is the line's object.

    kinds: of each node. first, count: its children, an object's keys or a list's element. spelled: the keys, one
    behind another; key_at, key_length: where a node's key stands in it. names: of the keys of node 0.
    """

    kinds: np.ndarray
    first: np.ndarray
    count: np.ndarray
    spelled: np.ndarray
    key_at: np.ndarray
    key_length: np.ndarray
    names: list[str]


def plan_lines(block: bytes, wanted: Wanted) -> Plan | None:
    """The plan for lines like the first of a block; None where that is no object with plainly written keys."""
    if "_value" in wanted or "_key" in wanted or OPTIONS in wanted.values():
        return None
    try:
        sample = orjson.loads(block.partition(b"\n")[0].strip().removesuffix(b","))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(sample, dict):
        return None
    kinds, first, count, keys = [STRUCT], [0], [0], [b""]
    names: list[str] = []
    waiting: list[tuple[int, Any, list[Any]]] = [(0, pl.Struct(wanted), [sample])]
    while waiting:
        node, kind, samples = waiting.pop()
        children: list[tuple[str, Any, list[Any]]]
        if isinstance(kind, pl.List):
            children = [("", kind.inner, [part for found in samples if isinstance(found, list) for part in found])]
        else:
            held = [found for found in samples if isinstance(found, dict)]
            types = {field.name: field.dtype for field in kind.fields}
            known = dict.fromkeys([*types, *(key for found in held for key in found)])
            children = [(key, types.get(key), [found[key] for found in held if key in found]) for key in known]
        if len(children) > MAX_KEYS:
            return None
        names = names or [key for key, _, _ in children]
        first[node], count[node] = len(kinds), len(children)
        for key, inner, found in children:
            if inner is None:
                kinds.append(SKIP)
            elif inner == pl.String:
                kinds.append(TEXT)
            else:
                kinds.append(LIST if isinstance(inner, pl.List) else STRUCT)
                waiting.append((len(kinds) - 1, inner, found))
            first.append(0)
            count.append(0)
            keys.append(key.encode("utf-8", "surrogatepass"))
    if any(orjson.dumps(key.decode()) != b'"' + key + b'"' for key in keys):
        return None
    lengths = np.array([len(key) for key in keys], np.int64)
    return Plan(
        np.array(kinds, np.int64),
        np.array(first, np.int64),
        np.array(count, np.int64),
        np.frombuffer(b"".join(keys) + b"\0", np.uint8),
        np.cumsum(lengths) - lengths,
        lengths,
        names,
    )


def read_json_block(block: bytes, wanted: Wanted, plan: Plan) -> tuple[pl.DataFrame, set[str]] | None:
    """The wanted columns of a block of JSON lines, a row each, and the keys seen; None where not all is plain."""
    if not reads_as_utf8(block):
        return None
    data = np.frombuffer(block, np.uint8)
    tokens = np.empty(len(data) + MAX_KEYS, np.int16)  # more than there can be but where most keys are absent
    starts, lengths = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    found, rows, seen = scan_lines(
        data, plan.kinds, plan.first, plan.count, plan.spelled, plan.key_at, plan.key_length, tokens, starts, lengths
    )
    if found < 0:
        return None
    cut = _Tokens(block, tokens[:found], starts[:found], lengths[:found])
    columns = {}
    for at, (name, kind) in enumerate(wanted.items()):
        columns[name] = pl.Series(name, pl.from_arrow(_column(int(plan.first[0]) + at, kind, plan, cut)), kind)
    names = {name for at, name in enumerate(plan.names) if seen >> at & 1}
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=rows), names


@dataclass(frozen=True)
class _Tokens:
    """Texts and lists of a block in the order they end. nodes: of each, with ESCAPED. starts: where a text stands, how
    many elements a list has, -1 for null. lengths: of texts, in bytes."""

    block: bytes
    nodes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def _column(node: int, kind: Any, plan: Plan, cut: _Tokens) -> pa.Array:
    """One node's values as an Arrow array."""
    if plan.kinds[node] == STRUCT:
        fields = [_column(int(plan.first[node]) + at, field.dtype, plan, cut) for at, field in enumerate(kind.fields)]
        return pa.StructArray.from_arrays(fields, [field.name for field in kind.fields])
    chosen = np.flatnonzero((cut.nodes & (ESCAPED - 1)) == node)
    starts = cut.starts[chosen]
    if plan.kinds[node] == TEXT:
        return view_spans(cut.block, starts, cut.lengths[chosen], cut.nodes[chosen] >= ESCAPED, JSON)
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.maximum(starts, 0), out=offsets[1:])
    gone = pa.array(starts < 0) if (starts < 0).any() else None
    return pa.LargeListArray.from_arrays(offsets, _column(int(plan.first[node]), kind.inner, plan, cut), mask=gone)
