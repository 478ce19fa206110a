"""Some clusters of deduplicated corpora with their texts, from what the dedupe stage left on disk."""

from typing import TYPE_CHECKING

from care_data.duplicates.showcase import Cluster, Member
from care_data.store import Manifest, Store

if TYPE_CHECKING:
    import polars as pl

_SHOWN = ("history", "instruction", "input", "output", "chosen", "rejected", "text")
_MEMBERS = 3


def read_clusters(
    manifests: list[Manifest], store: Store, count: int = 3, keepers: list[Manifest] | None = None
) -> list[Cluster]:
    """Clusters of more than exact copies: the largest, then those that hang together the least.

    keepers: of the corpora that may hold the records that stayed, where these are others too.
    """
    import polars as pl

    gone = [frame for manifest in manifests for frame in _scan(manifest, store, "rejects")]
    if not gone:
        return []
    names = pl.concat([frame.select("id", "keeper", "reason", "jaccard") for frame in gone]).collect()
    near = names.filter(pl.col("reason") != "exact_duplicate")
    heads = near.group_by("keeper").agg(pl.len(), pl.col("jaccard").min().fill_null(1)).sort("jaccard", "keeper")
    largest = heads.sort("len", "keeper", descending=[True, False]).head(1)
    chosen = list(dict.fromkeys([*largest["keeper"], *heads["keeper"].head(count)]))[:count]
    shown = near.filter(pl.col("keeper").is_in(chosen)).sort("jaccard", "id").group_by("keeper").head(_MEMBERS)
    kept = [frame for manifest in keepers or manifests for frame in _scan(manifest, store, "records")]
    texts = _read_texts(kept, chosen) | _read_texts(gone, shown["id"].to_list())
    clusters = []
    for keeper in chosen:
        members = [Member(keeper, "kept", 1.0, texts.get(keeper, ()))]  # its corpus may have changed since
        rows = shown.filter(keeper=keeper).select("id", "reason", "jaccard").rows()
        members += [Member(name, reason, jaccard, texts[name]) for name, reason, jaccard in rows]
        clusters.append(Cluster(names.filter(keeper=keeper).height + 1, members))
    return clusters


def _scan(manifest: Manifest, store: Store, kind: str) -> "list[pl.LazyFrame]":
    import polars as pl

    folder = store.folder("dedupe", manifest.corpus)
    return [pl.scan_parquet(folder / f["path"]) for f in manifest.files if f["kind"] == kind]


def _read_texts(frames: "list[pl.LazyFrame]", names: list[str]) -> dict[str, tuple[str, ...]]:
    """The texts of the records of these ids."""
    import polars as pl

    found: dict[str, tuple[str, ...]] = {}
    for frame in frames:
        columns = frame.collect_schema()
        texts = [name for name in _SHOWN if name in columns]
        rows = frame.filter(pl.col("id").is_in(names)).select("id", *texts).collect()
        for row in rows.iter_rows():
            found[row[0]] = tuple(_write(value) for value in row[1:] if value)
    return found


def _write(value: "str | list[list[str]]") -> str:
    return value if isinstance(value, str) else " / ".join(text for exchange in value for text in exchange)
