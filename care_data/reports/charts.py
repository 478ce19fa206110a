"""Drawings as inline SVG: bars and histograms, coloured by the page's style, named by their captions."""

from collections.abc import Sequence

from care_data.reports.markup import say

WIDTH = 720


def draw_figure(number: int, caption: str, drawing: str, width: int, height: int) -> str:
    """A drawing with its caption, which is its name for who cannot see it."""
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="figure-{number}">{drawing}</svg>'
        f'<figcaption id="figure-{number}">{caption}</figcaption></figure>'
    )


def draw_funnel(columns: Sequence[tuple[str, dict[str, int]]]) -> tuple[str, int]:
    """A bar for each (label in SVG text, counts of records, dropped and waiting), and the drawing's height."""
    most = max([sum(counts.values()) for _, counts in columns] + [1])
    left, room, step = 132, WIDTH - 132 - 170, 34
    lines = []
    for number, (label, counts) in enumerate(columns):
        at, x = number * step + 4, float(left)
        lines.append(f'<text x="{left - 10}" y="{at + 17}" text-anchor="end">{label}</text>')
        for kind in ("records", "waiting", "dropped"):
            size = room * counts[kind] / most
            if size:
                lines.append(f'<rect class="{kind}" x="{x:.1f}" y="{at}" width="{max(size, 0.8):.1f}" height="24"/>')
            x += size
        told = f"{counts['records']:,}"
        if gone := counts["dropped"]:
            told += f'<tspan class="faint"> −{gone:,}</tspan>'
        if waiting := counts["waiting"]:
            told += f'<tspan class="faint"> · {waiting:,} {svg_words("waiting")}</tspan>'
        lines.append(f'<text x="{x + 8:.1f}" y="{at + 17}">{told}</text>')
    return "".join(lines), len(columns) * step + 4


def draw_bar(share: float) -> str:
    """A small bar for a table's cell, `share` of it filled."""
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="ground" width="100" height="8"/>'
        f'<rect class="records" width="{100 * share:.1f}" height="8"/></svg>'
    )


def draw_histogram(bins: Sequence[int], columns: int) -> tuple[str, int, int]:
    """Bars for texts of 0, 1, 2-3, 4-7, 8-15 … characters on an axis of so many, then width and height."""
    width, height, floor = 240, 92, 74
    step = width / columns
    most = max([*bins, 1])
    bars = []
    for number, count in enumerate(bins):
        if count:
            size = max(1.0, (floor - 4) * count / most)
            title = f"<title>{edges(number)}: {count:,}</title>"
            bars.append(
                f'<rect class="records" x="{number * step + 0.5:.1f}" y="{floor - size:.1f}" width="{step - 1:.1f}" '
                f'height="{size:.1f}">{title}</rect>'
            )
    ticks = [
        f'<text class="tick" x="{number * step:.1f}" y="{floor + 13}">{short(2 ** (number - 1))}</text>'
        for number in range(1, columns, 3)
    ]
    return f'<path class="axis" d="M0 {floor}.5H{width}"/>{"".join(bars)}{"".join(ticks)}', width, height


def edges(number: int) -> str:
    """The lengths that a bin holds."""
    if number < 2:
        return str(number)
    return f"{2 ** (number - 1):,}–{2**number - 1:,}"


def short(count: int) -> str:
    """A round number in few letters: 512, 4k, 2M."""
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.0f}M"


def svg_words(key: str) -> str:
    """A word in both languages for inside of a drawing."""
    return say(key).replace("<span", "<tspan").replace("</span>", "</tspan>")
