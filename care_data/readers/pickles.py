"""Pickles that hold data and nothing else."""

import io
import pickle
import pickletools
from typing import Any, BinaryIO, NoReturn

from care_data.errors import CareError, Exit

MAX_BYTES = 1 << 30

_NAMES = """
PROTO FRAME STOP MARK POP POP_MARK DUP MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET
NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
"""
_PLAIN = frozenset(_NAMES.split())
"""Operations that make text, numbers, lists, tuples and dictionaries; all others make or call something else."""


class _Plain(pickle.Unpickler):
    """An unpickler without names, for what the look through the operations should miss."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse."""
        raise _refusal(f"calls for {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse."""
        raise _refusal("refers to objects outside itself")


def load_plain(stream: BinaryIO) -> Any:
    """What a pickle of lists, tuples, dictionaries, strings and numbers holds; CareError for any other.

    Its operations are looked through before one is carried out, so nothing is executed and no size it claims is
    believed.
    """
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CareError("the pickle is larger than 1 GiB", fix="It is refused.", code=Exit.LIMIT)
    try:
        _refuse_others(data)
        held = _Plain(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise CareError(f"not a whole pickle ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
    _refuse_grown(held, len(data))
    return held


def _refuse_others(data: bytes) -> None:
    """CareError at the first operation that is not plain; ValueError where the bytes are no operations."""
    argument: Any
    for operation, argument, _ in pickletools.genops(data):
        if operation.name not in _PLAIN:
            shown = f"{operation.name} {'' if argument is None else argument!s:.60}".rstrip()
            raise _refusal(f"does more than hold data ({shown})")
        # The unpickler makes room for as many notes as the highest number says.
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > len(data):
            raise _refusal(f"claims {argument} notes in {len(data)} bytes")


def _refuse_grown(held: Any, size: int) -> None:
    """CareError where lists are shared so often that, written out, there would be more values than bytes."""
    left, seen = [held], 0
    while left:
        part = left.pop()
        seen += 1
        if seen > 4 * size:
            raise _refusal("grows beyond its size by what it repeats")
        if isinstance(part, dict):
            left.extend(part.values())
        elif isinstance(part, list | tuple):
            left.extend(part)


def _refusal(what: str) -> CareError:
    return CareError(f"the pickle {what}", fix="Only plain data is read, so it is refused.", code=Exit.POLICY)
