"""Answers of the engine's thread, brought to the event loop piece by piece."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from care_train.errors import CareError
from care_train.generation import Drawn, Engine, Generation, Piece, Request
from care_train.serving.server.refusals import Refusal


@dataclass
class Answer:
    """An answer that has ended. finish: stop or length."""

    text: str = ""
    drawn: list[Drawn] = field(default_factory=list)
    finish: str = ""


class Writing:
    """The answers to one body, written side by side. Raises Refusal where no more can wait."""

    def __init__(self, engine: Engine, requests: list[Request]) -> None:
        self.engine = engine
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[tuple[int, Piece]] = asyncio.Queue()
        self.generations: list[Generation] = []
        self.failure = ""  # what an answer broke off with, for the log
        most = engine.max_batch + engine.max_waiting
        if len(requests) > most:
            what = f"{len(requests)} answers at once are asked for, this server takes {most}"
            raise Refusal(400, what, param="n", code="invalid_value")
        try:
            for place, request in enumerate(requests):
                self.generations.append(engine.submit(request, partial(self._deliver, place)))
        except CareError as error:
            self.cancel()
            status, code = (503, "server_stopping") if engine.closing else (429, "rate_limit_exceeded")
            raise Refusal(status, str(error), code=code) from error

    @property
    def completion_tokens(self) -> int:
        """Tokens written so far, of all answers."""
        return sum(generation.completion_tokens for generation in self.generations)

    @property
    def is_done(self) -> bool:
        """Whether all answers have ended by themselves."""
        return all(generation.finish in ("stop", "length") for generation in self.generations)

    def cancel(self) -> None:
        """Stop what is still being written."""
        for generation in self.generations:
            generation.cancel()

    async def list_pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """(number of the answer, piece) as they come; raises Refusal where an answer cannot be written to its end."""
        going = len(self.generations)
        while going:
            place, piece = await self.queue.get()
            if piece.finish not in (None, "stop", "length"):
                self.cancel()
                failed = self.generations[place].error
                if failed is None:
                    raise Refusal(503, "the server is stopping", code="server_stopping")
                first = str(failed).strip().split("\n")[0]
                self.failure = f"{type(failed).__name__}: {first[:200]}"
                raise Refusal(500, "the model failed on this request", code="server_error") from failed
            yield place, piece
            going -= piece.finish is not None

    async def collect(self) -> list[Answer]:
        """All answers, once they have ended."""
        answers = [Answer() for _ in self.generations]
        async for place, piece in self.list_pieces():
            answer = answers[place]
            answer.text += piece.text
            answer.drawn += piece.tokens
            answer.finish = piece.finish or ""
        return answers

    def _deliver(self, place: int, piece: Piece) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
            self.loop.call_soon_threadsafe(self.queue.put_nowait, (place, piece))
