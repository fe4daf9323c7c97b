"""NSGA-II: survival by non-dominated rank and crowding distance."""

from __future__ import annotations

from dse.optimizers._exploration import Search
from dse.optimizers._genetic import genetic
from dse.optimizers._lattice import Knows, Lattice


def search(lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
    """Proposals of NSGA-II."""
    return genetic("nsga2", lattice, knows, objectives, population, seed)
