"""The designs of a study in pieces: what one process decides at a time.

A piece is a grid or a run of one, so it is small however many designs it holds; its designs are decoded where they are
evaluated. Pieces come in the order of design ids. Nothing here holds one entry per design but a sample's ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dse.config import Study
from dse.sample import sampled_ids
from dse.space import Block, Grid, IntArray


@dataclass(frozen=True)
class Piece:
    """Designs of one PE type and one dataflow: all of `grid`, or those with the given ids, ascending."""

    grid: Grid
    ids: IntArray | None = None

    @property
    def designs(self) -> int:
        """How many."""
        return self.grid.size if self.ids is None else len(self.ids)

    def pieces(self, max_designs: int) -> Iterator[Piece]:
        """The same designs in pieces of at most `max_designs`."""
        if self.ids is None:
            yield from (Piece(slab) for slab in slabs(self.grid, max_designs))
        else:
            for first in range(0, len(self.ids), max_designs):
                yield Piece(self.grid, self.ids[first : first + max_designs])

    def blocks(self, max_designs: int) -> Iterator[Block]:
        """The same designs, decoded: open meshes of a grid, columns of a sample."""
        for piece in self.pieces(max_designs):
            if piece.ids is None:
                yield from piece.grid.blocks(max_designs)
            else:
                yield Block(piece.ids, piece.grid.decode(piece.ids))


@dataclass(frozen=True)
class Selection:
    """All designs of a study: those of its space, or of its sample, by grid."""

    grids: tuple[Piece, ...]

    @classmethod
    def of(cls, study: Study) -> Selection:
        """The grids that any design is of."""
        if study.sample.method == "grid":
            return cls(tuple(Piece(grid) for grid in study.space.grids))
        ids = sampled_ids(study.space, study.sample)
        pieces = (Piece(grid, _between(ids, grid)) for grid in study.space.grids)
        return cls(tuple(piece for piece in pieces if piece.designs))

    @property
    def designs(self) -> int:
        """How many."""
        return sum(piece.designs for piece in self.grids)

    def pieces(self, max_designs: int) -> Iterator[Piece]:
        """All of them in pieces of at most `max_designs`, none of two grids."""
        for grid in self.grids:
            yield from grid.pieces(max_designs)

    def regions(self, max_designs: int) -> Iterator[Piece]:
        """All of them in pieces whose grids, not only what is drawn from them, have at most `max_designs` designs."""
        for piece in self.grids:
            for slab in slabs(piece.grid, max_designs):
                if piece.ids is None:
                    yield Piece(slab)
                elif len(ids := _between(piece.ids, slab)):
                    yield Piece(slab, ids)

    def blocks(self, max_designs: int) -> Iterator[Block]:
        """All of them, decoded, in blocks of at most `max_designs`."""
        for grid in self.grids:
            yield from grid.blocks(max_designs)


def _between(ids: IntArray, grid: Grid) -> IntArray:
    """Those of a grid among rising ids."""
    low, high = np.searchsorted(ids, (grid.start, grid.start + grid.size))
    return ids[low:high]


def slabs(grid: Grid, max_designs: int) -> Iterator[Grid]:
    """A grid as grids of at most `max_designs` designs, about equally large; their ids are contiguous and rise.

    The outermost axes are fixed to a value, the next one to a run of its values, all others are whole.
    """
    sizes, values = grid.shape, list(grid.axes.values())
    split = 0
    while math.prod(sizes[split + 1 :]) > max_designs:
        split += 1
    runs = -(-sizes[split] // (max_designs // math.prod(sizes[split + 1 :])))
    length = -(-sizes[split] // runs)
    start = grid.start
    for outer in product(*values[:split]):
        for first in range(0, sizes[split], length):
            cut = [*((value,) for value in outer), values[split][first : first + length], *values[split + 1 :]]
            slab = replace(grid, axes=dict(zip(grid.axes, cut, strict=True)), start=start)
            yield slab
            start += slab.size
