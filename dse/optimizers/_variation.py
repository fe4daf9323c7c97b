"""Children of a population on a lattice: tournament, crossover, mutation, and no design twice."""

from __future__ import annotations

import numpy as np

from dse.optimizers._lattice import IntArray, Knows, Lattice, first_of_each

EXCHANGED = 0.5  # chance of an axis to come from the second parent
CHANGES = 1.0  # axes changed per child by mutation, on average
RESET = 0.3  # share of changes of ordered axes to any value instead of a near one
STEP = 0.6  # chance that a near value is the next one, and not beyond
TRIES = 8  # litters bred before the rest of the children are drawn at random


def breed(
    lattice: Lattice, knows: Knows, rng: np.random.Generator, points: IntArray, standing: IntArray, count: int
) -> IntArray:
    """`count` children of distinct designs that are not known; fewer only where the space has no more.

    `standing` (n,): the place of each parent in the population, 0 the best; the better of two is chosen.
    """
    found, ids = np.empty((0, points.shape[1]), np.int64), np.empty(0, np.int64)
    for _ in range(TRIES):
        parents = points[_tournament(standing, 2 * count, rng)]
        children = mutated(lattice, crossed(parents[:count], parents[count:], rng), rng)
        found, ids = np.concatenate([found, children]), np.concatenate([ids, lattice.ids(children)])
        kept = first_of_each(ids)
        kept = kept[~knows(ids[kept])][:count]
        found, ids = found[kept], ids[kept]
        if len(found) == count:
            return found
    drawn = lattice.unknown_ids(count, knows, rng)
    drawn = drawn[~np.isin(drawn, ids)][: count - len(found)]
    return np.concatenate([found, lattice.points(drawn)])


def crossed(first: IntArray, second: IntArray, rng: np.random.Generator) -> IntArray:
    """One child per pair of parents, each axis from either (uniform crossover)."""
    return np.where(rng.random(first.shape) < EXCHANGED, second, first)


def mutated(lattice: Lattice, points: IntArray, rng: np.random.Generator) -> IntArray:
    """Points with `CHANGES` axes changed on average: ordered ones mostly by a step, of 1 most often; others to any."""
    free = lattice.sizes > 1
    changed = (rng.random(points.shape) < CHANGES / max(1, free.sum())) & free
    steps = rng.geometric(STEP, points.shape) * rng.choice((-1, 1), points.shape)
    near = np.clip(points + steps, 0, lattice.sizes - 1)
    other = (points + rng.integers(1, np.maximum(2, lattice.sizes), points.shape)) % lattice.sizes
    anywhere = lattice.nominal | (rng.random(points.shape) < RESET)
    return np.where(changed, np.where(anywhere, other, near), points)


def _tournament(standing: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Winners of `count` binary tournaments."""
    first, second = rng.integers(0, len(standing), (2, count))
    return np.asarray(np.where(standing[second] < standing[first], second, first), np.int64)
