"""Boxes of a grid of designs: on every axis a run of values, by their places."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from dse.dataflow import load_dataflow
from dse.space import BoolArray, FloatArray, Grid, IntArray


@dataclass(frozen=True)
class Boxes:
    """Lowest and highest places, arrays of shape (boxes, axes), in the order of the axes of the grid; both belong."""

    low: IntArray
    high: IntArray

    @classmethod
    def whole(cls, grid: Grid) -> Boxes:
        """The grid, one box for each value of the axes of which more is not better: the batch and, where words hop
        from PE to PE, rows and columns (docs/laws.md)."""
        hops = load_dataflow(grid.dataflow).PE == "registers"
        single = ("batch", "rows", "cols") if hops else ("batch",)
        ends = [
            [(place, place) for place in range(len(values))] if name in single else [(0, len(values) - 1)]
            for name, values in grid.axes.items()
        ]
        every = np.asarray(list(product(*ends)))
        return cls(every[..., 0], every[..., 1])

    def __len__(self) -> int:
        return len(self.low)

    @property
    def sizes(self) -> IntArray:
        """Designs of each box."""
        return np.asarray(np.prod(self.high - self.low + 1, axis=1))

    def some(self, chosen: BoolArray) -> Boxes:
        """The boxes under a mask."""
        return Boxes(self.low[chosen], self.high[chosen])

    def halved(self, spreads: list[FloatArray]) -> Boxes:
        """Each box in two, across the axis on which its values are spread most.

        `spreads`: of each axis how far each value is from the first one.
        """
        widths = [each[self.high[:, axis]] - each[self.low[:, axis]] for axis, each in enumerate(spreads)]
        axis = np.argmax(np.where(self.high > self.low, np.stack(widths, axis=1), -1.0), axis=1)
        row = np.arange(len(self))
        middle = (self.low[row, axis] + self.high[row, axis]) // 2
        low, high = np.repeat(self.low, 2, axis=0), np.repeat(self.high, 2, axis=0)
        high[2 * row, axis] = middle
        low[2 * row + 1, axis] = middle + 1
        return Boxes(low, high)

    def ids(self, grid: Grid) -> IntArray:
        """The ids of all their designs, ascending."""
        found = [
            np.ravel_multi_index(np.meshgrid(*map(_run, low, high), indexing="ij"), grid.shape).ravel()
            for low, high in zip(self.low, self.high, strict=True)
        ]
        return grid.start + np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


@dataclass(frozen=True)
class Regions:
    """Boxes, and of a sample the designs in each: `members` has their places, or None where every design counts."""

    boxes: Boxes
    members: list[IntArray] | None

    @classmethod
    def whole(cls, grid: Grid, ids: IntArray | None) -> Regions:
        """A grid, or the designs of it with these ids."""
        boxes = Boxes.whole(grid)
        if ids is None:
            return cls(boxes, None)
        places = np.stack(np.unravel_index(ids - grid.start, grid.shape), axis=1)
        members = [
            places[((low <= places) & (places <= high)).all(axis=1)]
            for low, high in zip(boxes.low, boxes.high, strict=True)
        ]
        held = np.asarray([len(each) > 0 for each in members], bool)
        return cls(boxes, members).some(held)

    @property
    def counts(self) -> IntArray:
        """Designs of each."""
        return self.boxes.sizes if self.members is None else np.asarray(list(map(len, self.members)), np.int64)

    def some(self, chosen: BoolArray) -> Regions:
        """Those under a mask."""
        if self.members is None:
            return Regions(self.boxes.some(chosen), None)
        return Regions(self.boxes.some(chosen), [each for each, keep in zip(self.members, chosen, strict=True) if keep])

    def halved(self, spreads: list[FloatArray]) -> tuple[Regions, IntArray]:
        """Each in two, without the halves that hold no designs; and of which each is a half."""
        halves = self.boxes.halved(spreads)
        parents = np.repeat(np.arange(len(self.boxes)), 2)
        if self.members is None:
            return Regions(halves, None), parents
        members = []
        for index, places in enumerate(self.members):
            lower = (places <= halves.high[2 * index]).all(axis=1)
            members += [places[lower], places[~lower]]
        filled = np.asarray([len(each) > 0 for each in members], bool)
        return Regions(halves, members).some(filled), parents[filled]

    def ids(self, grid: Grid) -> IntArray:
        """Ids of all their designs, ascending."""
        if self.members is None:
            return self.boxes.ids(grid)
        if not self.members:
            return np.empty(0, np.int64)
        return grid.start + np.sort(np.ravel_multi_index(np.concatenate(self.members).T, grid.shape))


def _run(low: int, high: int) -> IntArray:
    return np.arange(low, high + 1)


def highest(values: tuple[float, ...]) -> FloatArray:
    """The largest of the values from one place to another, by both places."""
    table = np.zeros((len(values), len(values)))
    for low in range(len(values)):
        table[low, low:] = np.maximum.accumulate(values[low:])
    return table
