"""Items to what a model is asked and what a right answer looks like, in the language of the item."""

from itertools import combinations

from care_train.errors import CareError, Exit
from care_train.evaluation.items import Item

MOST_OPTIONS = 8
"""With more options there are too many sets of them to weigh each."""

WORDS = {
    "zh": {
        "one": "以下是一道单项选择题，只有一个选项正确。请只回答该选项的字母。",
        "two": "以下是一道多项选择题，有两个或更多选项正确。请只回答所有正确选项的字母，按字母顺序连写。",
        "any": "以下是一道选择题，有一个或更多选项正确。请只回答所有正确选项的字母，按字母顺序连写。",
        "text": "以下是一道单项选择题，只有一个选项正确。请只写出该选项的内容。",
        "words": "请只回答以下之一：{}。",
        "or": "、",
    },
    "en": {
        "one": "The following question has one correct option. Answer with its letter only.",
        "two": "The following question has two or more correct options. Answer with all their letters only, in order.",
        "any": "The following question has one or more correct options. Answer with all their letters only, in order.",
        "text": "The following question has one correct option. Answer with its text only.",
        "words": "Answer with one of these only: {}.",
        "or": ", ",
    },
}


def write_question(item: Item, *, score: str = "label", several: str = "stated") -> str:
    """The question as the model is asked it: what kind it is, the question, its options."""
    words = WORDS[item.language]
    if not item.options:
        return item.question
    if not item.listed:
        return f"{item.question}\n{words['words'].format(words['or'].join(item.labels))}"
    kind = ("any" if several == "open" else "two") if item.several else "text" if score == "text" else "one"
    options = "\n".join(f"{label}. {text}" for label, text in item.options)
    return f"{words[kind]}\n{item.question}\n{options}"


def write_choice(item: Item, labels: tuple[str, ...], *, score: str = "label") -> str:
    """The answer that names these labels; with score text, the text of the only one."""
    if not item.options:
        return item.answer
    if score == "text" and not item.several:
        return dict(item.options)[labels[0]]
    return ("" if all(len(label) == 1 for label in item.labels) else ", ").join(labels)


def list_choices(item: Item, several: str = "stated") -> list[tuple[str, ...]]:
    """Every answer that an item allows: each option, or where several may be right each set of them.

    stated: sets of two and more, as the item says that several are right. open: of one and more.
    """
    if not item.several:
        return [(label,) for label in item.labels]
    if len(item.labels) > MOST_OPTIONS:
        what = f"{len(item.labels)} options make {2 ** len(item.labels):,} sets"
        raise CareError(what, where=item.id, fix="Use --by generation.", code=Exit.LIMIT)
    smallest = 1 if several == "open" else 2
    sizes = range(smallest, len(item.labels) + 1)
    return [chosen for size in sizes for chosen in combinations(item.labels, size)]
