"""Compiled loops: a decorator for functions over arrays."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Any:
    """The function compiled on its first call, without the interpreter's lock, and kept on disk for later processes.

    Where neither the package's folder nor the user's cache can be written, it is compiled in every process. A kernel
    calls kernels of its own file only: what is kept on disk is renewed when that file changes, and no other.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place to keep it
        return njit(nogil=True)(function)
