"""A model's predictions: for choices an option, for questions an answer with its scores, for texts their surprise.

A prediction is a dictionary, as it stands in predictions.jsonl, with all that a reader needs to judge it.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from care_train.config import SamplingSettings
from care_train.config.evaluation import ChoiceSettings, EvalSettings
from care_train.errors import CareError, Exit
from care_train.evaluation.items import Item
from care_train.evaluation.likelihood import Task, weigh_answers
from care_train.evaluation.overlap import score_answer
from care_train.evaluation.perplexity import LARGEST, measure_texts
from care_train.evaluation.prompts import list_choices, write_choice, write_question
from care_train.evaluation.readings import read_choice
from care_train.evaluation.splits import Split
from care_train.generation import Chatbot, Engine, Request, Talk, fit_prompt
from care_train.tokens import Conversation, encode_answers, encode_ending

Prediction = dict[str, Any]
Tick = Callable[[int, int], None]
"""Told how many records and tokens were dealt with."""


@dataclass(frozen=True)
class Asked:
    """An item as the model is asked it. ids: None where the question alone is longer than the model takes."""

    item: Item
    ids: list[int] | None
    shots: int


@dataclass(frozen=True)
class Written:
    """What the model wrote. finish: stop, or length where max_new_tokens cut it."""

    said: str
    finish: str
    tokens: int


def measure_split(bot: Chatbot, split: Split, settings: EvalSettings, tick: Tick) -> list[Prediction]:
    """Predictions for every record of the split, in its order."""
    if split.texts:
        return _measure_texts(bot, split, settings, tick)
    choosing = [item for item in split.items if item.options]
    free = [item for item in split.items if not item.options]
    measure = _choose_by_likelihood if settings.choice.by == "likelihood" else _choose_by_generation
    found = measure(bot, ask(bot, choosing, split.pool, settings), settings, tick) if choosing else []
    if free:
        found += _answer(bot, ask(bot, free, split.pool, settings), settings, tick)
    order = {item.id: place for place, item in enumerate(split.items)}
    return sorted(found, key=lambda one: order[one["id"]])


def ask(bot: Chatbot, items: list[Item], pool: Sequence[Item], settings: EvalSettings) -> list[Asked]:
    """The prompts of items, with solved ones before them; of these the first go where not all fit."""
    choice = settings.choice
    room = find_room(items, settings)
    order = sorted(pool, key=lambda one: one.id)
    random.Random(settings.sampling.seed).shuffle(order)  # noqa: S311  nothing secret
    asked = []
    for item in items:
        shown = pick_shots(item, order, settings.items.shots)
        told = [
            (
                write_question(one, score=choice.score, several=choice.several),
                write_choice(one, one.right, score=choice.score),
            )
            for one in shown
        ]
        question = write_question(item, score=choice.score, several=choice.several)
        try:
            prompt = fit_prompt(bot, Talk(item.system, [*told, *item.history], question), room)
        except CareError as error:
            if error.code != Exit.LIMIT:
                raise
            asked.append(Asked(item, None, 0))
            continue
        asked.append(Asked(item, prompt.ids, max(0, len(shown) - prompt.left_out)))
    return asked


def find_room(items: list[Item], settings: EvalSettings) -> int:
    """Tokens to keep free behind the prompts: for what is written, or for the longest answer that is weighed."""
    if settings.choice.by == "generation" or not items[0].options:
        return settings.sampling.max_new_tokens
    written = [text if settings.choice.score == "text" else label for item in items for label, text in item.options]
    return 16 + 3 * max(map(len, written))  # no character takes more than three tokens but rare ones


def pick_shots(item: Item, order: Sequence[Item], count: int) -> list[Item]:
    """The first so many items of `order` that are not the item itself and are answered like it."""
    shown: list[Item] = []
    for one in order:
        if len(shown) == count:
            break
        if one.id != item.id and one.question != item.question and bool(one.options) == bool(item.options):
            shown.append(one)
    if len(shown) < count:
        what = f"{len(shown)} solved items to show before {item.id}, not {count}"
        raise CareError(what, where=item.dataset, fix="Lower --shots, or name more with --shots_from.")
    return shown


def _choose_by_likelihood(bot: Chatbot, asked: list[Asked], settings: EvalSettings, tick: Tick) -> list[Prediction]:
    choice = settings.choice
    choices = [list_choices(one.item, choice.several) for one in asked]
    texts = [
        [write_choice(one.item, chosen, score=choice.score) for chosen in each]
        for one, each in zip(asked, choices, strict=True)
    ]
    encoded = encode_choices(bot, texts)
    tasks = [Task(one.ids or [], ids) for one, ids in zip(asked, encoded, strict=True) if one.ids]
    sums = iter(weigh_answers(bot.model, tasks, settings.report.batch_size, tick))
    predictions = []
    for one, each, written, ids in zip(asked, choices, texts, encoded, strict=True):
        if one.ids is None:
            predictions.append(_tell_choice(one, None, "too_long"))
            continue
        sizes = [find_size(text, len(tokens), one.item, choice) for text, tokens in zip(written, ids, strict=True)]
        values = [value / size for value, size in zip(next(sums), sizes, strict=True)]
        best = max(range(len(values)), key=lambda place: values[place])  # of equals the first
        scores = {write_choice(one.item, chosen): round(value, 6) for chosen, value in zip(each, values, strict=True)}
        predictions.append({**_tell_choice(one, each[best], "read"), "scores": scores})
    return predictions


def find_size(text: str, tokens: int, item: Item, choice: ChoiceSettings) -> int:
    """What a logarithm is divided by; 1 for sets, which are weighed whole."""
    return 1 if item.several else {"none": 1, "token": tokens, "character": len(text)}[choice.normalise]


def encode_choices(bot: Chatbot, texts: list[list[str]]) -> list[list[list[int]]]:
    """Token ids of the answers to choose from, for each item.

    What follows an answer's words is not weighed, but where one answer is the beginning of another (A of AB, 1 of 10):
    there the first token of the answer's end is, so that a model says where it stops.
    """
    distinct = list(dict.fromkeys(text for each in texts for text in each))
    talks = [Conversation(bot.system, [("？", text)], "eval") for text in distinct]
    whole = [list(map(int, ids)) for ids in encode_answers(bot.tokenizer, bot.template, talks, distinct)]
    ending = list(map(int, encode_ending(bot.tokenizer, bot.template)))
    size = len(ending)
    bare = {
        text: tuple(ids[:-size] if size and ids[-size:] == ending and len(ids) > size else ids)
        for text, ids in zip(distinct, whole, strict=True)
    }
    encoded = []
    for each in texts:
        ids = [bare[text] for text in each]
        begun = {one[:end] for one in ids for end in range(1, len(one))}
        end = tuple(ending[:1]) if begun.intersection(ids) else ()
        encoded.append([[*one, *end] for one in ids])
    return encoded


def _choose_by_generation(bot: Chatbot, asked: list[Asked], settings: EvalSettings, tick: Tick) -> list[Prediction]:
    predictions = []
    for one, written in zip(asked, write_answers(bot, asked, settings, tick), strict=True):
        if written is None:
            predictions.append(_tell_choice(one, None, "too_long"))
            continue
        chosen = read_choice(written.said, one.item)
        told = _tell_choice(one, chosen, "unreadable" if chosen is None else "read")
        predictions.append({**told, **asdict(written)})
    return predictions


def _answer(bot: Chatbot, asked: list[Asked], settings: EvalSettings, tick: Tick) -> list[Prediction]:
    predictions = []
    for one, written in zip(asked, write_answers(bot, asked, settings, tick), strict=True):
        said = written or Written("", "too_long", 0)
        scores = score_answer(said.said.strip(), one.item.answer.strip())
        predictions.append({**_tell(one, "answer"), "answer": one.item.answer, **asdict(said), "scores": scores})
    return predictions


def write_answers(bot: Chatbot, asked: list[Asked], settings: EvalSettings, tick: Tick) -> list[Written | None]:
    """The answer to each prompt, many at a time; None where there is no prompt."""
    sampling: SamplingSettings = settings.sampling
    waiting = [one.ids for one in asked if one.ids is not None]
    engine = Engine(bot, max_batch=settings.report.batch_size, max_waiting=len(waiting) + 1)
    try:
        generations = iter(engine.submit_all([Request(ids, sampling) for ids in waiting]))
        written: list[Written | None] = []
        for one in asked:
            if one.ids is None:
                written.append(None)
                continue
            generation = next(generations)
            said = "".join(piece.text for piece in generation)
            written.append(Written(said, str(generation.finish), generation.completion_tokens))
            tick(1, generation.completion_tokens)
        return written
    finally:
        engine.close(finish=False)


def _measure_texts(bot: Chatbot, split: Split, settings: EvalSettings, tick: Tick) -> list[Prediction]:
    window = settings.choice.window or min(LARGEST, bot.window)
    if window > bot.window:
        raise CareError(f"--window {window:,}", fix=f"The model takes {bot.window:,} tokens.", code=Exit.USAGE)
    costs = measure_texts(
        bot.model,
        bot.tokenizer,
        split.texts,
        window=window,
        overlap=settings.choice.overlap,
        batch_size=settings.report.batch_size,
        tick=tick,
    )
    return [
        {"id": f"{split.name}#{number}", "dataset": split.name, "kind": "text", "opening": text[:80], **asdict(cost)}
        for number, (text, cost) in enumerate(zip(split.texts, costs, strict=True), 1)
    ]


def _tell(one: Asked, kind: str) -> Prediction:
    item = one.item
    told: Prediction = {
        "id": item.id,
        "dataset": item.dataset,
        "subject": item.subject,
        "kind": kind,
        "question": item.question,
    }
    told |= {"history": [list(turn) for turn in item.history]} if item.history else {}
    return {**told, "shots": one.shots}


def _tell_choice(one: Asked, chosen: tuple[str, ...] | None, reading: str) -> Prediction:
    """A prediction of an option. jaccard: the share that right and chosen options have in common of both."""
    item = one.item
    right, taken = set(item.right), set(chosen or ())
    return {
        **_tell(one, "choice"),
        "options": [list(option) for option in item.options] if item.listed else [],
        "labels": list(item.labels),
        "several": item.several,
        "right": list(item.right),
        "explanation": item.explanation,
        "reading": reading,
        "chosen": None if chosen is None else list(chosen),
        "correct": right == taken,
        "jaccard": len(right & taken) / len(right | taken),
    }
