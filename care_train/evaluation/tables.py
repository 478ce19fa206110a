"""The results as lines for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from care_train.evaluation.overlap import METRICS

Results = dict[str, Any]
COUNTED = ("choices", "items", "right", "accuracy", "95 % interval", "chance", "unreadable", "too long")


def show_results(results: Results) -> Iterator[str]:
    """Tables of what there is, line by line."""
    if "choices" in results:
        yield from _show_choices(results["choices"])
    if "answers" in results:
        yield from _show_answers(results["answers"])
    if "texts" in results:
        yield from _show_texts(results["texts"])
    if "comparison" in results:
        yield from _show_comparison(results)
    if any(one["training_data"] for one in results["data"].values()):
        yield "Measured on training data: this is what the model remembers, not what it can do."


def _show_choices(choices: Results) -> Iterator[str]:
    lines = [*choices["subjects"].items(), ("all", choices["overall"])]
    parts = choices["parts"]
    if "several_answers" in parts:
        lines += [(f"  {name.replace('_', ' ')}", one) for name, one in parts.items()]
    rows = [_tell(name, one) for name, one in lines]
    if "several_answers" in parts:
        share = parts["several_answers"]["jaccard"]
        interval = f"{share['low']:.1%} – {share['high']:.1%}"
        rows.append(("    in part (Jaccard)", "", "", f"{share['value']:.1%}", interval, "", "", ""))
    yield from format_table(COUNTED, rows)
    if len(choices["subjects"]) > 1:
        yield f"mean of subjects {choices['mean_of_subjects']:.1%}"
    yield ""


def _tell(name: str, one: Results) -> tuple[str, ...]:
    shares = (f"{one['accuracy']:.1%}", f"{one['low']:.1%} – {one['high']:.1%}", f"{one['chance']:.1%}")
    unread = (tell_part(one[key], one["items"]) for key in ("unreadable", "too_long"))
    return name, f"{one['items']:,}", f"{one['correct']:,}", *shares, *unread


def tell_part(count: int, total: int) -> str:
    """A count with its share, a bare 0 for none."""
    return f"{count:,} ({count / total:.1%})" if count else "0"


def _show_answers(answers: Results) -> Iterator[str]:
    lines = [*answers["subjects"].items(), ("all", answers["overall"])]
    rows = [
        (name, f"{one['items']:,}", *(f"{one[metric]['value']:.2f}" for metric in METRICS), f"{one['cut']:,}")
        for name, one in lines
    ]
    overall = answers["overall"]
    halves = (f"{overall[metric]['low']:.2f} – {overall[metric]['high']:.2f}" for metric in METRICS)
    rows.append(("  95 % interval", "", *halves, ""))
    yield from format_table(("answers", "items", *METRICS, "cut off"), rows)
    yield f"chrF of all answers as one {overall['chrf_corpus']:.2f}"
    yield ""


def _show_texts(texts: Results) -> Iterator[str]:
    header = ("perplexity", "texts", "tokens", "per token", "per character", "bits per byte")
    rows = [
        (
            name,
            f"{one['items']:,}",
            f"{one['tokens']:,}",
            f"{one['perplexity']:,.4f}",
            f"{one['character_perplexity']:,.4f}",
            f"{one['bits_per_byte']:,.4f}",
        )
        for name, one in [*texts["subjects"].items(), ("all", texts["overall"])]
    ]
    yield from format_table(header, rows)
    yield ""


def _show_comparison(results: Results) -> Iterator[str]:
    compared = results["comparison"]
    yield f"{results['model']['name']} against {results['against']['model']['name']}"
    if "choices" in compared:
        both = ((side["model"]["name"], side["choices"]["overall"]) for side in (results, results["against"]))
        yield from format_table(COUNTED, [_tell(name, one) for name, one in both])
        yield ""
        one = compared["choices"]
        apart = one["difference"]
        counts = [f"{one[key]:,}" for key in ("both", "only_first", "only_second", "neither")]
        told = [f"{apart['value']:+.1%}", f"{apart['low']:+.1%} – {apart['high']:+.1%}", f"{one['p']:.4g}"]
        header = ("", "both right", "only first", "only second", "neither", "difference", "95 % interval", "p McNemar")
        yield from format_table(header, [("choices", *counts, *told)])
    scores = {**compared.get("answers", {}), **compared.get("texts", {})}
    if scores:
        rows = []
        for name, one in scores.items():
            apart = one["difference"]
            interval = f"{apart['low']:+.4f} – {apart['high']:+.4f}"
            means = (f"{one['first']:.4f}", f"{one['second']:.4f}")
            rows.append((name.replace("_", " "), *means, f"{apart['value']:+.4f}", interval, f"{one['p']:.4g}"))
        yield from format_table(("score", "first", "second", "difference", "95 % interval", "p bootstrap"), rows)
    yield ""


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned lines: the first column to the left, the others to the right, Chinese as wide as a terminal shows it."""
    from rich.cells import cell_len

    lines = [header, *rows]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(header))]
    for line in lines:
        padded = [" " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True)]
        cells = [f"{line[0]}{padded[0]}", *(f"{space}{text}" for text, space in zip(line[1:], padded[1:], strict=True))]
        yield "  ".join(cells).rstrip()
