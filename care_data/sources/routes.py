"""Ways to an entry's files: the source itself, GitHub's proxies, the entry's mirrors, or the one mirror for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from care_data.errors import CareError
from care_data.sources import drive, github, hub, manual, modelscope, package, web
from care_data.sources import mirror as mirrors
from care_data.sources.hosts import DIRECT, Hosts
from care_data.sources.places import Place, parse_source, shown
from care_data.sources.replies import address
from care_data.sources.wants import Origin

PROXY = "proxy "


@dataclass(frozen=True)
class Route:
    """One way to a want's files. served_by: as Fetched notes it, empty for the source itself."""

    place: Place
    origin: Origin
    served_by: str = ""

    @property
    def key(self) -> str:
        """What errors call it."""
        return self.served_by or self.place.folder

    @property
    def lists(self) -> bool:
        """Whether it can be asked what a pattern names; a proxy cannot."""
        return not self.served_by.startswith(PROXY)

    @property
    def note(self) -> str:
        """What fetched.json says of a file that came this way."""
        return self.served_by or self.origin.name


def find_routes(place: Place, others: Sequence[str], mirror: Origin | None, raw: Path, hosts: Hosts) -> list[Route]:
    """The ways to a place, in the order they are tried. others: mirrors of the entry. mirror: stands for all of them.

    What is in the package is always at hand. Raises CareError for a source of a kind that is not known.
    """
    if place.scheme not in SOURCES and place.scheme not in manual.ADDRESSES:
        known = ", ".join(f"{scheme}:" for scheme in sorted({*SOURCES, *manual.ADDRESSES}))
        raise CareError(f"nothing is known of sources '{shown(place.scheme)}:'", fix=f"Known are {known}.")
    if mirror is not None and place.scheme != "package":
        return [Route(place, mirror)]
    if place.scheme not in SOURCES:
        first = [Route(place, Origin("hand", partial(manual.find_in_raw, raw), partial(manual.refuse_file, raw)))]
    elif place.scheme == "github":
        first = _proxied(place, hosts)
    else:
        first = [Route(place, SOURCES[place.scheme])]
    return first + [each for other in others for each in _other(other)]


def open_mirror(mirror: str) -> Origin:
    """The origin of a mirror that stands for all sources. Raises CareError if it is neither a folder nor an address."""
    if mirrors.is_url(mirror):
        find, bring = mirrors.find_at_address, mirrors.download_from_address
        base = mirror.rstrip("/")
        return Origin(f"mirror:{address(base)}", partial(find, base), partial(bring, base), tolerant=True)
    root = mirrors.open_folder(mirror)
    copy = partial(mirrors.copy_from_folder, root)
    return Origin(f"mirror:{root}", partial(mirrors.find_in_folder, root), copy, tolerant=True)


def _proxied(place: Place, hosts: Hosts) -> list[Route]:
    """GitHub itself and the proxies before it, in the order the user gave."""
    order = hosts.github_proxies if DIRECT in hosts.github_proxies else (DIRECT, *hosts.github_proxies)
    direct = Route(place, SOURCES["github"])
    return [direct if prefix == DIRECT else _proxy(place, prefix) for prefix in order]


def _proxy(place: Place, prefix: str) -> Route:
    origin = Origin("proxy", github.find_paths, partial(github.bring_by_proxy, prefix))
    return Route(place, origin, PROXY + address(prefix))


def _other(source: str) -> list[Route]:
    """The way to one of the entry's mirrors."""
    place = parse_source(source)
    if place.scheme not in SOURCES:
        raise CareError(f"the mirror {shown(source)} is of a kind that is not fetched from", fix="Correct the entry.")
    return [Route(place, SOURCES[place.scheme], source)]


SOURCES: dict[str, Origin] = {
    "drive": Origin("network", drive.find_paths, drive.bring_file),
    "github": Origin("network", github.find_paths, github.bring_file),
    "hub": Origin("network", hub.find_paths, hub.bring_file),
    "modelscope": Origin("network", modelscope.find_paths, modelscope.bring_file),
    "package": Origin("package", package.find_paths, package.bring_file),
    "web": Origin("network", web.find_paths, web.bring_file),
}
