"""The parts of the page that show numbers: markup made of what statistics.py gathered."""

from typing import Any

from care_data.reports import charts, words
from care_data.reports.charts import draw_bar, draw_figure, draw_histogram
from care_data.reports.funnels import COLUMNS
from care_data.reports.markup import Cell, both, escape, name, say, table

Numbers = dict[str, Any]

CHARTS = 120
"""Histograms at most; the numbers of the others are in the table."""


def stage_word(stage: str) -> str:
    """A stage's name; cleaning is called otherwise than what is left after it."""
    return say("clean_stage" if stage == "clean" else stage)


def show_overview(numbers: Numbers) -> str:
    """The figures first asked for, and how far each stage has come."""
    total = numbers["total"]
    end = total[list(total)[-1]]["records"] if total else 0
    read = total["read"]["records"] if total else 0
    dropped = sum(counts["dropped"] for counts in total.values())
    duplicates = sum(numbers["duplicates"]["reasons"].values())
    leaks = sum(line["found"] for line in numbers["benchmarks"]["checked"])
    masked = sum(line["values"] for line in numbers["privacy"])
    tiles = [
        ("corpora", f"{len(numbers['corpora']):,}"),
        ("read", f"{read:,}"),
        (list(total)[-1] if total else "written", f"{end:,}"),
        ("kept_share", f"{1 - dropped / read:.1%}" if read else "–"),
        ("duplicates_gone", f"{duplicates:,}" if _done(numbers, "dedupe") else "–"),
        ("leaks_gone", f"{leaks:,}" if _done(numbers, "decontaminate") else "–"),
        ("masked", f"{masked:,}" if _done(numbers, "clean") else "–"),
    ]
    shown = "".join(f"<div><dt>{say(key)}</dt><dd>{value}</dd></div>" for key, value in tiles)
    rows: list[list[Cell]] = [
        [stage_word(line["stage"]), line["done"], _list(line["missing"]), _list(line["stale"])]
        for line in numbers["stages"]
    ]
    header = [say("stage"), say("done_for"), say("not_yet"), say("stale")]
    release = (
        f"{say('release_told')} <code>{escape(numbers['release'])}</code>." if numbers["release"] else say("no_release")
    )
    return f'<dl class="tiles">{shown}</dl>{table(header, rows)}<p class="note">{release}</p>'


def show_funnel(numbers: Numbers) -> str:
    """The funnel of all, and the counts of each output."""
    total = numbers["total"]
    drawing, height = charts.draw_funnel([(charts.svg_words(column), counts) for column, counts in total.items()])
    header = [say("output"), say("kind"), *(say(column) for column in COLUMNS), say("dropped")]
    rows: list[list[Cell]] = []
    for line in numbers["funnel"]:
        kind = f"{line['format']} · {say('benchmark' if line['role'] == 'benchmark' else 'training')}"
        gone = sum(count for reasons in line["dropped"].values() for count in reasons.values())
        rows.append([_output(line), kind, *(line[column] for column in COLUMNS), gone])
    gone = sum(counts["dropped"] for counts in total.values())
    rows.append([say("all"), "", *(total.get(column, {}).get("records") for column in COLUMNS), gone])
    figure = draw_figure(1, say("chart_funnel"), drawing, charts.WIDTH, height)
    return f'{figure}{table(header, rows, last=True)}<p class="note">{say("passed")}</p>'


def show_reasons(numbers: Numbers) -> str:
    """Why records went, the commonest reason first."""
    reasons = numbers["reasons"]
    if not reasons:
        return f"<p>{say('none')}</p>"
    total = sum(line["records"] for line in reasons)
    rows: list[list[Cell]] = [
        [
            f"<code>{escape(line['reason'])}</code>",
            stage_word(line["stage"]),
            describe_reason(line["reason"]),
            line["records"],
            line["records"] / total,
            draw_bar(line["records"] / reasons[0]["records"]),
        ]
        for line in reasons
    ]
    rows.append([say("all"), "", "", total, 1.0, ""])
    header = [say("reason"), say("stage"), say("meaning"), say("records"), say("share"), ""]
    return table(header, rows, last=True)


def describe_reason(reason: str) -> str:
    """What a reason means, empty where its name says all there is to say."""
    if reason in words.REASONS:
        return both(words.REASONS[reason])
    kind, _, other = reason.partition("_")
    joined = {
        "in": (f"stands in the joined rows of {other}", f"见于所连接的 {other}"),
        "no": (f"has no joined row of {other}", f"没有可连接的 {other}"),
    }
    return both(joined[kind]) if kind in joined and other else ""


def show_changes(numbers: Numbers) -> str:
    """How many records each cleaning step changed."""
    return _named(numbers["changes"], "step", "records", words.STEPS, "records_changed", bool(_done(numbers, "clean")))


def show_privacy(numbers: Numbers) -> str:
    """How many values of each type were masked, and in which corpora."""
    told = _named(numbers["privacy"], "type", "values", words.PRIVATE, "values", bool(_done(numbers, "clean")))
    return f"<p>{say('privacy_lead')}</p>{told}"


def _named(
    lines: list[Numbers], key: str, unit: str, known: dict[str, tuple[str, str]], header: str, done: bool
) -> str:
    if not lines:
        return f"<p>{say('none' if done else 'absent')}</p>"
    most = max(line[unit] for line in lines) or 1
    rows: list[list[Cell]] = [
        [
            name(line[key], known),
            line[unit],
            draw_bar(line[unit] / most),
            _list([c for c, n in line["corpora"].items() if n]),
        ]
        for line in lines
        if line[unit]
    ]
    return table([say(key), say(header), "", say("where")], rows)


def show_lengths(numbers: Numbers) -> str:
    """A histogram for each text of each output, and their quantiles."""
    lengths = numbers["lengths"]
    if not lengths:
        return f"<p>{say('absent')}</p>"
    columns = max(len(line["bins"]) for line in lengths)
    figures = []
    for number, line in enumerate(lengths[:CHARTS], start=100):
        drawing, width, height = draw_histogram(line["bins"], columns)
        caption = f"{_output(line)} · {both(words.FIELDS[line['field']])} · {say('median')} {line['median']:,}"
        figures.append(draw_figure(number, caption, drawing, width, height))
    rows: list[list[Cell]] = [
        [
            _output(line),
            both(words.FIELDS[line["field"]]),
            *(line[key] for key in ("records", "min", "median", "p95", "max")),
        ]
        for line in lengths
    ]
    header = [say("output"), say("field"), say("records"), "min", say("median"), say("p95"), say("max")]
    return f'<div class="charts">{"".join(figures)}</div><h3>{say("all")}</h3>{table(header, rows)}'


def show_languages(numbers: Numbers) -> str:
    """Records by language."""
    lines = numbers["languages"]
    total = sum(line["records"] for line in lines) or 1
    rows: list[list[Cell]] = [
        [
            name(line["language"], words.LANGUAGES),
            line["records"],
            line["records"] / total,
            draw_bar(line["records"] / total),
            line["outputs"],
        ]
        for line in lines
    ]
    return table([say("language"), say("records"), say("share"), "", say("outputs")], rows)


def show_licenses(numbers: Numbers) -> str:
    """Records by licence and terms, and whether a cleaned copy may be published."""
    may = {True: "yes", False: "no", None: "unknown"}
    rows: list[list[Cell]] = [
        [
            f"<code>{escape(line['license'])}</code>",
            say(line["use"]),
            say(may[line["redistribute"]]),
            line["records"],
            escape(line["terms"]),
            _list(list(line["corpora"])),
        ]
        for line in numbers["licenses"]
    ]
    return table([say("license"), say("use"), say("redistribute"), say("records"), say("terms"), say("corpora")], rows)


def show_overlaps(numbers: Numbers, most: int = 40) -> str:
    """Which share of a corpus is in which other: a table, the darker the more."""
    told, reads = numbers["duplicates"]["overlaps"], numbers["duplicates"]["reads"]
    if not numbers["duplicates"]["run"]:
        return f"<p>{say('absent')}</p>"
    if not told:
        return f"<p>{say('none')}</p>"
    weight = {corpus: max(line.values()) for corpus, line in told.items()}
    lines = sorted(sorted(weight, key=lambda corpus: (-weight[corpus], corpus))[:most])
    seen = {other for corpus in lines for other in told[corpus]}
    columns = sorted(sorted(seen, key=lambda corpus: (-weight.get(corpus, 0), corpus))[:most])
    head = "".join(f'<th scope="col">{escape(other)}</th>' for other in columns)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(corpus)}</th>'
        + "".join(_heat(told[corpus].get(other, 0), reads[corpus]) for other in columns)
        + "</tr>"
        for corpus in lines
    )
    more = len(told) - len(lines)
    note = f'<p class="note">{more:,} {say("left_out")}</p>' if more else ""
    corner = f"<td>{say('corpus')}</td>"
    heading = f"<thead><tr>{corner}{head}</tr></thead>"
    return f'<div class="wide"><table class="matrix">{heading}<tbody>{rows}</tbody></table></div>{note}'


def _heat(count: int, reads: int) -> str:
    if not count:
        return "<td></td>"
    share = count / reads if reads else 0.0
    shade = 1 + sum(share >= edge for edge in (0.1, 0.3, 0.6))
    return f'<td class="h{shade}" title="{count:,} / {reads:,}">{share:.1%}</td>'


def show_benchmarks(numbers: Numbers) -> str:
    """The benchmarks looked for and what was found of each; those that were not at hand."""
    told = numbers["benchmarks"]
    if not told["run"]:
        return f"<p>{say('absent')}</p>"
    rows: list[list[Cell]] = [
        [f"<code>{escape(line['benchmark'])}</code>", line["corpora"], line["found"], _list(list(line["in"]))]
        for line in told["checked"]
    ]
    shown = table([say("benchmark"), say("checked_for"), say("found"), say("where")], rows)
    if told["missing"]:
        shown += f"<p>{say('missing')} {_list(told['missing'])}</p>"
    return shown


def show_warnings(numbers: Numbers) -> str:
    """What the stages warned of."""
    rows: list[list[Cell]] = [
        [f"<code>{escape(line['corpus'])}</code>", stage_word(line["stage"]), escape(line["text"])]
        for line in numbers["warnings"]
    ]
    return table([say("corpus"), say("stage"), ""], rows) if rows else f"<p>{say('none')}</p>"


def _done(numbers: Numbers, stage: str) -> int:
    return sum(line["done"] for line in numbers["stages"] if line["stage"] == stage)


def _output(line: Numbers) -> str:
    return f"<code>{escape(line['corpus'])}/<wbr>{escape(line['output'])}</code>"


def _list(names: list[str], most: int = 12) -> str:
    """Names, the first of them where they are many; a dash for none."""
    shown = ", ".join(f"<code>{escape(each)}</code>" for each in names[:most])
    return shown + (f" +{len(names) - most:,}" if len(names) > most else "" if names else "–")
