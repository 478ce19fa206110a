"""A release passed on: planned and shown first, then sent to the Hub or laid into a folder, and read back."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data.errors import CareError, Exit
from care_data.publishing.trees import Advance, name_withheld, write_tree
from care_data.release import read_release
from care_data.store import Manifest

if TYPE_CHECKING:
    from care_data.publishing.hub import Changes, Remote
    from care_data.sources.hosts import Hosts

PUBLISHED = "published"
"""The folder, beside that of the releases, that trees are made in."""


@dataclass(frozen=True)
class Plan:
    """What would be published. folder: the tree. changes: to a repository, where one is meant; done: it is all there.

    withheld: corpora left out, and why. note: why the repository was not looked at.
    """

    folder: Path
    manifest: Manifest
    withheld: dict[str, str]
    repo: str = ""
    tag: str = ""
    public: bool = False
    remote: "Remote | None" = None
    changes: "Changes | None" = None
    done: bool = False
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The plan for machines."""
        files = [{key: line[key] for key in ("path", "bytes", "rows") if key in line} for line in self.manifest.files]
        return {
            "release": self.manifest.name,
            "folder": str(self.folder),
            "repo": self.repo,
            "tag": self.tag,
            "public": self.public,
            "files": files,
            "bytes": sum(line["bytes"] for line in files),
            "rows": sum(line.get("rows", 0) for line in files),
            "corpora": {corpus: source["license"] for corpus, source in sorted(self.manifest.sources.items())},
            "withheld": self.withheld,
            "private": self.manifest.private,
            "changes": vars(self.changes) if self.changes is not None else None,
            "done": self.done,
        }


def plan_folder(release: Path, to: Path, only_redistributable: bool, workers: int | None, advance: Advance) -> Plan:
    """The tree written into a folder of this machine; nothing is passed on, so nothing is refused."""
    withheld = name_withheld(read_release(release)) if only_redistributable else {}
    return Plan(to, write_tree(release, to, withheld, workers, advance), withheld, done=True)


def plan_repo(
    release: Path,
    repo: str,
    hosts: "Hosts",
    *,
    tag: str = "",
    public: bool = False,
    only_redistributable: bool = False,
    accept_private: bool = False,
    offline: bool = False,
    workers: int | None = None,
    advance: Advance = lambda done, total: None,
) -> Plan:
    """What publishing a release would send; the tree is written for it, and the repository only looked at.

    offline: where it cannot be looked at, for want of a token or a network, do without. CareError: 7 where a corpus may
    not be passed on or texts still hold personal data, and neither was accepted, or where the token or the repository
    does not allow it; 5 without a token.
    """
    from care_data.publishing import hub

    manifest = read_release(release)
    withheld = name_withheld(manifest)
    if withheld and not only_redistributable:
        raise CareError(
            f"{len(withheld)} of its corpora may not be passed on: {', '.join(withheld)}",
            where=manifest.name,
            fix="Leave them out with --only-redistributable, or keep the release to yourself.",
            code=Exit.POLICY,
            details=tuple(f"{corpus}: {why}" for corpus, why in withheld.items()),
        )
    api, name, remote, note = hub.open_hub(hosts), repo, None, ""
    try:
        name = hub.resolve_name(api, repo)
        remote = hub.look(api, name)
    except CareError as error:
        if not (offline and error.code in (Exit.MANUAL, Exit.NETWORK)):
            raise
        note = f"not looked at: {error.what}"
    hub.refuse_visibility(remote, name, public)
    folder = place_tree(release, withheld)
    tree = write_tree(release, folder, withheld, workers, advance)
    if tree.private and not accept_private:
        told = ", ".join(f"{count:,} {kind}" for kind, count in tree.private.items())
        fix = "Write the release with --pii mask or drop, or say --accept-pii."
        raise CareError(f"its texts hold personal data: {told}", where=manifest.name, fix=fix, code=Exit.POLICY)
    tag = tag or f"{tree.name.rpartition('-')[0] or 'release'}-{tree.key[:8]}"
    done = hub.is_tagged(api, folder, tree, remote, tag)
    changes = hub.list_changes(folder, tree, remote)
    return Plan(folder, tree, withheld, name, tag, public, remote, changes, done, note)


def publish(plan: Plan, hosts: "Hosts") -> str:
    """Do what was planned; the address of the repository. Nothing is sent where all of it is there."""
    from care_data.publishing import hub

    api = hub.open_hub(hosts)
    if not plan.done:
        message = f"{plan.manifest.name}: {plan.tag}"
        held = hub.upload(api, plan.repo, plan.folder, plan.manifest, plan.remote, message, plan.public)
        hub.tag(api, held, plan.tag)
    return f"{api.endpoint}/datasets/{plan.repo}"


def place_tree(release: Path, withheld: dict[str, str]) -> Path:
    """Where a release's tree is made: published/ in the data folder, or beside a release that lies elsewhere."""
    release = release.resolve()
    suffix = ".redistributable" if withheld else ""
    home = release.parent.parent / PUBLISHED if release.parent.name == "releases" else release.parent
    return home / f"{release.name}{suffix or ('' if home.name == PUBLISHED else '.published')}"
