"""The registry's one-line citations as BibTeX, and where a person looks at a source.

A line reads `AUTHORS. TITLE. VENUE[. LOCATOR…]`; one that does not is kept whole in a note, never guessed at.
"""

import re
from collections.abc import Mapping
from typing import Any

LINKS = {
    "github": "https://github.com/{name}",
    "hub": "https://huggingface.co/datasets/{name}",
    "modelscope": "https://modelscope.cn/datasets/{name}",
    "drive": "https://drive.google.com/open?id={name}",
    "web": "https://{name}",
    "manual": "https://{name}",
}
"""Where a person looks at the place of each scheme."""

_YEAR = r"(?P<year>(?:19|20)\d\d)"
_VENUES = tuple(
    re.compile(pattern)
    for pattern in (
        _YEAR,
        rf"arXiv:(?P<eprint>\d{{4}}\.\d{{4,5}})(?:, {_YEAR})?",
        r"doi:(?P<doi>10\.\d{4,}/[^\s{}\\]+)",
        r"(?P<url>https?://[^\s{}\\]+)",
        rf"(?P<howpublished>GitHub), {_YEAR}",
        rf"(?P<booktitle>[^,]*?\b{_YEAR}(?:: [^,]+)?)(?:, (?P<pages>\d+-\d+))?",
        rf"(?P<journal>[^,]+?)(?: (?P<volume>\d+)(?:\((?P<number>[^)]+)\))?(?::(?P<pages>[\d-]+))?)?, {_YEAR}",
    )
)
_LOCATORS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bdoi:(?P<doi>10\.\d{4,}/[^\s{}\\]*[^\s{}\\.,;])",
        r"\barXiv:(?P<eprint>\d{4}\.\d{4,5})",
        r"(?P<url>https?://[^\s{}\\]*[^\s{}\\.,;])",
    )
)
_NAME = re.compile(r"\w[\w' -]*")
_ORDER = (
    "author", "title", "booktitle", "journal", "volume", "number", "pages", "howpublished", "year", "version", "doi",
    "eprint", "archiveprefix", "url", "note", "key",
)  # fmt: skip
_VERBATIM = ("doi", "eprint", "url")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", **{sign: "\\" + sign for sign in "&%$#_"},
}  # fmt: skip


def parse_citation(line: str) -> dict[str, str]:
    """The fields of a citation: author, title, year and what the venue has; empty where they cannot be told apart."""
    author, _, rest = " ".join(line.split()).rstrip(".").partition(". ")
    title, *venues = rest.split(". ")
    names = author.removesuffix(" et al").split(", ")
    if not title or not venues or not all(_NAME.fullmatch(name) for name in names):
        return {}
    fields = {"author": " and ".join([*names, *(["others"] if author.endswith(" et al") else [])]), "title": title}
    notes = []
    for number, venue in enumerate(venues):
        found = next((match for pattern in _VENUES if (match := pattern.fullmatch(venue))), None)
        if found is None and number == 0:
            return {}
        if found is None:
            notes.append(venue)
        else:
            fields = {**{name: text for name, text in found.groupdict().items() if text}, **fields}
    return {**fields, **({"note": ". ".join(notes)} if notes else {})}


def cite_source(corpus: str, source: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """(key, kind, fields) of the BibTeX entry of a corpus. source: its title, from and citation."""
    fields = parse_citation(source["citation"])
    if not fields:
        fields = {"title": source["title"], "key": corpus, "note": source["citation"]}
        for pattern in _LOCATORS:
            fields |= found.groupdict() if (found := pattern.search(source["citation"])) else {}
    if "eprint" in fields:
        fields["archiveprefix"] = "arXiv"
    if not {"url", "doi", "booktitle", "journal"} & set(fields) and (url := _find_url(fields, source["from"])):
        fields["url"] = url
    kind = "inproceedings" if "booktitle" in fields else "article" if "journal" in fields else "misc"
    return _make_key(corpus), kind, fields


def _find_url(fields: Mapping[str, str], source: str) -> str:
    """Where the work is to be looked at; of one on GitHub nothing where its corpus comes from a copy elsewhere."""
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return link_source(source) if "howpublished" not in fields or source.startswith("github:") else ""


def list_sources(sources: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], str]:
    """({corpus: key}, BibTeX): one entry for each work, under the name of the first corpus that cites it."""
    keys: dict[str, str] = {}
    works: dict[str, str] = {}
    entries = []
    for corpus in sorted(sources):
        key, kind, fields = cite_source(corpus, sources[corpus])
        work = repr((kind, sorted(fields.items())))
        if work not in works:
            works[work] = key
            entries.append(write_entry(key, kind, fields))
        keys[corpus] = works[work]
    return keys, "\n".join(entries)


def cite_release(name: str, version: str, key: str) -> str:
    """The release's own BibTeX entry. key: its manifest's, a digest of all that made it; no year: it knows no day."""
    fields = {"title": name, "key": name, "version": key[:12], "note": f"Written by care-data {version}"}
    return write_entry(_make_key(name), "misc", fields)


def _make_key(name: str) -> str:
    """A name as BibTeX takes it."""
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)


def write_entry(key: str, kind: str, fields: Mapping[str, str]) -> str:
    """A BibTeX entry, escaped for LaTeX."""
    lines = [f"  {name:<13} = {_value(name, fields[name])}," for name in _ORDER if name in fields]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _value(name: str, text: str) -> str:
    text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    if name in _VERBATIM:
        return f"{{{text}}}"
    text = "".join(_LATEX.get(letter, letter) for letter in text)
    if name == "pages":
        text = text.replace("-", "--")
    return f"{{{{{text}}}}}" if name == "title" else f"{{{text}}}"


def link_source(source: str) -> str:
    """Where a person looks at a `from`; empty where there is nothing to look at."""
    scheme, _, name = source.partition(":")
    name = re.sub(r"^https?://", "", name).rstrip("/")
    if scheme in ("github", "hub", "modelscope"):
        name = name.partition("@")[0]
    return LINKS[scheme].format(name=name) if scheme in LINKS and re.fullmatch(r"[\w./?=&%:~+-]+", name) else ""
