"""A design space as points of whole numbers: per axis the place of its value, ordered axes in order of size.

Search algorithms move between points; what is evaluated, remembered and counted is the design id of a point. Points
that differ only in axes that do not apply to their dataflow are one design: they share an id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.space import DesignSpace

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Knows = Callable[[IntArray], BoolArray]  # which design ids are evaluated already

NOMINAL = ("pe_type", "dataflow")  # axes whose values have no order
DRAWS = 8  # attempts to draw unknown designs before all of them are listed
MAX_LISTED = 1 << 24  # no budget reaches half of a larger space


@dataclass(frozen=True)
class Lattice:
    """The points of a design space, (n, axes) whole numbers from 0 to `sizes` - 1; `nominal` marks unordered axes.

    `orders` gives per axis the index, in the space, of the value at each place; `places` is its inverse.
    """

    space: DesignSpace
    sizes: IntArray
    nominal: BoolArray
    orders: tuple[IntArray, ...]
    places: tuple[IntArray, ...]

    @classmethod
    def of(cls, space: DesignSpace) -> Lattice:
        """The lattice of a space."""
        axes = space.axes
        nominal = np.array([name in NOMINAL for name in axes])
        orders = tuple(
            np.arange(len(values)) if unordered else np.argsort(np.asarray(values, np.float64), kind="stable")
            for values, unordered in zip(axes.values(), nominal, strict=True)
        )
        sizes = np.array([len(order) for order in orders], np.int64)
        return cls(space, sizes, nominal, orders, tuple(np.argsort(order) for order in orders))

    def ids(self, points: IntArray) -> IntArray:
        """Design ids of points."""
        columns = zip(self.space.axes, self.orders, points.T, strict=True)
        return self.space.ids({name: order[column] for name, order, column in columns})

    def points(self, ids: IntArray) -> IntArray:
        """Points of design ids, at place 0 of the axes that do not apply to them."""
        names = list(self.space.axes)
        found = np.zeros((len(ids), len(names)), np.int64)
        for number, grid in enumerate(self.space.grids):
            own = np.flatnonzero((ids >= grid.start) & (ids < grid.start + grid.size))
            pair = np.unravel_index(number, (len(self.space.pe_type), len(self.space.dataflow)))
            places = dict(zip(grid.axes, np.unravel_index(ids[own] - grid.start, grid.shape), strict=True))
            for name, index in {**dict(zip(NOMINAL, pair, strict=True)), **places}.items():
                axis = names.index(name)
                found[own, axis] = self.places[axis][np.asarray(index)]
        return found

    def random_points(self, count: int, rng: np.random.Generator) -> IntArray:
        """`count` points, each value of each axis as likely as the others."""
        return rng.integers(0, self.sizes, (count, len(self.sizes)))

    def spread_points(self, count: int, rng: np.random.Generator) -> IntArray:
        """`count` points in which each axis takes each of its values as often as the others, in random order."""
        places = [rng.permutation(np.arange(count) % size) for size in self.sizes]
        return np.stack(places, axis=1)

    def neighbours(self, points: IntArray) -> IntArray:
        """All points one step from these along one ordered axis, or with another value of one unordered axis."""
        found = [points[:0]]
        for axis, (size, unordered) in enumerate(zip(self.sizes, self.nominal, strict=True)):
            for step in range(1, size) if unordered else (-1, 1):
                near = points.copy()
                near[:, axis] = (points[:, axis] + step) % size if unordered else points[:, axis] + step
                found.append(near[(near[:, axis] >= 0) & (near[:, axis] < size)])
        return np.concatenate(found)

    def unknown_ids(self, count: int, knows: Knows, rng: np.random.Generator) -> IntArray:
        """`count` distinct ids that are not known, each as likely; fewer only where no more are left."""
        size = self.space.size
        for _ in range(DRAWS):
            drawn = np.unique(rng.integers(0, size, 2 * count))
            drawn = rng.permutation(drawn[~knows(drawn)])
            if len(drawn) >= count:
                return drawn[:count]
        if size > MAX_LISTED:
            return drawn
        left = np.arange(size)
        return rng.permutation(left[~knows(left)])[:count]


def first_of_each(ids: IntArray) -> IntArray:
    """Positions of the first occurrence of each id, in order."""
    return np.sort(np.unique(ids, return_index=True)[1])
