"""Tiles of the systolic dataflows: the parts of a layer that the GLB works on one after another.

A layer is a matrix product of three extents, per convolution group:
    reduction  (C / groups) R S products of one output
    pixels     N E F outputs of one filter, for a batch of N ifmaps
    filters    M / groups
A tile is a part of the pixels (of the batch, of the ofmap rows, of its columns) and of the filters, with the whole
reduction. Part k of K starts at floor(k total / K): parts differ by one at most, and twice as many divide those there
were. `keep` says which operand stays in the GLB in the outer loop while the other one passes by:
    KEEP_IFMAP    pixels outside, filters inside: filters come from DRAM again for each part of the pixels
    KEEP_FILTERS  filters outside, pixels inside: ifmaps come from DRAM again for each part of the filters
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from dse.traffic import Count, Mapping, ceil_div
from workloads.layer import Layer

KEEP_IFMAP, KEEP_FILTERS = 1, 2
EDGE_SLOTS = 4  # so that the formulas of most layers have one form
NO_EDGE = (0, 0)


@dataclass(frozen=True)
class Parts:
    """An extent in parts: how many there are, the length of the longest, and of each length (how many, how long).

    Parts that are `passing` follow each other through the GLB while the other operand stays, the next one arriving
    during the last: a fold is not longer than a part but may begin in one and end in the next.
    """

    total: Count
    count: Count
    longest: Count
    lengths: tuple[tuple[Count, Count], ...]
    passing: Count

    @classmethod
    def of(cls, total: Count, count: Count, passing: Count = False) -> Parts:
        """`total` in `count` parts, or in as many as it has elements."""
        count = np.minimum(count, total)
        longer = total % count
        lengths = (longer, total // count + 1), (count - longer, total // count)
        return cls(total, count, ceil_div(total, count), lengths, passing)

    def __mul__(self, other: Parts) -> Parts:
        both = tuple((a * b, m * n) for (a, m), (b, n) in product(self.lengths, other.lengths))
        longest, passing = self.longest * other.longest, self.passing | other.passing
        return Parts(self.total * other.total, self.count * other.count, longest, both, passing)

    def folds(self, side: Count) -> Count:
        """Folds of all parts on a side of the array."""
        cut = sum(count * ceil_div(length, side) for count, length in self.lengths)
        return np.where(self.passing, ceil_div(self.total, np.minimum(side, self.longest)), cut)

    def squares(self, side: Count) -> Count:
        """Sum over these folds of the square of the PEs they use."""
        cut = sum(count * _squares(length, side) for count, length in self.lengths)
        return np.where(self.passing, _squares(self.total, np.minimum(side, self.longest)), cut)

    def begins(self, element: int) -> Count:
        """Whether a part other than the first one begins with this element."""
        part = ceil_div(element * self.count, self.total)
        return (part > 0) & (part < self.count) & (part * self.total // self.count == element)


@dataclass(frozen=True)
class Window:
    """How consecutive outputs read an ifmap in one direction."""

    step: int  # padded ifmap lines that one more output reads
    span: int  # those of one output: the extent of a filter, dilation included
    shared: int  # by two neighbours
    once: int  # ifmap lines, without padding, that all outputs read
    edges: tuple[tuple[int, int], ...]  # outputs that share padding with the one before, and how many lines of it

    @classmethod
    def of(cls, outputs: int, stride: int, span: int, padding: int, size: int) -> Window:
        """That of a layer with `size` ifmap lines and as many lines of padding ahead of them."""

        def inside(first: int, last: int) -> int:
            """Lines of the ifmap between the beginning of one output's window and the end of another's."""
            return max(min(last * stride - padding + span, size) - max(first * stride - padding, 0), 0)

        inner = range(ceil_div(padding, stride), (size + padding - span) // stride + 1)
        outer = [*range(min(inner.start, outputs)), *range(max(inner.stop, inner.start), outputs)]
        shared = max(span - stride, 0)
        apart = (outputs - len(outer)) * span + sum(inside(k, k) for k in outer)
        padding_lines = ((k, shared - inside(k, k - 1)) for k in outer if k > 0 and shared > 0)
        edges = [(k, lines) for k, lines in padding_lines if lines > 0]
        edges += [NO_EDGE] * (-len(edges) % EDGE_SLOTS)
        return cls(min(stride, span), span, shared, inside(0, outputs - 1) if shared else apart, tuple(edges))

    def touched(self, outputs: Count) -> Count:
        """Padded ifmap lines that consecutive outputs read; strides beyond the span skip lines."""
        return (outputs - 1) * self.step + self.span

    def lines(self, parts: Parts) -> Count:
        """Ifmap lines, without padding, that all parts read: those of a part once.

        Two neighbours both read what the last window of one and the first of the other have in common; each of these
        overlaps is the same but for those that reach into the padding.
        """
        return self.once + (parts.count - 1) * self.shared - sum(parts.begins(k) * lines for k, lines in self.edges)


@dataclass(frozen=True)
class Geometry:
    """A layer as the tiles see it; extents are those of one convolution group."""

    groups: int
    channels: int
    filters: int
    reduction: int
    E: int
    F: int
    macs: int  # of all groups, for one ifmap
    ofmap_words: int  # of all groups, for one ifmap
    vertical: Window
    horizontal: Window

    @classmethod
    @cache
    def of(cls, layer: Layer) -> Geometry:
        rows, cols = ((kernel - 1) * layer.dilation + 1 for kernel in (layer.R, layer.S))
        return cls(
            layer.groups, layer.C // layer.groups, layer.M // layer.groups, layer.reduction_length, layer.E, layer.F,
            layer.macs, layer.ofmap_words,
            Window.of(layer.E, layer.stride, rows, layer.padding, layer.H),
            Window.of(layer.F, layer.stride, cols, layer.padding, layer.W),
        )  # fmt: skip


@dataclass(frozen=True)
class Tiling:
    """The tiles of a layer: its extents in parts, those of one convolution group."""

    groups: int
    channels: int
    vertical: Window
    horizontal: Window
    batch: Parts
    rows: Parts
    cols: Parts
    reduction: Parts
    filters: Parts
    keep: Count

    @classmethod
    def of(cls, g: Geometry, batch: Count, mapping: Mapping) -> Tiling:
        """The tiling of `batch` ifmaps that a mapping says."""
        return cls(
            groups=g.groups,
            channels=g.channels,
            vertical=g.vertical,
            horizontal=g.horizontal,
            batch=Parts.of(batch, mapping["batch_parts"], mapping["keep"] == KEEP_FILTERS),
            rows=Parts.of(g.E, mapping["row_parts"]),
            cols=Parts.of(g.F, mapping["col_parts"]),
            reduction=Parts.of(g.reduction, 1),
            filters=Parts.of(g.filters, mapping["filter_parts"], mapping["keep"] == KEEP_IFMAP),
            keep=mapping["keep"],
        )

    def with_filters(self, count: Count, passing: Count = False) -> Tiling:
        """The same with the filters in `count` parts."""
        return replace(self, filters=Parts.of(self.filters.total, count, passing))

    @property
    def pixels(self) -> Parts:
        """Outputs of one filter."""
        return self.batch * self.rows * self.cols

    @property
    def count(self) -> Count:
        """Tiles of all groups."""
        return self.groups * self.pixels.count * self.filters.count

    @property
    def ifmap_room(self) -> Count:
        """Words of the ifmaps of the largest tile, padding included, twice if others follow (double buffering)."""
        tile = self.vertical.touched(self.rows.longest) * self.horizontal.touched(self.cols.longest)
        return self.channels * self.batch.longest * tile * _buffers(self.groups * self.pixels.count)

    @property
    def filter_room(self) -> Count:
        """Words of the filters of the largest tile, twice if others follow."""
        return self.filters.longest * self.reduction.total * _buffers(self.groups * self.filters.count)

    @property
    def psum_room(self) -> Count:
        """Words of the psums of the largest tile, twice if others follow."""
        return self.pixels.longest * self.filters.longest * _buffers(self.count)

    @property
    def dram_ifmap(self) -> Count:
        """Ifmap words from DRAM for all groups; padding is not in DRAM."""
        once = self.groups * self.channels * self.batch.total
        once = once * self.vertical.lines(self.rows) * self.horizontal.lines(self.cols)
        again = (self.keep == KEEP_FILTERS) & (self.pixels.count > 1)
        return once * np.where(again, self.filters.count, 1)

    @property
    def dram_filter(self) -> Count:
        """Filter words from DRAM for all groups."""
        times = np.where(self.keep == KEEP_IFMAP, self.pixels.count, 1)
        return self.groups * self.filters.total * self.reduction.total * times


def _squares(length: Count, side: Count) -> Count:
    return length // side * side**2 + (length % side) ** 2


def _buffers(tiles: Count) -> Count:
    return np.where(tiles > 1, 2, 1)
