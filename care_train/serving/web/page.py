"""The page: a conversation, what to ask with, and what is known of the model, in English and Chinese."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from care_train.cards import CARD
from care_train.config import SamplingSettings, check_sampling
from care_train.errors import CareError, Exit
from care_train.generation import Engine, Generation, Talk
from care_train.serving.chat import Answer, tell_conversation
from care_train.serving.web.answers import stream_answer
from care_train.serving.web.rendering import (
    render_card,
    render_exchange,
    render_exchanges,
    render_head,
    render_problem,
)
from care_train.serving.web.texts import WORDS, Words, choose_language
from care_train.serving.web.theme import SAVE

LOG = logging.getLogger(__name__)
LONG = 4096
"""Tokens the slider of the longest answer goes to, where the model takes as many and nothing longer was asked for."""
SLIDER = 280
"""Pixels a slider takes: two stand side by side where there is room, one on a phone."""
Update = dict[Any, Any]


class Page:
    """One page for all who visit it; what a visitor said is kept with the visit and nowhere else."""

    def __init__(self, engine: Engine, sampling: SamplingSettings, *, notice: bool) -> None:
        self.engine, self.sampling, self.notice = engine, sampling, notice
        self.card = read_card(engine)
        self.running: dict[str, Generation] = {}
        with gr.Blocks(title=engine.bot.name, analytics_enabled=False) as self.blocks:
            self._lay_out()
            self._connect()
        self.blocks.queue(default_concurrency_limit=None, api_open=False)

    def _lay_out(self) -> None:
        """Everything one sees; texts follow when the page is asked for, in the language of its browser."""
        words = WORDS["en"]
        self.answers, self.language = gr.State([]), gr.State("en")
        self.story = gr.Textbox(visible=False)
        with gr.Row(elem_id="head"):
            self.head = gr.HTML()
            self.switch = gr.Button(words["switch"], elem_id="switch", size="sm", scale=0, min_width=72)
        with gr.Column(elem_id="talk"):
            self.past, self.live = gr.HTML(elem_id="past"), gr.HTML(elem_id="live")
            self.problem = gr.HTML(elem_id="problem")
        with gr.Row(elem_id="ask"):
            self.question = gr.Textbox(
                lines=1, max_lines=8, show_label=False, container=False, autofocus=True, elem_id="question", scale=1
            )
            self.send = gr.Button(variant="primary", elem_id="send", scale=0, min_width=84)
            self.stop = gr.Button(variant="stop", visible=False, elem_id="stop", scale=0, min_width=84)
        with gr.Row(elem_id="acts"):
            self.retry, self.undo, self.clear, self.save = (
                gr.Button(interactive=False, size="sm", min_width=60, elem_id=name)
                for name in ("retry", "undo", "clear", "save")
            )
        with gr.Accordion(words["settings"], open=False, elem_id="settings") as self.settings:
            self._lay_out_settings()
        with gr.Accordion(words["about"], open=False, elem_id="about") as self.about:
            self.facts = gr.HTML()

    def _lay_out_settings(self) -> None:
        bot, given = self.engine.bot, self.sampling
        system = bot.template.default_system if bot.system is None else bot.system
        longest = max(given.max_new_tokens, min(bot.window, LONG))
        self.system = gr.Textbox(system, lines=2, max_lines=8, elem_id="system")
        with gr.Row():
            self.length = gr.Slider(1, longest, given.max_new_tokens, step=1, min_width=SLIDER, elem_id="length")
            self.temperature = gr.Slider(0, max(2, given.temperature), given.temperature, step=0.05, min_width=SLIDER)
        with gr.Row():
            self.top_p = gr.Slider(0.05, 1, given.top_p, step=0.05, min_width=SLIDER)
            penalty = given.repetition_penalty
            self.penalty = gr.Slider(min(1, penalty), max(2, penalty), penalty, step=0.05, min_width=SLIDER)
        self.seed = gr.Number(given.seed, precision=0, minimum=0, elem_id="seed")

    def _connect(self) -> None:
        """Which event calls what. None of them is offered to other programs: that is what `care-train serve` is for."""
        controls = [self.system, self.length, self.temperature, self.top_p, self.penalty, self.seed]
        asking = [self.answers, self.language, *controls]
        shown = [self.answers, self.past, self.live, self.problem, self.question, self.send, self.stop]
        shown += [self.retry, self.undo, self.clear, self.save, self.seed]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        gr.on([self.question.submit, self.send.click], self.ask, [self.question, *asking], shown, **quiet)
        self.retry.click(self.ask_again, asking, shown, **quiet)
        self.stop.click(self.end_answer, None, None, queue=False, **quiet)
        self.undo.click(self.take_back, [self.answers, self.language], shown, **quiet)
        self.clear.click(self.forget, [self.language], shown, **quiet)
        self.save.click(self.tell, [self.answers, *controls], [self.story], **quiet).then(
            None, [self.story], None, js=SAVE
        )
        texts = [self.head, self.switch, self.past, self.question, self.send, self.stop, self.facts]
        texts += [self.retry, self.undo, self.clear, self.save, self.settings, self.about, *controls, self.language]
        self.blocks.load(self.greet, [self.answers], texts, **quiet)
        self.switch.click(self.speak_other, [self.answers, self.language], texts, **quiet)

    async def ask(
        self, request: gr.Request, question: str, answers: list[Answer], language: str, *controls: Any
    ) -> AsyncIterator[Update]:
        """The page while an answer to the question grows, and after it."""
        question, visit = question.strip(), str(request.session_hash)
        if not question or visit in self.running:
            return
        yield {self.question: ""}
        async for update in self._answer(visit, question, answers, answers, language, controls):
            yield {**update, self.question: question} if update.get(self.problem) else update

    async def ask_again(
        self, request: gr.Request, answers: list[Answer], language: str, *controls: Any
    ) -> AsyncIterator[Update]:
        """The page while the last question is answered anew, with the seed after the one it was answered with."""
        if answers:
            controls = (*controls[:-1], int(controls[-1] or 0) + 1)
            yield {self.seed: controls[-1]}
            visit, question = str(request.session_hash), answers[-1].question
            async for update in self._answer(visit, question, answers[:-1], answers, language, controls):
                yield update

    async def _answer(
        self,
        visit: str,
        question: str,
        before: list[Answer],
        kept: list[Answer],
        language: str,
        controls: tuple[Any, ...],
    ) -> AsyncIterator[Update]:
        """The page while a question that follows `before` is answered; `kept` is shown where no answer comes."""
        words = WORDS[language]
        if visit in self.running:
            return
        waiting = Answer(question, "", 0, 0, "", 0, 0.0)
        yield {
            self.problem: "",
            self.past: render_exchanges(before, words) if before else "",
            self.live: render_exchange(waiting, words, growing=True),
            **self._show_buttons(before, busy=True),
        }
        answers = kept
        try:
            system, sampling = self._read_controls(*controls)
            talk = Talk(system, [(one.question, one.answer) for one in before], question)
            begin = partial(self.running.__setitem__, visit)
            async for answer in stream_answer(self.engine, talk, sampling, begin):
                if answer.finish:
                    answers = [*before, answer]
                else:
                    yield {self.live: render_exchange(answer, words, growing=True)}
            yield self._show(answers, words)
        except Exception as error:
            yield {**self._show(kept, words), self.problem: render_problem(self._explain(error, words), words)}
        finally:
            self.running.pop(visit, None)

    def end_answer(self, request: gr.Request) -> None:
        """Stop the visitor's answer where it is; what was written of it stays."""
        generation = self.running.get(str(request.session_hash))
        if generation is not None:
            generation.cancel()

    def take_back(self, answers: list[Answer], language: str) -> Update:
        """The page without the last exchange, its question ready to be asked differently."""
        question = answers[-1].question if answers else ""
        return {**self._show(answers[:-1], WORDS[language]), self.question: question}

    def forget(self, language: str) -> Update:
        """The page of a new conversation."""
        return self._show([], WORDS[language])

    def tell(self, answers: list[Answer], *controls: Any) -> str:
        """The conversation as JSON, as `care-train chat` saves it."""
        system, sampling = self._read_controls(*controls)
        return tell_conversation(self.engine.bot, system, [(one.question, one.answer) for one in answers], sampling)

    def greet(self, answers: list[Answer], request: gr.Request) -> Update:
        """The page's texts in the language of the browser."""
        return self._say(answers, choose_language(request.headers.get("accept-language", "")))

    def speak_other(self, answers: list[Answer], language: str) -> Update:
        """The page's texts in the other language."""
        return self._say(answers, next(other for other in WORDS if other != language))

    def _say(self, answers: list[Answer], language: str) -> Update:
        words, bot = WORDS[language], self.engine.bot
        labels = {self.settings: "settings", self.about: "about", self.length: "length"}
        explained = {
            self.system: "system", self.temperature: "temperature", self.top_p: "top_p", self.penalty: "penalty",
            self.seed: "seed",
        }  # fmt: skip
        buttons = {
            self.switch: "switch", self.send: "send", self.stop: "stop", self.retry: "retry", self.undo: "undo",
            self.clear: "clear", self.save: "save",
        }  # fmt: skip
        return {
            self.language: language,
            self.head: render_head(bot, words, notice=self.notice),
            self.past: render_exchanges(answers, words),
            self.facts: render_card(bot, self.card, words),
            self.question: gr.update(placeholder=words["question"]),
            **{button: gr.update(value=words[name]) for button, name in buttons.items()},
            **{part: gr.update(label=words[name]) for part, name in labels.items()},
            **{part: gr.update(label=words[name], info=words[f"{name}_info"]) for part, name in explained.items()},
        }

    def _show(self, answers: list[Answer], words: Words) -> Update:
        """The page at rest."""
        shown = {self.answers: answers, self.past: render_exchanges(answers, words), self.live: "", self.problem: ""}
        return {**shown, **self._show_buttons(answers, busy=False)}

    def _show_buttons(self, answers: list[Answer], *, busy: bool) -> Update:
        usable = gr.update(interactive=bool(answers) and not busy)
        return {
            self.send: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy),
            **dict.fromkeys([self.retry, self.undo, self.clear, self.save], usable),
        }

    def _read_controls(
        self, system: str, length: int, temperature: float, top_p: float, penalty: float, seed: int
    ) -> tuple[str, SamplingSettings]:
        sampling = replace(
            self.sampling,
            max_new_tokens=int(length),
            temperature=float(temperature),
            top_p=float(top_p),
            repetition_penalty=float(penalty),
            seed=int(seed or 0),
        )
        check_sampling(sampling)
        return system, sampling

    def _explain(self, error: Exception, words: Words) -> str:
        """One line for whoever asked; what is our own fault is told in full where the page is served from."""
        if isinstance(error, CareError) and error.code == Exit.LIMIT:
            busy = self.engine.closing or self.engine.load[1] >= self.engine.max_waiting
            return words["busy"] if busy else words["too_long"].format(window=self.engine.bot.window)
        if isinstance(error, CareError):
            return words["broken"].format(error=error)
        LOG.error("no answer came", exc_info=error)
        return words["broken"].format(error=type(error).__name__)


def read_card(engine: Engine) -> str:
    """README.md of what was trained, else of the base model; nothing where neither has one."""
    trained = engine.bot.trained
    for folder in (*reversed(trained.adapters), Path(trained.base)):
        path = folder / CARD
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
