"""Tokens to text as they come: no half characters, nothing of a stop text, and where it ended."""

from typing import Any


class TextStream:
    """The text of one answer. stops: texts that end it and are not part of it."""

    def __init__(self, tokenizer: Any, stops: tuple[str, ...] = ()) -> None:
        self.tokenizer = tokenizer
        self.stops = tuple(stop for stop in stops if stop)
        self.tokens: list[int] = []
        self.start = self.read = 0  # tokens before `start` are settled; the text up to `read` has been taken
        self.held = ""  # the end of the text that may be the beginning of a stop text

    def add(self, token: int) -> tuple[str, bool]:
        """(text that is sure by now, whether a stop text ended it)."""
        self.tokens.append(token)
        before, after = self._decode(self.start, self.read), self._decode(self.start, len(self.tokens))
        if after.endswith("�") or len(after) <= len(before):
            return "", False
        self.start, self.read = self.read, len(self.tokens)
        return self._hold(after[len(before) :])

    def flush(self) -> tuple[str, bool]:
        """The rest, once no token comes any more: a half character too."""
        before, after = self._decode(self.start, self.read), self._decode(self.start, len(self.tokens))
        self.start = self.read = len(self.tokens)
        text, stopped = self._hold(after[len(before) :])
        rest, self.held = ("", "") if stopped else (self.held, "")
        return text + rest, stopped

    def _hold(self, new: str) -> tuple[str, bool]:
        """What of the held text and the new is sure; what could begin a stop text is held."""
        text = self.held + new
        cut = min((at for at in map(text.find, self.stops) if at >= 0), default=-1)
        if cut >= 0:
            self.held = ""
            return text[:cut], True
        ready = len(text) - max((_overlap(text, stop) for stop in self.stops), default=0)
        self.held = text[ready:]
        return text[:ready], False

    def _decode(self, start: int, end: int) -> str:
        tokens = self.tokens[start:end]
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
