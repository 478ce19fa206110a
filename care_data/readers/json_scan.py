"""The compiled pass over JSON lines, a state machine over a plan of nodes (see json_columns.py)."""

import numpy as np

from care_data.kernels import kernel

SKIP, TEXT, LIST, STRUCT = 0, 1, 2, 3
"""Kinds of nodes: a value that nobody wants, a text, a list, an object."""

DEPTH = 32
STRIDE = 16
ESCAPED = 1 << 14
"""Beside the number of a node: its text holds escapes."""


@kernel
def scan_lines(  # type: ignore[no-untyped-def]
    block, kinds, first, count, spelled, key_at, key_length, tokens, starts, lengths
):
    """(tokens, lines, keys seen of the lines' objects as bits); -1 tokens where not all is plain."""
    size, at, rows, found, seen = len(block), 0, 0, 0, np.int64(0)
    nodes, masks, elements = np.zeros(DEPTH, np.int64), np.zeros(DEPTH, np.int64), np.zeros(DEPTH, np.int64)
    while True:
        at = _skip_space(block, at, size)
        while at < size and block[at] == 10:
            at = _skip_space(block, at + 1, size)
        if at == size:
            return found, rows, seen
        depth, node, inside = -1, 0, True
        while inside:  # a value begins here
            at = _skip_space(block, at, size)
            if at == size or found == len(tokens):
                return -1, 0, seen
            kind, opened = kinds[node], False
            if kind == TEXT and block[at] == 34:
                stop, escaped = _skip_text(block, at, size)
                if stop < 0:
                    return -1, 0, seen
                tokens[found] = node | ESCAPED if escaped else node
                starts[found], lengths[found] = at + 1, stop - at - 2
                found, at = found + 1, stop
            elif (kind == LIST and block[at] == 91) or (kind == STRUCT and block[at] == 123):
                depth += 1
                if depth == DEPTH:
                    return -1, 0, seen
                nodes[depth], masks[depth], elements[depth] = node, 0, 0
                at, opened = at + 1, True
            elif kind in (TEXT, LIST) and _is_null(block, at, size):
                tokens[found], starts[found], lengths[found] = node, -1, 0
                found, at = found + 1, at + 4
            elif kind == SKIP:
                at = _skip_value(block, at, size)
                if at < 0:
                    return -1, 0, seen
            else:
                return -1, 0, seen
            while True:  # what follows: an end, or a comma, and then what comes next
                at = _skip_space(block, at, size)
                if at == size:
                    return -1, 0, seen
                parent = nodes[depth]
                end = 93 if kinds[parent] == LIST else 125
                if block[at] == end:
                    if found + count[parent] > len(tokens):
                        return -1, 0, seen
                    if kinds[parent] == LIST:  # it has one child, and makes one token
                        tokens[found], starts[found], lengths[found] = parent, elements[depth], 0
                        found += 1
                    else:
                        for child in range(count[parent]):
                            if not masks[depth] >> child & 1:
                                kind = kinds[first[parent] + child]
                                if kind == STRUCT:
                                    return -1, 0, seen
                                if kind != SKIP:
                                    tokens[found], starts[found], lengths[found] = first[parent] + child, -1, 0
                                    found += 1
                    at += 1
                    if depth == 0:
                        seen |= masks[0]
                        inside = False
                        break
                    depth -= 1
                    opened = False
                    continue
                if not opened:
                    if block[at] != 44:
                        return -1, 0, seen
                    at += 1
                    at = _skip_space(block, at, size)
                break
            if not inside:
                break
            parent = nodes[depth]
            if kinds[parent] == LIST:
                elements[depth] += 1
                node = first[parent]
                continue
            if at == size or block[at] != 34:
                return -1, 0, seen
            stop, escaped = _skip_text(block, at, size)
            if stop < 0 or escaped:
                return -1, 0, seen
            node = _find_key(block, at + 1, stop - at - 2, first[parent], count[parent], spelled, key_at, key_length)
            if node < 0 or masks[depth] >> (node - first[parent]) & 1:
                return -1, 0, seen
            masks[depth] |= np.int64(1) << (node - first[parent])
            at = stop
            at = _skip_space(block, at, size)
            if at == size or block[at] != 58:
                return -1, 0, seen
            at += 1
        rows += 1
        at = _skip_space(block, at, size)
        if at < size and block[at] == 44:
            at += 1
            at = _skip_space(block, at, size)
        if at < size and block[at] != 10:
            return -1, 0, seen


@kernel
def _skip_space(block, at, size):  # type: ignore[no-untyped-def]
    """Where something else than space within a line stands; the size at the end."""
    while at < size and (block[at] == 32 or block[at] == 9 or block[at] == 13):
        at += 1
    return at


@kernel
def _is_null(block, at, size):  # type: ignore[no-untyped-def]
    return (
        at + 4 <= size and block[at] == 110 and block[at + 1] == 117 and block[at + 2] == 108 and block[at + 3] == 108
    )


@kernel
def _find_key(block, at, length, start, count, spelled, key_at, key_length):  # type: ignore[no-untyped-def]
    """The child that is spelled so; -1 where there is none."""
    for child in range(start, start + count):
        if key_length[child] == length:
            same = True
            for byte in range(length):
                if block[at + byte] != spelled[key_at[child] + byte]:
                    same = False
                    break
            if same:
                return child
    return -1


@kernel
def _skip_text(block, at, size):  # type: ignore[no-untyped-def]
    """(where the text that opens here has ended, whether it holds escapes); -1 where it is broken."""
    at += 1
    escaped = False
    while True:
        at = _find_end(block, at, size)
        if at == size or block[at] < 32:
            return -1, escaped
        if block[at] == 34:
            return at + 1, escaped
        length = _is_escape(block, at, size)
        if length == 0:
            return -1, escaped
        at += length
        escaped = True


@kernel
def _skip_value(block, at, size):  # type: ignore[no-untyped-def]
    """Where a value that nobody wants has ended: a text, a number, a word, or a list of those; -1 for all else."""
    if block[at] != 91:
        return _skip_scalar(block, at, size)
    at += 1
    first = True
    while at < size:
        at = _skip_space(block, at, size)
        if at < size and block[at] == 93 and first:
            return at + 1
        if at == size:
            return -1
        at = _skip_scalar(block, at, size)
        if at < 0:
            return -1
        at = _skip_space(block, at, size)
        if at == size:
            return -1
        if block[at] == 93:
            return at + 1
        if block[at] != 44:
            return -1
        at, first = at + 1, False
    return -1


@kernel
def _skip_scalar(block, at, size):  # type: ignore[no-untyped-def]
    """Where a text, a plain number of few digits, true, false or null has ended; -1 for all else."""
    byte = block[at]
    if byte == 34:
        return _skip_text(block, at, size)[0]
    if _is_null(block, at, size):
        return at + 4
    if at + 4 <= size and byte == 116 and block[at + 1] == 114 and block[at + 2] == 117 and block[at + 3] == 101:
        return at + 4
    if (
        at + 5 <= size
        and byte == 102
        and block[at + 1] == 97
        and block[at + 2] == 108
        and block[at + 3] == 115
        and block[at + 4] == 101
    ):
        return at + 5
    if byte == 45:
        at += 1
    start = at
    while at < size and 48 <= block[at] <= 57:
        at += 1
    if at == start or at - start > 15 or (block[start] == 48 and at - start > 1):
        return -1
    if at < size and block[at] == 46:
        at += 1
        start = at
        while at < size and 48 <= block[at] <= 57:
            at += 1
        if at == start or at - start > 15:
            return -1
    if at < size and (block[at] == 101 or block[at] == 69):
        return -1
    return at


@kernel
def _find_end(block, at, size):  # type: ignore[no-untyped-def]
    """Where the next quote, backslash or control character stands; the size where none does.

    Many bytes are looked at at once, by numbers without a sign, which compilers make one instruction of.
    """
    here, end, step, many = np.uint64(at), np.uint64(size), np.uint64(1), np.uint64(STRIDE)
    while here + many <= end:
        met = np.uint8(0)
        for ahead in range(STRIDE):
            byte = block[here + np.uint64(ahead)]
            met |= np.uint8(byte == 34) | np.uint8(byte == 92) | np.uint8(byte < 32)
        if met:
            break
        here += many
    while here < end:
        byte = block[here]
        if byte == 34 or byte == 92 or byte < 32:
            break
        here += step
    return np.int64(here)


@kernel
def _is_escape(block, at, size):  # type: ignore[no-untyped-def]
    """Bytes of the JSON escape that begins here, of both for a pair of surrogates; 0 where it is none."""
    if at + 1 >= size:
        return 0
    letter = block[at + 1]
    if letter != 117:
        known = letter == 34 or letter == 92 or letter == 47
        known = known or letter == 98 or letter == 102 or letter == 110 or letter == 114 or letter == 116
        return 2 if known else 0
    if not _are_hex(block, at + 2, size):
        return 0
    if (block[at + 2] | 32) != 100 or block[at + 3] < 56:
        return 6  # not D8 to DF
    if (block[at + 3] | 32) >= 99 and block[at + 3] > 57:
        return 0  # the second half of a pair alone
    if at + 12 > size or block[at + 6] != 92 or block[at + 7] != 117 or not _are_hex(block, at + 8, size):
        return 0
    second = (block[at + 8] | 32) == 100 and (block[at + 9] | 32) >= 99 and block[at + 9] > 57
    return 12 if second else 0


@kernel
def _are_hex(block, at, size):  # type: ignore[no-untyped-def]
    if at + 4 > size:
        return False
    for place in range(at, at + 4):
        byte = block[place]
        if not (48 <= byte <= 57 or 97 <= (byte | 32) <= 102):
            return False
    return True
