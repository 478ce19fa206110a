"""Answers as they grow, for a page that shows them some times a second."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from care_train.config import SamplingSettings
from care_train.generation import Engine, Generation, Piece, Request, Talk, fit_prompt
from care_train.serving.chat import Answer

PACE = 0.12
"""Seconds between two looks at an answer: a page that is redrawn for every token takes the cores from the model."""
PATIENCE = 1.0
"""Seconds after which an answer is given again without anything new: only so is a closed tab noticed."""


async def stream_answer(
    engine: Engine, talk: Talk, sampling: SamplingSettings, begin: Callable[[Generation], None]
) -> AsyncIterator[Answer]:
    """One answer that grows until its `finish` says why it ended; whoever leaves off stops the model's work on it.

    begin: gets the generation, which cancel() ends. Raises where the question alone is too long, or too many wait.
    """
    started = time.monotonic()
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue[Piece]()

    def deliver(piece: Piece) -> None:
        with suppress(RuntimeError):  # the page's loop has ended: nobody waits for the piece
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    prompt = await asyncio.to_thread(fit_prompt, engine.bot, talk, sampling.max_new_tokens)
    generation = engine.submit(Request(prompt.ids, sampling), deliver)
    begin(generation)
    answer = Answer(talk.question, "", len(prompt.ids), 0, "", prompt.left_out, 0.0)
    try:
        while not answer.finish:
            yield answer
            with suppress(TimeoutError):
                piece = await asyncio.wait_for(pieces.get(), PATIENCE)
                _grow(answer, piece)
                await asyncio.sleep(PACE)
            while not pieces.empty():
                _grow(answer, pieces.get_nowait())
            answer.tokens = generation.completion_tokens
            answer.seconds = round(time.monotonic() - started, 2)
        if generation.error is not None:
            raise generation.error
        answer.answer = answer.answer.strip()
        yield answer
    finally:
        generation.cancel()


def _grow(answer: Answer, piece: Piece) -> None:
    answer.answer += piece.text
    answer.finish = piece.finish or ""
