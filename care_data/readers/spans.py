"""Spans of a block's bytes as columns of text: the part that both compiled readers share."""

import numpy as np
import pyarrow as pa

from care_data.kernels import kernel

JSON, CSV = 0, 1


def view_spans(
    block: bytes, starts: np.ndarray, lengths: np.ndarray, marked: np.ndarray, notation: int
) -> pa.StringViewArray:
    """The spans as an Arrow array of text that looks into the block; null where the start is below zero.

    The block is UTF-8 and stays in memory as long as the array. marked: spans with escapes, well written in the
    notation, JSON or CSV; they stand in a buffer of their own as what they mean.
    """
    views = np.zeros((len(starts), 4), np.uint32)
    meant = np.empty(int(lengths[marked].sum()), np.uint8)
    _view(np.frombuffer(block, np.uint8), starts, lengths, marked, notation, views, views.view(np.uint8), meant)
    gone = starts < 0
    nulls = None if not gone.any() else pa.py_buffer(np.packbits(~gone, bitorder="little"))
    buffers = [nulls, pa.py_buffer(views), pa.py_buffer(block), pa.py_buffer(meant)]
    return pa.Array.from_buffers(pa.string_view(), len(starts), buffers)


@kernel
def _view(block, starts, lengths, marked, notation, views, letters, meant):  # type: ignore[no-untyped-def]
    """Fills the views of Arrow's layout: length, then up to 12 bytes of text, or its first 4, its buffer and place."""
    to = 0
    for row in range(len(starts)):
        at, length = starts[row], lengths[row]
        if at < 0:
            continue
        if not marked[row]:
            _fill(views, letters, row, block, at, length, 0)
            continue
        start = to
        if notation == JSON:
            to = _undo_json(block, at, at + length, meant, to)
        else:
            to = _undo_csv(block, at, at + length, meant, to)
        _fill(views, letters, row, meant, start, to - start, 1)


@kernel
def _fill(views, letters, row, text, at, length, buffer):  # type: ignore[no-untyped-def]
    views[row, 0] = length
    if length > 12:
        views[row, 2], views[row, 3] = buffer, at
        length = 4
    for place in range(length):
        letters[row, 4 + place] = text[at + place]


@kernel
def _undo_csv(block, at, stop, out, to):  # type: ignore[no-untyped-def]
    """Copies a cell in which quotes are doubled; where the copy ends."""
    while at < stop:
        byte = block[at]
        out[to] = byte
        at, to = at + (2 if byte == 34 else 1), to + 1
    return to


@kernel
def _undo_json(block, at, stop, out, to):  # type: ignore[no-untyped-def]
    """Copies a text whose escapes are well written; where the copy ends."""
    while at < stop:
        byte = block[at]
        if byte != 92:
            out[to] = byte
            at, to = at + 1, to + 1
            continue
        letter = block[at + 1]
        if letter != 117:
            if letter == 110:
                letter = np.uint8(10)
            elif letter == 116:
                letter = np.uint8(9)
            elif letter == 114:
                letter = np.uint8(13)
            elif letter == 98:
                letter = np.uint8(8)
            elif letter == 102:
                letter = np.uint8(12)
            out[to] = letter
            at, to = at + 2, to + 1
            continue
        code = _hex(block, at + 2)
        at += 6
        if 0xD800 <= code < 0xDC00:
            code = 0x10000 + ((code - 0xD800) << 10) + (_hex(block, at + 2) - 0xDC00)
            at += 6
        if code < 0x80:
            out[to] = code
            to += 1
        elif code < 0x800:
            out[to], out[to + 1] = 0xC0 | code >> 6, 0x80 | code & 63
            to += 2
        elif code < 0x10000:
            out[to], out[to + 1], out[to + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63
            to += 3
        else:
            out[to], out[to + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 63
            out[to + 2], out[to + 3] = 0x80 | code >> 6 & 63, 0x80 | code & 63
            to += 4
    return to


@kernel
def _hex(block, at):  # type: ignore[no-untyped-def]
    """The number that four hexadecimal digits write."""
    code = 0
    for place in range(4):
        byte = block[at + place]
        code = code << 4 | (byte - 48 if byte < 58 else (byte | 32) - 87)
    return code
