"""Where care-train keeps what it may make again."""

import os
from pathlib import Path


def find_home() -> Path:
    """The folder care-train in the user's cache folder; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "care-train"
