"""What tells one model's weights from another's without reading them all."""

import json
from hashlib import sha256
from pathlib import Path

from care_train.smollm2 import locate

SAMPLE = 1 << 16
"""Bytes read at the beginning, in the middle and at the end of each file of weights for a fingerprint."""


def fingerprint(base: str) -> str | None:
    """Sixteen hex digits that tell a model's weights from others; None where they do not lie here as safetensors.

    Made of every tensor's name, shape and type and of samples of the numbers, so that it costs no more for 70 billion.
    """
    base = locate(base)
    folder = Path(base)
    if not folder.exists():
        from transformers.utils import cached_file

        found = cached_file(base, "config.json", local_files_only=True, _raise_exceptions_for_missing_entries=False)
        folder = Path(found).parent if found else folder
    files = sorted(folder.glob("*.safetensors"))
    digest = sha256()
    for file in files:
        with file.open("rb") as stream:
            header = stream.read(int.from_bytes(stream.read(8), "little"))
            tensors = {name: one for name, one in json.loads(header).items() if name != "__metadata__"}
            digest.update(json.dumps(tensors, sort_keys=True).encode())
            start, size = 8 + len(header), file.stat().st_size
            for place in (start, (start + size) // 2, max(start, size - SAMPLE)):
                stream.seek(place)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()[:16] if files else None
