"""One thread that writes all answers side by side, token by token."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue

from care_train.config import SamplingSettings
from care_train.errors import CareError, Exit
from care_train.generation.batches import Batch
from care_train.generation.chatbots import Chatbot
from care_train.generation.prompts import Prompt, Talk, fit_prompt
from care_train.generation.sampling import Drawn, Sampler, choose_tokens
from care_train.generation.texts import TextStream


@dataclass(frozen=True)
class Request:
    """What is asked. ids: the prompt. stop: texts that end the answer, besides the template's own.

    logprobs: how many of the likeliest tokens to tell with each, None for none at all.
    """

    ids: list[int]
    sampling: SamplingSettings
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True)
class Piece:
    """Text that is new, with the tokens it came of. finish: why the answer ended: stop, length, cancelled, error."""

    text: str
    tokens: tuple[Drawn, ...] = ()
    finish: str | None = None


@dataclass
class Generation:
    """An answer being written: iterate over its pieces. finish, error and the counts are right once it has ended."""

    request: Request
    deliver: Callable[[Piece], None] | None = None
    finish: str | None = None
    error: Exception | None = None
    completion_tokens: int = 0
    pieces: SimpleQueue[Piece] = field(default_factory=SimpleQueue)
    cancelled: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.ids)

    def cancel(self) -> None:
        """Stop writing; what was written stays."""
        self.cancelled = True

    def __iter__(self) -> Iterator[Piece]:
        while self.finish is None or not self.pieces.empty():
            piece = self.pieces.get()
            yield piece
            if piece.finish:
                break
        if self.error is not None:
            raise self.error

    def give(self, piece: Piece) -> None:
        """Hand a piece over to whoever asked; the engine calls it. One who cannot take it is written for no longer."""
        self.finish = piece.finish or self.finish
        if self.deliver is None:
            self.pieces.put(piece)
            return
        try:
            self.deliver(piece)
        except Exception:
            self.cancel()


@dataclass
class Row:
    """An answer in the batch. room: tokens it may still take. last: its newest token."""

    generation: Generation
    sampler: Sampler
    text: TextStream
    room: int
    last: int = 0
    waiting: list[Drawn] = field(default_factory=list)


class Engine:
    """Answers requests together: each joins the running batch as soon as a row is free, and leaves it when it ends.

    max_batch: rows at a time, one for a model with a recurrent state; max_waiting: requests that may wait for a row.
    """

    def __init__(self, bot: Chatbot, *, max_batch: int = 16, max_waiting: int = 1024) -> None:
        self.bot = bot
        self.batch = Batch(bot.model)
        self.max_batch = max_batch if self.batch.joins else 1
        self.max_waiting = max_waiting
        self.waiting: deque[Generation] = deque()
        self.rows: list[Row] = []
        self.change = threading.Condition()
        self.closing = False
        self.thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self.thread.start()

    def submit(self, request: Request, deliver: Callable[[Piece], None] | None = None) -> Generation:
        """The answer to a request, about to be written. deliver: called from the engine's thread with each piece, else
        they are iterated over. Raises (LIMIT) where too many wait, or the prompt leaves no room for an answer.
        """
        if len(request.ids) >= self.bot.window:
            what = f"the prompt has {len(request.ids):,} tokens, the model takes {self.bot.window:,}"
            raise CareError(what, fix="Ask shorter, or leave out the oldest turns.", code=Exit.LIMIT)
        generation = Generation(request, deliver)
        with self.change:
            if self.closing:
                raise CareError("the engine is closing", fix="Ask again later.", code=Exit.LIMIT)
            if len(self.waiting) >= self.max_waiting:
                raise CareError(f"{len(self.waiting)} requests wait already", fix="Ask again later.", code=Exit.LIMIT)
            self.waiting.append(generation)
            self.change.notify()
        return generation

    def submit_all(self, requests: list[Request]) -> list[Generation]:
        """The answers to several requests, begun when all wait, so that each is always beside the same others."""
        with self.change:
            return [self.submit(request) for request in requests]

    def ask(self, talk: Talk, sampling: SamplingSettings) -> tuple[Prompt, Generation]:
        """The prompt that a conversation became and its answer, about to be written."""
        prompt = fit_prompt(self.bot, talk, sampling.max_new_tokens)
        return prompt, self.submit(Request(prompt.ids, sampling))

    def close(self, *, finish: bool = True) -> None:
        """Take no further request; let those begun end, or with finish=False stop them."""
        with self.change:
            self.closing = True
            for generation in [] if finish else [*self.waiting, *(row.generation for row in self.rows)]:
                generation.cancel()
            self.change.notify()
        self.thread.join()

    @property
    def load(self) -> tuple[int, int]:
        """(answers being written, requests waiting)."""
        return sum(row.generation.finish is None for row in list(self.rows)), len(self.waiting)

    def _work(self) -> None:
        while True:
            with self.change:
                while not (self.rows or self.waiting or self.closing):
                    self.change.wait()
                if self.closing and not self.rows and not self.waiting:
                    return
                left = self._drop_cancelled()
                free = self.max_batch - len(self.rows)
                joining = [*left, *(self.waiting.popleft() for _ in range(min(free, len(self.waiting))))]
            try:
                self._admit(joining)
                self._advance()
            except Exception as error:
                self._fail(error, joining)

    def _drop_cancelled(self) -> list[Generation]:
        """Those that gave up waiting: their places are free at once, not only when a row is."""
        left = [one for one in self.waiting if one.cancelled]
        if left:
            gone = set(map(id, left))
            self.waiting = deque(one for one in self.waiting if id(one) not in gone)
        return left

    def _admit(self, joining: list[Generation]) -> None:
        """Read the prompts of new requests and choose the first token of each."""
        for generation in [one for one in joining if one.cancelled]:
            generation.give(Piece("", finish="cancelled"))
        joining = [one for one in joining if one.finish is None]
        if not joining:
            return
        rows = [self._open(generation) for generation in joining]
        logits = self.batch.admit([row.generation.request.ids for row in rows])
        self.rows += rows
        self._take(rows, choose_tokens(logits, [row.sampler for row in rows]))

    def _open(self, generation: Generation) -> Row:
        request = generation.request
        sampler = Sampler(request.sampling, Counter(request.ids), request.logprobs)
        text = TextStream(self.bot.tokenizer, (*self.bot.template.stop_words, *request.stop))
        return Row(generation, sampler, text, min(request.sampling.max_new_tokens, self.bot.window - len(request.ids)))

    def _advance(self) -> None:
        """Let those go that have ended, and write one token more of the others."""
        for row in self.rows:
            if row.generation.cancelled and row.generation.finish is None:
                self._end(row, "cancelled")
        going = [place for place, row in enumerate(self.rows) if row.generation.finish is None]
        if len(going) < len(self.rows):
            self.rows = [self.rows[place] for place in going]
            self.batch.keep(going)
        if self.rows:
            logits = self.batch.step([row.last for row in self.rows])
            self._take(self.rows, choose_tokens(logits, [row.sampler for row in self.rows]))

    def _take(self, rows: list[Row], drawn: list[Drawn]) -> None:
        """Hand each row's new token on as text, or end the row."""
        for row, one in zip(rows, drawn, strict=True):
            row.last, row.room = one.token, row.room - 1
            row.sampler.note(one.token)
            row.generation.completion_tokens += 1
            if one.token in self.bot.ends:
                self._end(row, "stop")
                continue
            row.waiting.append(one)
            text, stopped = row.text.add(one.token)
            if stopped:
                row.generation.give(Piece(text, tuple(row.waiting), "stop"))
            elif row.room <= 0:
                self._end(row, "length", text)
            elif text:
                row.generation.give(Piece(text, tuple(row.waiting)))
                row.waiting = []

    def _end(self, row: Row, why: str, text: str = "") -> None:
        rest, stopped = row.text.flush()
        row.generation.give(Piece(text + rest, tuple(row.waiting), "stop" if stopped else why))

    def _fail(self, error: Exception, joining: list[Generation]) -> None:
        """Give the error to everyone it took an answer from, and begin with an empty batch."""
        hit = [*(row.generation for row in self.rows), *joining]
        self.rows, self.batch = [], Batch(self.bot.model)
        for generation in {id(one): one for one in hit if one.finish is None}.values():
            generation.error = error
            generation.give(Piece("", finish="error"))
