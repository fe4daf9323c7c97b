"""Pareto local search: the neighbours of every design of the front, and kicks where all of them are known.

Paquete, Chiarandini and Stuetzle, "Pareto local optimum sets in the biobjective traveling salesman problem", in
Metaheuristics for Multiobjective Optimisation, Springer 2004.
"""

from __future__ import annotations

import numpy as np

from dse.optimizers._exploration import Scores, Search, non_dominated_rows
from dse.optimizers._lattice import IntArray, Knows, Lattice, first_of_each

KICKED = 3  # axes that a kick sets to any value, on average
AT_ONCE = 20  # neighbours that a design is expected to have


def search(lattice: Lattice, knows: Knows, objectives: int, population: int, seed: int) -> Search:
    """Proposals of neighbours of front designs, filled up with kicked front designs."""
    rng = np.random.default_rng(seed)
    ids, scores = np.empty(0, np.int64), Scores(np.empty((0, objectives)), np.empty(0))
    visited = ids  # designs whose neighbours are all known
    proposed = lattice.ids(lattice.spread_points(population, rng))
    while True:
        told = yield proposed
        ids, scores = np.concatenate([ids, proposed]), scores.plus(told)
        kept = first_of_each(ids)
        kept = kept[_best(scores.take(kept))]
        ids, scores = ids[kept], scores.take(kept)
        near, done = _near(lattice, knows, rng.permutation(np.setdiff1d(ids, visited)), population)
        visited = np.concatenate([visited, done])
        proposed = np.concatenate([near, _kicked(lattice, knows, rng.choice(ids, max(0, population - len(near))), rng)])


def _best(scores: Scores) -> IntArray:
    """Rows of the front; where no design is usable, of the designs closest to usable."""
    if (scores.violation == 0).any():
        return non_dominated_rows(scores)
    return np.flatnonzero(scores.violation == scores.violation.min())


def _near(lattice: Lattice, knows: Knows, ids: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Unknown neighbours, about `count`, of the first of these designs, and the designs they are all neighbours of."""
    found, visited = np.empty(0, np.int64), 0
    while visited < len(ids) and len(found) < count:
        some = ids[visited : visited + max(1, count // AT_ONCE)]
        near = lattice.ids(lattice.neighbours(lattice.points(some)))
        found, visited = np.union1d(found, near[~knows(near)]), visited + len(some)
    return found, ids[:visited]


def _kicked(lattice: Lattice, knows: Knows, ids: IntArray, rng: np.random.Generator) -> IntArray:
    """Unknown designs that differ from these in a few axes, else any unknown ones."""
    if not len(ids):
        return ids
    points = lattice.points(ids)
    reset = rng.random(points.shape) < KICKED / points.shape[1]
    far = lattice.ids(np.where(reset, lattice.random_points(len(ids), rng), points))
    far = np.unique(far[~knows(far)])
    return far if len(far) else lattice.unknown_ids(len(ids), knows, rng)
