"""What is searched as points of whole numbers: per axis the place of its value, ordered axes in order of size.

Search algorithms move between points; what is evaluated, remembered and counted is the id of a point. That is the id of
a design; where networks compete, of a pair of a network and a design: index of the network x size of the space + id of
the design. Points that differ only in axes that do not apply to them are one: they share an id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dse.space import DesignSpace

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Knows = Callable[[IntArray], BoolArray]  # which ids are evaluated already

NETWORK = "network"
NOMINAL = ("pe_type", "dataflow", NETWORK)  # axes whose values have no order
DRAWS = 8  # attempts to draw unknown designs before all of them are listed
MAX_LISTED = 1 << 24  # no budget reaches half of a larger space


@dataclass(frozen=True)
class Networks:
    """The networks that compete: `single` ones, then the members of a family by its axes, the last one fastest.

    The axis `network` has a place for each single one and one for the family, whose axes apply to its members only; it
    is left out where it has one place.
    """

    single: int = 1
    family: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of networks."""
        return self.single + (math.prod(self._shape) if self.family else 0)

    @property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """Axis name -> values."""
        places = tuple(range(self.single + bool(self.family)))
        return ({NETWORK: places} if len(places) > 1 else {}) | dict(self.family)

    def index(self, indices: Mapping[str, IntArray], length: int) -> IntArray:
        """Indices of networks from columns of value indices by axis."""
        found = indices.get(NETWORK, np.zeros(length, np.int64))
        if not self.family:
            return found
        member = self.single + np.ravel_multi_index([indices[name] for name in self.family], self._shape)
        return np.where(found < self.single, found, member)

    def indices(self, index: IntArray) -> dict[str, IntArray]:
        """The inverse: value indices by axis, 0 where one does not apply."""
        places = {NETWORK: np.minimum(index, self.single)} if NETWORK in self.axes else {}
        if not self.family:
            return places
        columns = np.unravel_index(np.maximum(index - self.single, 0), self._shape)
        return places | dict(zip(self.family, columns, strict=True))

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.family.values())


ONE = Networks()  # all networks together, or the only one


@dataclass(frozen=True)
class Lattice:
    """The points, (n, axes) whole numbers from 0 to `sizes` - 1: axes of the designs, then of the networks that
    compete; `nominal` marks unordered axes.

    `orders` gives per axis the index, in the config, of the value at each place; `places` is its inverse.
    """

    space: DesignSpace
    networks: Networks
    names: tuple[str, ...]
    sizes: IntArray
    nominal: BoolArray
    orders: tuple[IntArray, ...]
    places: tuple[IntArray, ...]

    @classmethod
    def of(cls, space: DesignSpace, networks: Networks = ONE) -> Lattice:
        """The lattice of a space, and of networks that compete."""
        axes = space.axes | networks.axes
        nominal = np.array([name in NOMINAL for name in axes])
        orders = tuple(
            np.arange(len(values)) if unordered else np.argsort(np.asarray(values, np.float64), kind="stable")
            for values, unordered in zip(axes.values(), nominal, strict=True)
        )
        sizes = np.array([len(order) for order in orders], np.int64)
        return cls(space, networks, tuple(axes), sizes, nominal, orders, tuple(np.argsort(order) for order in orders))

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.networks.count * self.space.size

    def ids(self, points: IntArray) -> IntArray:
        """Ids of points."""
        columns = zip(self.names, self.orders, points.T, strict=True)
        indices = {name: order[column] for name, order, column in columns}
        return self.networks.index(indices, len(points)) * self.space.size + self.space.ids(indices)

    def points(self, ids: IntArray) -> IntArray:
        """Points of ids, each at one place of the axes that do not apply to it."""
        networks, designs = np.divmod(ids, self.space.size)
        found = np.zeros((len(ids), len(self.names)), np.int64)

        def put(rows: IntArray, indices: Mapping[str, IntArray]) -> None:
            for name, index in indices.items():
                axis = self.names.index(name)
                found[rows, axis] = self.places[axis][index]

        put(np.arange(len(ids)), self.networks.indices(networks))
        for number, grid in enumerate(self.space.grids):
            own = np.flatnonzero((designs >= grid.start) & (designs < grid.start + grid.size))
            pair = np.unravel_index(np.full(len(own), number), (len(self.space.pe_type), len(self.space.dataflow)))
            places = dict(zip(grid.axes, np.unravel_index(designs[own] - grid.start, grid.shape), strict=True))
            put(own, {**dict(zip(("pe_type", "dataflow"), pair, strict=True)), **places})
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
        size = self.size
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
