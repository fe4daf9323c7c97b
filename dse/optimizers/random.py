"""Random search without repeats: what any other algorithm has to beat."""

from __future__ import annotations

import numpy as np

from dse.optimizers._exploration import Search
from dse.optimizers._lattice import Knows, Lattice


def search(lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
    """Proposals of designs that are not known, each as likely."""
    rng = np.random.default_rng(seed)
    while True:
        yield lattice.unknown_ids(population, knows, rng)
