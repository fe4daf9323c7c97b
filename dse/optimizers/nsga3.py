"""NSGA-III: survival by non-dominated rank and niches around reference directions; for three objectives and more."""

from __future__ import annotations

from dse.optimizers._exploration import Search
from dse.optimizers._genetic import genetic
from dse.optimizers._lattice import Knows, Lattice


def search(lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
    """Proposals of NSGA-III."""
    return genetic("nsga3", lattice, knows, objectives, population, seed)
