"""Single tokens as people read them and as the bytes they stand for."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class Spelling(NamedTuple):
    """A token's text, and its bytes. A token that is no whole character has the text `bytes:\\xe5\\xa4`."""

    text: str
    bytes: list[int]


class Vocabulary:
    """The tokens of a tokenizer, spelled out."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        decoder = tokenizer.backend_tokenizer.decoder if tokenizer.is_fast else None
        state = decoder.__getstate__().decode() if decoder is not None else ""
        self.byte_level = '"ByteLevel"' in state
        self.byte_fallback = '"ByteFallback"' in state
        self.added = {place: token.content for place, token in tokenizer.added_tokens_decoder.items()}
        self.spell = lru_cache(maxsize=1 << 14)(self._spell)

    def _spell(self, token: int) -> Spelling:
        raw = self._read(token)
        try:
            return Spelling(raw.decode(), list(raw))
        except UnicodeDecodeError:
            return Spelling("bytes:" + "".join(f"\\x{byte:02x}" for byte in raw), list(raw))

    def _read(self, token: int) -> bytes:
        written = self.added.get(token)
        if written is not None:
            return written.encode()
        written = self.tokenizer.convert_ids_to_tokens(token) or ""
        byte = BYTE.fullmatch(written) if self.byte_fallback else None
        if byte:
            return bytes([int(byte[1], 16)])
        table = map_characters()
        if self.byte_level and all(one in table for one in written):
            return bytes(table[one] for one in written)
        return written.replace("▁", " ").encode()


@lru_cache(maxsize=1)
def map_characters() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for: printable ones for themselves, the others,
    in their order, from U+0100 on.
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + place): byte for place, byte in enumerate(others)}
