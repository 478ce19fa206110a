"""What is compared with what, and by which rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from care_data.errors import CareError, Exit
from care_data.fingerprints.bands import CROWD, Plan, optimum, plan
from care_data.fingerprints.signatures import PERMUTATIONS, SCHEMES

if TYPE_CHECKING:
    import polars as pl

TURNS = "turns"


@dataclass(frozen=True)
class Input:
    """Records of one file or frame.

    read: their frames in order, the same each time it is asked: a String column for each group of fields (`group0`,
    `group1`, …) and, for dialogues, `turns`, lists of question, answer, question, …, empty for a single exchange.
    label: the corpus they belong to. priority: of records alike the one of higher priority stays. settled: these all
    stay, and come before any priority. ties: per row its place among records of equal priority and length; by default
    the order of inputs and rows.
    """

    read: "Callable[[], Iterator[pl.DataFrame]]"
    label: str = ""
    priority: int = 0
    settled: bool = False
    ties: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Rules:
    """When two records are one, and how surely that is found.

    threshold: Jaccard of 5-grams from which they are. miss: the chance allowed to miss a pair exactly there, from which
    the bands follow; by_optimum: datasketch's own choice of bands instead. exhaustive: miss none, at the price of time
    and memory. crowd: a band shared by more records than this is looked into by prefixes. scheme: of the signatures.
    """

    threshold: float = 0.8
    miss: float = 1e-3
    num_perm: int = PERMUTATIONS
    by_optimum: bool = False
    exhaustive: bool = False
    scheme: str = "affine32"
    crowd: int = CROWD

    def plan(self) -> Plan:
        """The bands; CareError (2) for rules out of range."""
        if self.scheme not in SCHEMES:
            fix = f"Schemes: {', '.join(SCHEMES)}."
            raise CareError(f"no scheme of signatures is called {self.scheme!r}", fix=fix, code=Exit.USAGE)
        if not 2 <= self.num_perm <= 4096:
            raise CareError(f"{self.num_perm} permutations are not between 2 and 4096", code=Exit.USAGE, fix="Try 128.")
        choose = optimum if self.by_optimum else plan
        return choose(self.threshold, self.num_perm, self.miss)
