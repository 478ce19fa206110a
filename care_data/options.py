"""What the command line may say of corpora and files: one option a line, with its help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@dataclass(frozen=True)
class Options:
    """What the commands on corpora are told; each takes those of its own stage."""

    corpora: Annotated[list[str] | None, typer.Argument(help="Corpus names, groups, or all.", show_default=False)] = (
        None
    )
    every: Annotated[bool, typer.Option("--all", help="Every corpus of the registry but the demo.")] = False
    to: Annotated[Path, typer.Option("--to", envvar="CARE_DATA", help="The data folder.")] = Path("data")
    mirror: Annotated[str | None, typer.Option(help="A folder or URL with upstream's files, laid out by source.")] = (
        None
    )
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be fetched; ask nobody.")] = False
    hf_endpoint: Annotated[
        str | None, typer.Option(help="Base address that stands for huggingface.co; also HF_ENDPOINT.")
    ] = None
    send_token: Annotated[bool, typer.Option("--send-token", help="Let --hf-endpoint have the Hub's token.")] = False
    accept_changed: Annotated[
        bool, typer.Option("--accept-changed", help="Take files that upstream changed as they are now.")
    ] = False
    permitted: Annotated[
        bool, typer.Option("--i-have-permission", help="Crawl sites whose terms are not known; also CARE_CRAWL=yes.")
    ] = False
    bundle: Annotated[
        Path | None, typer.Option(help="Then pack the files into this folder, for --mirror elsewhere.")
    ] = None
    pin: Annotated[bool, typer.Option("--pin", help="Then write the files' checksums into the entries.")] = False
    workers: Annotated[int | None, typer.Option(min=1, help="Processes to use; all cores by default.")] = None
    max_bad: Annotated[float, typer.Option(min=0, max=1, help="Share of unreadable rows a file may have.")] = 0.01
    outputs: Annotated[
        list[str] | None,
        typer.Option("--output", help="Also make an output that is not made by default: corpus.output."),
    ] = None
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Clean otherwise: filters.sft.repetitive=0.5, filters.pt.too_short=false, clean=+simplify."
        ),
    ] = None
    pii: Annotated[
        str, typer.Option(help="Private values: mask them with tags, keep them, or drop the records that hold any.")
    ] = "mask"
    threshold: Annotated[
        float | None, typer.Option(help="Jaccard of character 5-grams from which two records are one; 0.8 by default.")
    ] = None
    miss: Annotated[
        float | None, typer.Option(help="Chance allowed to miss a pair at the threshold; 0.001 by default.")
    ] = None
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Miss no pair at all, in several times the time and memory.")
    ] = False
    by_optimum: Annotated[
        bool, typer.Option("--datasketch-bands", help="The bands that datasketch would choose for the threshold.")
    ] = False
    scheme: Annotated[
        str | None, typer.Option(help="Signatures as of datasketch 2 (affine32, by default) or before it (legacy).")
    ] = None
    against: Annotated[
        list[str] | None,
        typer.Option(help="A file of test questions, FILE or FILE:FIELD, beside the registry's benchmarks."),
    ] = None
    licence: Annotated[
        str, typer.Option(help="Only corpora whose licence allows this: commercial, research, or any.")
    ] = "any"
    max_share: Annotated[
        list[str] | None, typer.Option(help="Highest share of a corpus: CORPUS=0.3, or *=0.3 for each.")
    ] = None
    weight: Annotated[
        list[str] | None,
        typer.Option(help="How much of a corpus is taken: CORPUS=0.5, or CORPUS=2 for half of the others."),
    ] = None
    sample: Annotated[
        float | None, typer.Option(help="So many training records of each format, or below 1 that share of them.")
    ] = None
    split: Annotated[
        list[str] | None, typer.Option(help="Hold out a share, questions alike together: validation=0.02, test=0.02.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Draws other lots for --sample and --split.")] = 0
    on: Annotated[
        str | None,
        typer.Option(help="Of files: fields that must each be alike, as question,answer; + joins (title+question)."),
    ] = None
    id_field: Annotated[
        str | None, typer.Option("--id", help="Of files: the field that names a row; by default its file and number.")
    ] = None
    engine: Annotated[
        str, typer.Option(help="Where the work is done: local, or ray for the machines of a cluster.")
    ] = "local"
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster, host:port or auto; by default one of this machine alone.")
    ] = None
    index: Annotated[
        Path | None, typer.Option(help="An index whose records come first, and to which those that stay are added.")
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Of files: the folder for the rows that stay and what became of the others.")
    ] = None
    name: Annotated[str | None, typer.Option(help="The release's name; made from its contents by default.")] = None
    as_json: Json = False
