"""The card's text in English: what the release holds, from whom, how it was made, what it lacks, how to cite it."""

from collections import Counter
from collections.abc import Sequence

from care_data.cards import settings
from care_data.cards.markdown import bullets, code, escape, flatten, link, table
from care_data.citations import cite_release, link_source, list_sources
from care_data.configs import SPLITS, Config, pick_default
from care_data.store import Manifest

USE = {"commercial": "anyone, commercially too", "research": "research only", "unclear": "unclear"}
STAGES = {"convert": "converted", "clean": "clean", "dedupe": "unique", "decontaminate": "decontaminated"}
"""Stage to what its records are then."""
TRAINERS = {"pt": "pt", "sft": "sft", "rw": "rm"}
"""Format to the command of care-train that learns from it."""
FORMATS = {
    "pt": "`pt`: passages of running text, in `text`.",
    "sft": "`sft`: a question in `instruction` and `input`, its answer in `output`, earlier turns in `history`.",
    "rw": "`rw`: a question with a better and a worse answer, in `chosen` and `rejected`; `output` holds both.",
    "eval": "`eval`: a `question` of a public test with its `answer` and, of a choice, its `options`. Not to train on.",
}


def write_body(manifest: Manifest, configs: Sequence[Config], suffix: str) -> str:
    """The Markdown below the front matter, in English."""
    rows = sum(config.rows for config in configs)
    corpora = sorted({config.care["corpus"] for config in configs})
    lead = (
        f"Medical text to train and test language models on: {rows:,} records in {_count(len(configs), 'config')}, "
        f"from {_count(len(corpora), 'published corpus', 'published corpora')}, cleaned, deduplicated and accounted "
        f"for by `care-data` {escape(manifest.version)}. [中文](#中文说明)"
    )
    sections = {
        "": lead + "\n\nNot medical advice: nobody has checked these texts for truth. See the limits below.",
        "What it holds": _show_configs(configs),
        "Corpora and licences": _show_corpora(manifest, configs),
        "How to load it": _show_loading(configs, suffix),
        "How it was made": _show_funnel(manifest, configs),
        "Settings": bullets(settings.tell_settings(manifest)),
        "Known limits": bullets(settings.tell_limits(manifest)),
        "Personal data": _show_privacy(manifest),
        "How to cite": _show_citations(manifest),
    }
    name = escape(manifest.name)
    return f"# {name}\n" + "".join(
        (f"\n## {title}\n" if title else "") + f"\n{text}\n" for title, text in sections.items() if text
    )


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _show_configs(configs: Sequence[Config]) -> str:
    used = [split for split in SPLITS if any(config.rows_of(split) for config in configs)]
    rows = [
        [code(config.name), config.care["format"], escape(config.care["language"])]
        + [config.rows_of(split) for split in used]
        + [sum(split.bytes for split in config.splits)]
        for config in configs
    ]
    formats = sorted({config.care["format"] for config in configs})
    told = bullets([FORMATS[each] for each in formats])
    identity = "Every record has an `id` that leads back to the row it was made of, its `corpus` and its `license`."
    return f"{table(['config', 'format', 'language', *used, 'bytes'], rows)}\n\n{told}\n\n{identity}"


def count_records(configs: Sequence[Config]) -> dict[str, int]:
    """Records by corpus, sorted by name."""
    found: Counter[str] = Counter()
    for config in configs:
        found[config.care["corpus"]] += config.rows
    return dict(sorted(found.items()))


def _show_corpora(manifest: Manifest, configs: Sequence[Config]) -> str:
    keys, _ = list_sources(manifest.sources)
    rows: list[list[str | int]] = []
    for corpus, records in count_records(configs).items():
        source = manifest.sources.get(corpus)
        if source is None:
            rows.append([code(corpus), "", records, "", "", "", "", ""])
            continue
        terms = source["license"]
        told = "; ".join(escape(text) for text in (terms["id"], terms.get("terms", "")) if text)
        rows.append(
            [
                code(corpus),
                escape(source["title"]),
                records,
                told,
                USE[terms["use"]],
                "yes" if terms["redistribute"] else "**no**",
                link(code(source["from"]), link_source(source["from"])),
                f"{escape(source['citation'])} ({code(keys[corpus])})",
            ]
        )
    header = ["corpus", "title", "records", "licence", "use", "may be passed on", "from", "citation (BibTeX key)"]
    note = (
        "Each corpus keeps its own licence, and each record names it. `use` is what upstream plainly allows; "
        "“unclear” means that nobody with the right to say so allows anything."
    )
    return f"{table(header, rows)}\n\n{note}"


def _show_loading(configs: Sequence[Config], suffix: str) -> str:
    chosen = pick_default(configs)
    split, name, folder = chosen.splits[0], flatten(chosen.name), flatten(chosen.splits[0].dataset)
    reading = {
        ".arrow": f'pl.concat(pl.read_ipc_stream(path) for path in sorted(Path("{folder}").glob("*.arrow")))',
        ".parquet": f'pl.scan_parquet("{folder}/*.parquet")',
    }[suffix]
    lines = [
        "```python",
        "from datasets import load_dataset",
        "",
        f'records = load_dataset(PLACE, "{name}", split="{split.name}")  # PLACE: this folder, or its name on the Hub',
        "```",
        "",
        "```python",
        *(["from pathlib import Path", ""] if suffix == ".arrow" else []),
        "import polars as pl",
        "",
        f"records = {reading}",
        "```",
    ]
    if command := TRAINERS.get(chosen.care["format"]):
        asked = f"care-train {command} --dataset_dir . --dataset {folder}"
        lines += ["", "```console", f"$ {asked} --model_name_or_path MODEL --output_dir adapter", "```"]
    return "\n".join(lines)


def _show_funnel(manifest: Manifest, configs: Sequence[Config]) -> str:
    """Records after each stage by config, and what went by reason."""
    rows: list[list[str | int]] = []
    reasons: Counter[tuple[str, str]] = Counter()
    for config in configs:
        lines = {line["stage"]: line for line in manifest.funnel.get(config.name, [])}
        for stage, line in lines.items():
            reasons.update({(stage, why): count for why, count in line["dropped"].items() if why != "held_out"})
        if "convert" in lines:
            kept = [lines[stage]["kept"] if stage in lines else "–" for stage in STAGES]
            held = config.rows - config.rows_of("train") if config.care["role"] != "benchmark" else 0
            rows.append([code(config.name), lines["convert"]["read"], *kept, lines["write"]["kept"], held])
    if not rows:
        return ""
    header = ["config", "rows read", *STAGES.values(), "written", "held out"]
    order = [*STAGES, "write"]
    dropped = sorted(reasons.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0][1]))
    gone: list[list[str | int]] = [[stage, code(reason), count] for (stage, reason), count in dropped]
    text = (
        "Every row is accounted for: each stage reads what the one before kept, and read = kept + dropped. A benchmark "
        "is not deduplicated or decontaminated (–). `manifest.json` has the counts of every config.\n\n"
    ) + table(header, rows)
    return text + ("\n\nWhat went, and why:\n\n" + table(["stage", "reason", "records"], gone) if gone else "")


def count_masked(manifest: Manifest) -> dict[str, int]:
    """Values masked by cleaning, by type."""
    found: Counter[str] = Counter()
    for lines in manifest.funnel.values():
        for line in lines:
            for name, count in line.get("changed", {}).items():
                if name.startswith("masked_"):
                    found[name.removeprefix("masked_")] += count
    return dict(sorted(found.items()))


def _show_privacy(manifest: Manifest) -> str:
    masked = count_masked(manifest)
    counts = table(["type", "values masked"], [[code(kind), count] for kind, count in masked.items()]) if masked else ""
    return "\n\n".join(part for part in (bullets(settings.tell_privacy(manifest)), counts) if part)


def _show_citations(manifest: Manifest) -> str:
    _, written = list_sources(manifest.sources)
    own = cite_release(manifest.name, manifest.version, manifest.key)
    entries = "\n".join(entry for entry in (own, written) if entry)
    return f"Cite the corpora you use, and this release:\n\n```bibtex\n{entries}```"
