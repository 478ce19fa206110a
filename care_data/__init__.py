"""Open medical corpora, cleaned and accounted for.

The public functions load on first use, so that importing the package costs nothing:
load_corpus (a corpus as a frame), convert (rows to records), dedupe (frames without their duplicates).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from care_data.converters import convert as convert
    from care_data.duplicates import DedupeResult as DedupeResult
    from care_data.duplicates import dedupe as dedupe
    from care_data.errors import CareError as CareError
    from care_data.pipeline import load_corpus as load_corpus

__version__ = "0.1.0"

_HOMES = {
    "load_corpus": "care_data.pipeline",
    "convert": "care_data.converters",
    "dedupe": "care_data.duplicates",
    "DedupeResult": "care_data.duplicates",
    "CareError": "care_data.errors",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'care_data' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
