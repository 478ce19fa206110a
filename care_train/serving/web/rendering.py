"""Conversations and cards as HTML that holds no markup but its own: whatever people or models write is text in it."""

from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from care_train.generation import Chatbot
from care_train.serving.chat import Answer
from care_train.serving.web.texts import Words

PLAIN = {"html": False, "linkify": False}
# Addresses that a model names are often invented, so its links stay text, and pictures would be fetched from elsewhere.
ANSWERS = MarkdownIt("js-default", {**PLAIN, "breaks": True}).disable(
    ["image", "link", "autolink", "reference", "entity", "escape"]
)
CARDS = MarkdownIt("js-default", PLAIN)
CARDS.validateLink = lambda url: True  # type: ignore[method-assign]  # judged in _open_link
CARDS.add_render_rule("image", lambda *_: "")
CARDS.add_render_rule("link_open", lambda _, tokens, at, *__: _open_link(str(tokens[at].attrs["href"])))
DOTS = '<span class="dots"><i></i><i></i><i></i></span>'


def render_answer(text: str) -> str:
    """An answer's Markdown (lists, tables, emphasis, code) as HTML; links, pictures, HTML and formulas stay text."""
    return str(ANSWERS.render(text))


def render_exchange(answer: Answer, words: Words, *, growing: bool = False) -> str:
    """A question with its answer and what it took; three dots at the end of one that is being written."""
    body = render_answer(answer.answer) + (DOTS if growing else "")
    note = "" if growing else _render_note(answer, words)
    return (
        f'<article class="exchange" lang="{words["tag"]}">'
        f'<div class="ask"><span class="who">{words["asked"]}</span>{escape(answer.question)}</div>'
        f'<div class="reply"><span class="who">{words["answered"]}</span>'
        f'<div class="text">{body}</div></div>{note}</article>'
    )


def render_exchanges(answers: list[Answer], words: Words) -> str:
    """A conversation, or an invitation where nothing was said."""
    if not answers:
        return f'<p class="welcome" lang="{words["tag"]}">{words["welcome"]}</p>'
    return "".join(render_exchange(answer, words) for answer in answers)


def render_problem(line: str, words: Words) -> str:
    """One line that says why there is no answer."""
    return f'<p class="problem" role="alert" lang="{words["tag"]}">{escape(line)}</p>'


def render_head(bot: Chatbot, words: Words, *, notice: bool) -> str:
    """The model's name, and the notice."""
    shown = f'<p class="notice">{words["notice"]}</p>' if notice else ""
    return f'<header lang="{words["tag"]}"><h1>{escape(bot.name)}</h1>{shown}</header>'


def render_card(bot: Chatbot, card: str, words: Words) -> str:
    """What the model is made of, and its README.md without the front matter."""
    trained = bot.trained
    facts = {
        words["base"]: Path(trained.base).resolve().name if Path(trained.base).exists() else trained.base,
        words["adapters"]: ", ".join(folder.name for folder in trained.adapters),
        words["template"]: bot.template.name,
        words["bits"]: words["bits_of"].format(bits=trained.bits) if trained.bits else "",
        words["window"]: words["tokens_of"].format(tokens=bot.window),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items() if fact)
    body = CARDS.render(_drop_front_matter(card)) if card.strip() else f"<p>{words['no_card']}</p>"
    return f'<div class="card" lang="{words["tag"]}"><dl>{rows}</dl>{body}</div>'


def _render_note(answer: Answer, words: Words) -> str:
    parts = [words["tokens"].format(tokens=answer.tokens, seconds=answer.seconds)]
    if answer.finish == "cancelled":
        parts.append(words["cancelled"])
    if answer.finish == "length":
        parts.append(words["length_reached"])
    if answer.left_out:
        parts.append(words["left_out"].format(left_out=answer.left_out))
    copy = f'<button type="button" class="copy">{words["copy"]}</button>'
    return f'<div class="note">{" · ".join(parts)}{copy}</div>'


def _open_link(url: str) -> str:
    """The tag of a link to the web; of any other, one that leads nowhere."""
    if not url.startswith(("https://", "http://")):
        return "<a>"
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">'


def _drop_front_matter(card: str) -> str:
    if not card.startswith("---\n"):
        return card
    _, end, body = card[4:].partition("\n---\n")
    return body if end else card
