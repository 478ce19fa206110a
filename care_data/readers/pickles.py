"""Pickles that hold data and nothing else."""

import io
import pickle
from typing import Any, BinaryIO, NoReturn

from care_data.errors import CareError, Exit

MAX_BYTES = 1 << 30


class _Plain(pickle.Unpickler):
    """An unpickler without names: a pickle that calls for any class or function is refused, so nothing is executed."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse."""
        raise CareError(f"the pickle calls for {module}.{name}", fix="Only plain data is read.", code=Exit.POLICY)

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse."""
        raise CareError("the pickle refers to objects outside itself", fix="Only plain data is read.", code=Exit.POLICY)


def load_plain(stream: BinaryIO) -> Any:
    """What a pickle of lists, dictionaries, strings and numbers holds; CareError for any other."""
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CareError("the pickle is larger than 1 GiB", fix="It is refused.", code=Exit.LIMIT)
    try:
        return _Plain(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise CareError(f"not a whole pickle ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
