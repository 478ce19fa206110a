"""Where the files that come with the package lie."""

from pathlib import Path


def resource_folder(name: str) -> Path:
    """The folder `name` (registry, schemas): inside an installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name
