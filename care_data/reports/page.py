"""The report as one HTML file: no request leaves it, what data holds is shown and never obeyed, and it stays small."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from care_data.errors import CareError, Exit
from care_data.reports import sections, words
from care_data.reports.differences import find_differences
from care_data.reports.markup import both, escape, fields, fold, mark_pieces, name, quote, say
from care_data.reports.specimens import Drop, Specimens, texts_of
from care_data.reports.texts import Shown, cut, mask, show_unseen

LARGEST = 3_000_000
"""Bytes that the page stays below."""


@dataclass(frozen=True)
class Limits:
    """How much of the records is shown: in characters of a text, and in records of the sample."""

    example: int
    sampled: int
    sample: int


TRIES = (Limits(400, 1_500, 1_000), Limits(300, 500, 1_000), Limits(150, 200, 1_000), Limits(60, 60, 400))
"""From what one would like to what fits whatever the texts are; the first that fits is taken."""

Show = Callable[[str], Shown]
"""A text of a record as it may be shown."""


def build_page(numbers: dict[str, Any], specimens: Specimens) -> str:
    """The whole page, smaller than LARGEST."""
    texts = texts_of(specimens)
    names = any(line["step"] == "names" for line in numbers["changes"])  # where the run hides them, so does the page
    masked = dict(zip(texts, mask(texts, names), strict=True))
    for limits in TRIES:
        page = _build(numbers, specimens, limits, masked.__getitem__)
        if len(page.encode()) < LARGEST:
            return page
    raise CareError("the page grows too large", fix="Name fewer corpora.", code=Exit.LIMIT)


def _build(numbers: dict[str, Any], specimens: Specimens, limits: Limits, shown: Show) -> str:
    folder = Path(__file__).parent
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}"
    policy += "; base-uri 'none'; form-action 'none'"
    parts = {
        "overview": sections.show_overview(numbers),
        "funnel": sections.show_funnel(numbers),
        "reasons": sections.show_reasons(numbers) + _show_drops(numbers, specimens, limits, shown),
        "changes": sections.show_changes(numbers) + _show_changes(specimens, limits, shown),
        "privacy": sections.show_privacy(numbers),
        "lengths": f"<p>{say('lengths_lead')}</p>" + sections.show_lengths(numbers),
        "languages": f"<p>{say('languages_lead')}</p>" + sections.show_languages(numbers),
        "licenses": sections.show_licenses(numbers),
        "duplicates": _show_clusters(numbers, specimens, limits, shown),
        "overlaps": f"<p>{say('overlaps_lead')}</p>" + sections.show_overlaps(numbers),
        "benchmarks": sections.show_benchmarks(numbers),
        "search": _show_search(specimens, limits, shown),
        "warnings": sections.show_warnings(numbers),
    }
    contents = "".join(f'<li><a href="#{key}">{say(key)}</a></li>' for key in parts)
    body = "\n".join(f'<section id="{key}"><h2>{say(key)}</h2>\n{part}</section>' for key, part in parts.items())
    switch = (
        f"<fieldset><legend>{say('language_switch')}</legend>"
        '<input type="radio" name="lang" id="lang-en" checked><label for="lang-en" lang="en">English</label>'
        '<input type="radio" name="lang" id="lang-zh"><label for="lang-zh" lang="zh">中文</label></fieldset>'
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>care-data report · 数据报告</title>
<style>{style}</style>
</head>
<body>
<header><h1>{say("title")}</h1>{switch}</header>
<p class="lead">{say("lead")}</p>
<nav aria-label="Contents · 目录"><ul>{contents}</ul></nav>
<main>
{body}
</main>
<footer><p class="note">{say("made_by")} {escape(numbers["version"])}</p></footer>
<script type="application/json" id="sample">{_island(specimens, limits, shown)}</script>
<script>{script}</script>
</body>
</html>
"""


def _digest(text: str) -> str:
    """How a policy names the one style or script it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _show_drops(numbers: dict[str, Any], specimens: Specimens, limits: Limits, shown: Show) -> str:
    """Examples below the table of reasons, in its order."""
    folded = []
    for line in numbers["reasons"]:
        if drops := specimens.drops.get((line["stage"], line["reason"])):
            head = f"<code>{escape(line['reason'])}</code> · {sections.stage_word(line['stage'])} · {line['records']:,}"
            folded.append(fold(head, "".join(_show_drop(drop, limits, shown) for drop in drops)))
    return f"<h3>{say('examples')}</h3><p>{say('reasons_lead')}</p>{''.join(folded)}" if folded else ""


def _show_drop(drop: Drop, limits: Limits, shown: Show) -> str:
    pairs = [(_label(field), quote(shown(text), limits.example)) for field, text in drop.fields]
    share = drop.notes.get("jaccard", drop.notes.get("share"))
    told = f" · {share:.2f}" if share is not None else ""
    for key in ("keeper", "item"):
        if other := drop.notes.get(key):
            pairs.append((say(key), f"<code>{escape(other[:300])}</code>{told}"))
    pairs += [(f"↳ {_label(field)}", quote(shown(text), limits.example // 2)) for field, text in drop.other]
    return _article(drop.id, fields(pairs))


def _show_changes(specimens: Specimens, limits: Limits, shown: Show) -> str:
    """Examples of what each cleaning step changed, the difference marked."""
    folded = []
    for step, changes in specimens.changes.items():
        articles = []
        for change in changes:
            (before, _), (after, size) = shown(change.before), shown(change.after)
            # What was masked is not shown here either: of such a text only the result is.
            if before == after:
                told = quote(Shown(after, size), limits.example)
            else:
                told = mark_pieces(find_differences(before, after, most=limits.example))
            articles.append(_article(change.id, fields([(_label(change.field), told)])))
        folded.append(fold(name(step, words.STEPS), "".join(articles)))
    return f"<h3>{say('examples')}</h3><p>{say('changes_lead')}</p>{''.join(folded)}" if folded else ""


def _show_clusters(numbers: dict[str, Any], specimens: Specimens, limits: Limits, shown: Show) -> str:
    """Duplicates with their texts, what differs from the record kept marked."""
    told = numbers["duplicates"]
    if not told["run"]:
        return f"<p>{say('absent')}</p>"
    lead = f"<p>{say('duplicates_lead')} {', '.join(map(str, told['thresholds']))}.</p>"
    folded = []
    for cluster in specimens.clusters:
        keeper, articles = cluster.members[0], []
        for member in cluster.members:
            text, kept = (_join([shown(text) for text in each.texts]) for each in (member, keeper))
            share = say("contained") if member.jaccard is None else f"{say('jaccard')} {member.jaccard:.2f}"
            head = say("kept") if member is keeper else share
            most = 2 * limits.example
            if member is keeper or not kept.text:
                marked = quote(text, most)
            else:
                marked = mark_pieces(find_differences(kept.text, text.text, most=most))
            articles.append(_article(member.id, f"<p>{head}</p>{marked}"))
        summary = f"{cluster.size:,} {say('cluster')} · <code>{escape(keeper.id[:200])}</code>"
        folded.append(fold(summary, "".join(articles)))
    return lead + ("".join(folded) or f"<p>{say('none')}</p>")


def _show_search(specimens: Specimens, limits: Limits, shown: Show) -> str:
    outputs = list(dict.fromkeys(output for output, _, _ in specimens.sample[: limits.sample]))
    choices = "".join(f'<option value="{number}">{escape(output)}</option>' for number, output in enumerate(outputs))
    size = min(len(specimens.sample), limits.sample)
    return (
        f"<p>{say('search_lead')}</p>"
        f'<div class="form"><div><label for="query">{say("query")}</label><input type="search" id="query"></div>'
        f'<div><label for="output">{say("output")}</label>'
        f'<select id="output"><option value="">* ({len(outputs)})</option>{choices}</select></div></div>'
        f'<p class="note" id="needs-script">{say("needs_script")}</p>'
        f'<p class="note" aria-live="polite"><span id="matches">0</span> {say("matches")} {size:,}. '
        f'<span id="first" hidden>{say("shown_first")}</span></p><div id="results"></div>'
    )


def _island(specimens: Specimens, limits: Limits, shown: Show) -> str:
    """The sample as JSON that nothing in it can end: no < is left as it is."""
    sample = specimens.sample[: limits.sample]
    outputs = {output: number for number, output in enumerate(dict.fromkeys(output for output, _, _ in sample))}
    records = []
    for output, identity, pairs in sample:
        texts = [(show_unseen(field[:60]), *_name_unseen(cut(shown(text), limits.sampled))) for field, text in pairs]
        told = [[field, text, size] if size else [field, text] for field, text, size in texts]
        records.append([outputs[output], show_unseen(identity[:300]), told])
    told_all = {"outputs": list(map(show_unseen, outputs)), "names": words.FIELDS, "records": records}
    told_json = json.dumps(told_all, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return told_json.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _name_unseen(shown: Shown) -> Shown:
    return Shown(show_unseen(shown.text), shown.size)


def _join(texts: list[Shown]) -> Shown:
    """The texts of a record, one below the other."""
    return Shown("\n".join(text for text, _ in texts), sum(size for _, size in texts) + max(len(texts) - 1, 0))


def _article(identity: str, inside: str) -> str:
    return f'<article><p class="id"><code>{escape(identity[:300])}</code></p>{inside}</article>'


def _label(field: str) -> str:
    """A field's name; of a row that became no record it is upstream's own."""
    return both(words.FIELDS[field]) if field in words.FIELDS else f"<code>{escape(field[:60])}</code>" if field else ""
