"""The results as one HTML file: no request leaves it, no script runs in it, what records hold is only ever shown."""

import base64
import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from care_train.evaluation.markup import (
    Cell,
    both,
    draw_interval,
    escape,
    fields,
    number,
    quote,
    say,
    table,
    tiles,
)
from care_train.evaluation.measuring import Prediction
from care_train.evaluation.overlap import METRICS
from care_train.evaluation.tables import tell_part
from care_train.notices import NOTICE, NOTICE_ZH

Results = dict[str, Any]
ROLES = ("benchmark", "test", "validation", "train")
LONG, SHORT = 1_500, 300
"""Characters that are shown of a question or an answer, and of an option."""


def build_page(results: Results, predictions: Sequence[list[Prediction]], most: int, notice: bool) -> str:
    """The whole page. predictions: of the first model, and of the second if there is one; most: wrong answers shown."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    chinese = _is_chinese(predictions[0])
    parts = {
        "overview": _show_overview(results),
        "choices": _show_choices(results["choices"]) if "choices" in results else "",
        "answers": _show_answers(results["answers"]) if "answers" in results else "",
        "texts": _show_texts(results["texts"]) if "texts" in results else "",
        "comparison": _show_comparison(results) if "comparison" in results else "",
        "wrong": _show_wrong(predictions, most, results["settings"]["sampling"]["seed"]),
        "unread": _show_unread(predictions[0], most),
        "furthest": _show_furthest(predictions[0], most),
        "how": _show_method(results),
    }
    parts = {key: part for key, part in parts.items() if part}
    contents = "".join(f'<li><a href="#{key}">{say(key)}</a></li>' for key in parts)
    body = "\n".join(f'<section id="{key}"><h2>{say(key)}</h2>\n{part}</section>' for key, part in parts.items())
    switch = (
        f"<fieldset><legend>{say('language_switch')}</legend>"
        f'<input type="radio" name="lang" id="lang-en"{"" if chinese else " checked"}>'
        '<label for="lang-en" lang="en">English</label>'
        f'<input type="radio" name="lang" id="lang-zh"{" checked" if chinese else ""}>'
        '<label for="lang-zh" lang="zh">中文</label></fieldset>'
    )
    warnings = "".join(f'<p class="warning">{text}</p>' for text in _list_warnings(results, notice))
    return f"""<!DOCTYPE html>
<html lang="{"zh" if chinese else "en"}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>care-train eval · 模型评测 · {escape(results["model"]["name"])}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{say("title")}: {escape(results["model"]["name"])}</h1>{switch}</header>
<p class="lead">{say("lead")}</p>
{warnings}
<nav aria-label="Contents · 目录"><ul>{contents}</ul></nav>
<main>
{body}
</main>
<footer><p class="note">{say("made_by")} {escape(results["version"])}</p></footer>
</body>
</html>
"""


def _is_chinese(predictions: list[Prediction]) -> bool:
    """Whether the page opens in Chinese: most of what was asked is."""
    from care_train.evaluation.items import find_language

    texts = [one.get("question") or one.get("opening") or "" for one in predictions]
    return sum(find_language(text) == "zh" for text in texts) * 2 > len(texts)


def _list_warnings(results: Results, notice: bool) -> list[str]:
    warnings = [both((NOTICE, NOTICE_ZH))] if notice else []
    data = results["data"].values()
    if any(one["training_data"] for one in data):
        warnings.append(say("memory"))
    else:
        warnings += [
            say(doubt) for doubt in ("not_stated", "other_release") if any(one["doubt"] == doubt for one in data)
        ]
    return warnings


def _show_overview(results: Results) -> str:
    pairs = []
    if "choices" in results:
        overall = results["choices"]["overall"]
        interval = f"{overall['low']:.1%} – {overall['high']:.1%}"
        pairs += [(f"{say('accuracy')} ({interval})", f"{overall['accuracy']:.1%}")]
        pairs += [(say("items"), f"{overall['items']:,}"), (say("chance"), f"{overall['chance']:.1%}")]
        pairs += [(say("unreadable"), tell_part(overall["unreadable"], overall["items"]))]
    if "answers" in results:
        overall = results["answers"]["overall"]
        pairs += [(say("items"), f"{overall['items']:,}")]
        pairs += [(escape(name), f"{overall[name]['value']:.2f}") for name in METRICS]
    if "texts" in results:
        overall = results["texts"]["overall"]
        names = ("perplexity", "character_perplexity", "bits_per_byte")
        pairs += [(say(name), f"{overall[name]:,.3f}") for name in names]
    return tiles(pairs)


def _show_choices(choices: Results) -> str:
    header = [say(key) for key in ("subject", "items", "correct", "accuracy", "interval")] + [""]
    header += [say(key) for key in ("chance", "unreadable", "too_long")]
    rows = [_tell_count(escape(name), one) for name, one in choices["subjects"].items()]
    rows.append(_tell_count(say("all"), choices["overall"]))
    parts = [_tell_count(say(name), one) for name, one in choices["parts"].items()]
    told = ""
    if "several_answers" in choices["parts"]:
        share = choices["parts"]["several_answers"]["jaccard"]
        interval = f"{share['low']:.1%} – {share['high']:.1%}"
        parts.append([say("jaccard"), None, None, share["value"], interval, draw_interval(**share), None, None, None])
        told = table(header, parts)
    mean = f"<p>{say('mean_of_subjects')}: {choices['mean_of_subjects']:.1%}</p>" if len(rows) > 2 else ""
    return f'{table(header, rows, last=True)}<p class="note">{say("bar")}</p>{mean}{told}'


def _tell_count(name: str, one: Results) -> list[Cell]:
    interval = f"{one['low']:.1%} – {one['high']:.1%}"
    drawn = draw_interval(one["accuracy"], one["low"], one["high"], one["chance"])
    counts = [number(tell_part(one[key], one["items"])) for key in ("unreadable", "too_long")]
    return [name, one["items"], one["correct"], one["accuracy"], interval, drawn, one["chance"], *counts]


def _show_answers(answers: Results) -> str:
    header = [say("subject"), say("items"), *METRICS, say("cut"), say("too_long")]
    lines = [*((escape(name), one) for name, one in answers["subjects"].items()), (say("all"), answers["overall"])]
    rows: list[list[Cell]] = [
        [name, one["items"], *(number(_interval(one[metric])) for metric in METRICS), one["cut"], one["too_long"]]
        for name, one in lines
    ]
    corpus = f"<p>{say('chrf_corpus')}: {answers['overall']['chrf_corpus']:.2f}</p>"
    return table(header, rows, last=True) + corpus


def _show_texts(texts: Results) -> str:
    names = ("perplexity", "character_perplexity", "bits_per_byte")
    header = [say("dataset"), say("records"), say("tokens"), *(say(name) for name in names)]
    lines = [*((escape(name), one) for name, one in texts["subjects"].items()), (say("all"), texts["overall"])]
    rows: list[list[Cell]] = [
        [name, one["items"], one["tokens"], *(number(f"{one[key]:,.4f}") for key in names)] for name, one in lines
    ]
    return table(header, rows, last=True)


def _interval(one: Results) -> str:
    return f"{one['value']:.2f} ({one['low']:.2f} – {one['high']:.2f})"


def _show_comparison(results: Results) -> str:
    compared = results["comparison"]
    sides = [(key, results if key == "model" else results["against"]) for key in ("model", "against")]
    named = [(f"{say(key)}: {escape(side['model']['name'])}", side) for key, side in sides]
    shown = "" if "choices" in compared else f"<p>{' · '.join(name for name, _ in named)}</p>"
    if "choices" in compared:
        header = [say(key) for key in ("model", "items", "correct", "accuracy", "interval")] + [""]
        header += [say(key) for key in ("chance", "unreadable", "too_long")]
        shown += table(header, [_tell_count(name, side["choices"]["overall"]) for name, side in named])
        one = compared["choices"]
        counts = [one[key] for key in ("both", "only_first", "only_second", "neither")]
        header = ["", *(say(key) for key in ("both_right", "only_first", "only_second", "neither"))]
        header += [say("difference"), say("interval"), say("p_mcnemar")]
        apart = one["difference"]
        interval = f"{apart['low']:+.1%} – {apart['high']:+.1%}"
        told = [number(f"{apart['value']:+.1%}"), interval, f"{one['p']:.4g}"]
        shown += table(header, [[say("choices"), *counts, *told]])
    scores = {**compared.get("answers", {}), **compared.get("texts", {})}
    if scores:
        header = [say(key) for key in ("score", "model", "against", "difference", "interval", "p_bootstrap")]
        rows: list[list[Cell]] = []
        for name, one in scores.items():
            apart = one["difference"]
            label = say(name) if name == "nats_per_character" else escape(name)
            numbers = [
                f"{one['first']:.4f}",
                f"{one['second']:.4f}",
                f"{apart['value']:+.4f}",
                f"{apart['low']:+.4f} – {apart['high']:+.4f}",
                f"{one['p']:.4g}",
            ]
            rows.append([label, *numbers])
        shown += table(header, rows)
    return shown


def _show_wrong(predictions: Sequence[list[Prediction]], most: int, seed: int) -> str:
    """Wrong choices, drawn by the seed, in their order; beside each what the second model chose."""
    choices = [one for one in predictions[0] if one["kind"] == "choice"]
    wrong = [one for one in choices if one["reading"] == "read" and not one["correct"]]
    if not choices:
        return ""
    if not wrong:
        return f"<p>{say('none')}</p>"
    places = random.Random(seed).sample(range(len(wrong)), min(most, len(wrong)))  # noqa: S311  nothing secret
    drawn = [wrong[place] for place in sorted(places)]
    others = {(one["dataset"], one["id"]): one for one in predictions[1]} if len(predictions) > 1 else {}
    articles = [_show_choice(one, others.get((one["dataset"], one["id"]))) for one in drawn]
    count = f'<p class="note">{len(drawn):,} {say("shown_of")} {len(wrong):,}</p>'
    return f"<p>{say('wrong_lead')}</p>{count}{''.join(articles)}"


def _show_choice(one: Prediction, other: Prediction | None) -> str:
    chosen = one["chosen"] or []
    marks = {label: "ins" if label in one["right"] else "del" if label in chosen else "span" for label in one["labels"]}
    options = [f"{label}. {text}" for label, text in one["options"]] or one["labels"]
    shown = "".join(
        f'<span class="option">{quote(text, SHORT, kind)}</span>'
        for text, kind in zip(options, marks.values(), strict=True)
    )
    pairs = [(say("question"), quote(one["question"], LONG)), (say("options"), shown)]
    pairs += [(say("right"), escape(", ".join(one["right"]))), (say("chosen"), escape(", ".join(chosen) or "–"))]
    if other:
        pairs.append((say("second_chose"), escape(", ".join(other["chosen"] or ["–"]))))
    if "said" in one:
        pairs.append((say("said"), quote(one["said"], LONG)))
    if one.get("explanation"):
        pairs.append((say("explanation"), quote(one["explanation"], LONG)))
    return _article(one, fields(pairs))


def _show_unread(predictions: list[Prediction], most: int) -> str:
    unread = [one for one in predictions if one["kind"] == "choice" and one["reading"] == "unreadable"]
    if not unread:
        return ""
    count = f'<p class="note">{min(most, len(unread)):,} {say("shown_of")} {len(unread):,}</p>'
    return count + "".join(_show_choice(one, None) for one in unread[:most])


def _show_furthest(predictions: list[Prediction], most: int) -> str:
    answers = sorted((one for one in predictions if one["kind"] == "answer"), key=lambda one: one["scores"]["chrf"])
    articles = []
    for one in answers[:most]:
        scores = " · ".join(f"{name} {value:.2f}" for name, value in one["scores"].items())
        pairs = [(say("question"), quote(one["question"], LONG)), (say("said"), quote(one["said"], LONG))]
        pairs += [(say("reference"), quote(one["answer"], LONG)), (say("scores"), escape(scores))]
        articles.append(_article(one, fields(pairs)))
    count = f'<p class="note">{len(articles):,} {say("shown_of")} {len(answers):,}</p>'
    return count + "".join(articles) if articles else ""


def _article(one: Prediction, inside: str) -> str:
    named = f"<code>{escape(one['id'][:SHORT])}</code> · {escape(one['subject'])}"
    return f'<article><p class="id">{named}</p>{inside}</article>'


def _show_method(results: Results) -> str:
    header = [say("dataset"), say("records"), say("role"), say("left_out"), "sha256"]
    data: list[list[Cell]] = [
        [
            escape(name),
            one["records"],
            say(f"role_{one['role'] if one['role'] in ROLES else 'none'}"),
            escape(", ".join(f"{count:,} {reason}" for reason, count in one["left_out"].items())),
            f"<code>{one['sha256'][:16]}</code>",
        ]
        for name, one in results["data"].items()
    ]
    rows: list[list[Cell]] = []
    for key, model in (("model", results["model"]), ("against", results.get("against", {}).get("model"))):
        if model:
            told = [*map(_shorten, (model["base"], *model["adapters"])), f"template {model['template']}"]
            bits = [f"{model['quantization_bit']} bit"] if model["quantization_bit"] else []
            rows.append([say(key), f"<code>{escape(' · '.join(told + bits))}</code>"])
    settings = {name: value for section in results["settings"].values() for name, value in section.items()}
    rows += [
        [f"<code>{escape(name)}</code>", f"<code>{escape(_shorten(str(value)))}</code>"]
        for name, value in settings.items()
        if value not in (None, "", False)
    ]
    return table(header, data) + table([say("setting"), say("value")], rows)


def _shorten(value: str) -> str:
    """Of a path its last name alone: the page is for others, who need not know the folders of a machine."""
    return Path(value).name if value.startswith(("/", ".", "~")) else value
