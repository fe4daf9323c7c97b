"""What NSGA-II and NSGA-III share: the first population, and points of pymoo as design ids."""

from __future__ import annotations

from functools import partial

import numpy as np

from dse.optimizers._exploration import Search
from dse.optimizers._lattice import Knows, Lattice, first_of_each
from dse.optimizers._pymoo import Method, generations
from dse.optimizers._variation import breed


def genetic(method: Method, lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
    """Proposals of a method: points spread over the space, then generations."""
    rng = np.random.default_rng(seed)
    first = lattice.spread_points(population, rng)
    first = first[first_of_each(lattice.ids(first))]
    asking = generations(method, first, partial(breed, lattice, knows, rng), objectives, population, seed)
    points = next(asking)
    while True:
        points = asking.send((yield lattice.ids(points)))
