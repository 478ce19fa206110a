"""What a manifest says of how the release was made, and what follows of what it does not do: lines of Markdown."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from care_data.cards.markdown import code, escape
from care_data.store import Manifest


def list_values(manifest: Manifest, stage: str, name: str) -> list[Any]:
    """The values that a parameter of a stage has over all corpora, each once: one, unless stages were run apart."""
    found = [stages.get(stage, {}).get(name) for _, stages in _corpora(manifest)]
    texts = sorted({json.dumps(value, sort_keys=True) for value in found if value is not None})
    return [json.loads(text) for text in texts]


def _corpora(manifest: Manifest) -> Iterator[tuple[str, dict[str, Any]]]:
    """(corpus, its parameters by stage), without corpora that were left out when the release was published."""
    for corpus, stages in sorted(manifest.parameters.get("corpora", {}).items()):
        if corpus in manifest.sources:
            yield corpus, stages


def _outputs(manifest: Manifest) -> Iterator[tuple[str, dict[str, Any]]]:
    """(dataset, what cleaning did to it) for every output that is in the release."""
    for corpus, stages in _corpora(manifest):
        for output, chosen in sorted(stages.get("clean", {}).items()):
            if f"{corpus}_{output}" in manifest.counts:
                yield f"{corpus}_{output}", chosen


def tell_settings(manifest: Manifest) -> list[str]:
    """The settings that matter, a line each."""
    lines = []
    steps: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, chosen in _outputs(manifest):
        steps[tuple(chosen["steps"])].append(name)
    for each, names in sorted(steps.items(), key=lambda item: item[1]):
        of = "" if len(steps) == 1 else f" of {', '.join(map(code, names))}"
        lines.append(f"Cleaning{of}: {', '.join(map(code, each)) or 'none'}.")
    if thresholds := list_values(manifest, "dedupe", "threshold"):
        lines.append(
            f"Deduplication: two records are one from a Jaccard similarity of {_join(thresholds)} of their character "
            f"5-grams; candidates by MinHash ({_join(list_values(manifest, 'dedupe', 'num_perm'))} values), each "
            "verified by its true Jaccard."
        )
    if checked := list_benchmarks(manifest):
        lines.append(f"Decontamination against {', '.join(map(code, checked))}.")
    mix = manifest.parameters.get("mix", {})
    if mix.get("licence", "any") != "any":
        lines.append(f"Only corpora whose licence allows {escape(mix['licence'])} use.")
    if mix.get("splits"):
        told = ", ".join(f"{escape(split)} {share:g}" for split, share in sorted(mix["splits"].items()))
        lines.append(f"Held out, by lot of whole groups of alike records: {told} of each training config.")
    for name, label in (("shares", "Highest share of a corpus"), ("weights", "Weight of a corpus")):
        if mix.get(name):
            told = ", ".join(f"{code(corpus)} {value:g}" for corpus, value in sorted(mix[name].items()))
            lines.append(f"{label}: {told}.")
    if mix.get("sample") is not None:
        lines.append(f"A sample of {mix['sample']:g} of each format, drawn by lot (seed {mix['seed']}).")
    known = "the checksums they are pinned to" if manifest.verified else "**no pinned checksums, not all of them**"
    return [*lines, f"Upstream's files hold {known}; each is in `manifest.json` with its sha256."]


def tell_limits(manifest: Manifest) -> list[str]:
    """What the stages do not find or do, a line each."""
    misses = list_values(manifest, "dedupe", "miss")
    chance = f", and one pair at the threshold is missed with a chance of at most {_join(misses)}" if misses else ""
    missing = sorted({name for names in list_values(manifest, "decontaminate", "missing") for name in names})
    checked = list_benchmarks(manifest)
    unclear = [name for name, source in sorted(manifest.sources.items()) if source["license"]["use"] == "unclear"]
    return [
        "Nobody has checked the answers. They may be wrong, out of date or dangerous; some corpora were written by "
        "language models, and where upstream says so the table of corpora does.",
        "Filters look at form (blank, cut off, repeated, advertising), not at truth; what is fluent and false stays.",
        f"Deduplication compares characters, not meaning: a paraphrase or a translation stays{chance}.",
        (
            "Decontamination finds items that are quoted, wholly or in large part; not paraphrased or translated ones."
            if checked
            else "**No benchmark was at hand**, so the records were not checked against any."
        ),
        f"Known benchmarks that were not at hand, so that nothing was checked against them: "
        f"{', '.join(map(code, missing))}."
        if missing
        else "",
        "Licences and terms are as the registry of `care-data` reads them, which is no legal advice"
        + (f"; of {', '.join(map(code, unclear))} it is unclear what they may be used for." if unclear else "."),
        "The language is that of the output as the registry states it; it was not told record by record.",
        *(f"Left out: {code(name)}, {escape(why)}." for name, why in sorted(manifest.skipped.items())),
        *(f"Not found upstream: {escape(what)}." for what in manifest.missing),
    ]


def name_privacy(manifest: Manifest) -> dict[str, list[str]]:
    """What was done to private values, `mask`, `keep` or `drop`, to the outputs it was done to; `names` likewise to
    those where doctors' names were sought too."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, chosen in _outputs(manifest):
        found[chosen.get("pii", "mask" if "privacy" in chosen["steps"] else "keep")].append(name)
        if chosen.get("names") or "names" in chosen["steps"]:
            found["names"].append(name)
    return dict(found)


def tell_modes(modes: dict[str, list[str]], words: dict[str, str], marks: tuple[str, str, str]) -> list[str]:
    """What was done to private values in the words of a language; of which outputs, where it was not the same for all.

    marks: the language's colon, comma and full stop.
    """
    colon, comma, stop = marks
    apart = sum(mode in modes for mode in words) > 1
    return [
        text + (colon + comma.join(map(code, modes[mode])) if apart else "") + stop
        for mode, text in words.items()
        if mode in modes
    ]


def tell_privacy(manifest: Manifest) -> list[str]:
    """What was sought of personal data, what was done to it, and what was not sought."""
    modes = name_privacy(manifest)
    done = {
        "mask": "Masked by a tag that says the type (`[PHONE]`)",
        "drop": "Records that held personal data were dropped whole (reason `private`)",
        "keep": "**Personal data was left as it stands upstream**",
    }
    lines = tell_modes(modes, done, (": ", ", ", "."))
    sought = (
        "Sought by their form: e-mail, mobile and landline numbers, ID card numbers, WeChat and QQ names, record "
        "numbers, addresses"
    )
    lines += [f"{sought}."] if set(modes) & {"mask", "drop"} else []
    lines += [f"Doctors' names were sought too in {', '.join(map(code, modes['names']))}."] if "names" in modes else []
    if manifest.private:
        told = ", ".join(f"{count:,} {code(kind)}" for kind, count in sorted(manifest.private.items()))
        lines.append(f"Found when the release was searched once more before it was published: {told}.")
    people = "names of patients and relatives" if "names" in modes else "names of people, doctors among them"
    return [
        *lines,
        f"Not sought: {people}, dates, ages, occupations, hospitals and places, and histories "
        "that tell who somebody is without naming them. Forms that are unusual or misspelt are missed.",
        "Do not try to find out who the people in these texts are. If you find somebody, tell the corpus's authors.",
    ]


def list_benchmarks(manifest: Manifest) -> list[str]:
    """The benchmarks checked against: corpora by name, files of the user's without the folders they lie in."""
    found = {PurePath(name).name for names in list_values(manifest, "decontaminate", "benchmarks") for name in names}
    return sorted(found)


def _join(values: list[Any]) -> str:
    return " or ".join(f"{value:g}" for value in values)
