"""Row stationary: a layer as its PE sets see it, the sets that fit an array, and how often things happen in a mapping.

Letters and terms: `dse.dataflow.row_stationary`. Equations: docs/row_stationary.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dse.dataflow._tiles import Window
from dse.space import IntArray
from dse.traffic import Count, Mapping, ceil_div
from workloads.layer import Layer

MAPPING = ("m", "n", "e", "p", "q", "r", "t")


@dataclass(frozen=True)
class Geometry:
    """One convolution group of a layer, with the parts of the padded ifmap that its windows touch."""

    groups: int
    M: int
    C: int
    R: int
    S: int
    E: int
    F: int
    kernel_rows: int  # rows that one filter spans, dilation included
    row_step: int  # ifmap rows that one more ofmap row needs
    padded_cols: int  # padded ifmap columns that are touched
    rows_once: int  # ifmap rows of one strip of the whole height; padding, here and below, is not in DRAM
    edges: tuple[tuple[int, int], ...]  # ofmap rows, and rows of padding among those that a strip from there on rereads
    dram_cols: int  # ifmap columns that are touched
    macs: int  # of all groups, for one ifmap

    @classmethod
    @cache
    def of(cls, layer: Layer) -> Geometry:
        kernel_rows, kernel_cols = ((kernel - 1) * layer.dilation + 1 for kernel in (layer.R, layer.S))
        vertical = Window.of(layer.E, layer.stride, kernel_rows, layer.padding, layer.H)
        horizontal = Window.of(layer.F, layer.stride, kernel_cols, layer.padding, layer.W)
        return cls(
            layer.groups, layer.M // layer.groups, layer.C // layer.groups, layer.R, layer.S, layer.E, layer.F,
            kernel_rows, vertical.step, horizontal.touched(layer.F),
            vertical.once, vertical.edges, horizontal.once, layer.macs,
        )  # fmt: skip

    def strip_rows(self, e: Count) -> Count:
        """Padded ifmap rows that a strip of e ofmap rows reads."""
        return (e - 1) * self.row_step + self.kernel_rows

    def dram_rows(self, e: Count, strips: Count) -> Count:
        """Ifmap rows that all strips read from DRAM: neighbours share some, fewer where they reach into the padding."""
        shared = (strips - 1) * (self.kernel_rows - self.row_step)
        return self.rows_once + shared - sum(np.where(row % e == 0, padding, 0) for row, padding in self.edges)


def pe_sets(g: Geometry, rows: Count, cols: Count, e: Count) -> Count:
    """R x e PE sets that fit the array; a set wider than the array is cut into segments stacked in bands."""
    bands = rows // g.R
    segments = ceil_div(e, cols)
    return np.where(segments <= 1, bands * (cols // e), bands // segments)


@dataclass(frozen=True)
class Passes:
    """How often things happen in one convolution group, and sums over its passes of what a pass uses."""

    filter_passes: Count  # per strip and channel pass
    channel_passes: Count
    ifmap_passes: Count  # ceil(N / n)
    strips: Count
    m_groups: Count
    filters_per_pe: Count  # sum of p over the filter passes
    channels_per_pe: Count  # sum of q over the channel passes
    filter_sets: Count  # sum of the filter groups in use over the filter passes
    channel_sets: Count  # sum of the channel groups in use over the channel passes

    @classmethod
    def of(cls, g: Geometry, batch: IntArray, mapping: Mapping) -> Passes:
        m, n, e, p, q, r, t = (mapping[name] for name in MAPPING)
        m = np.minimum(m, g.M)
        whole, rest = g.M // m, g.M % m
        filter_passes = whole * ceil_div(m, p * t) + ceil_div(rest, p * t)
        channel_passes = ceil_div(g.C, q * r)
        ifmap_passes, strips = ceil_div(batch, n), ceil_div(g.E, e)
        return cls(
            filter_passes=filter_passes,
            channel_passes=channel_passes,
            ifmap_passes=ifmap_passes,
            strips=strips,
            m_groups=ceil_div(g.M, m),
            filters_per_pe=whole * _per_pe(m, p, t) + _per_pe(rest, p, t),
            channels_per_pe=_per_pe(g.C, q, r),
            filter_sets=whole * _sets(m, p, t) + _sets(rest, p, t),
            channel_sets=_sets(g.C, q, r),
        )

    @property
    def filter_loads(self) -> Count:
        """Times that the filters of the group are loaded: once if they are those of one pass and stay in the PEs."""
        return np.where(self.filter_passes * self.channel_passes == 1, 1, self.ifmap_passes * self.strips)


def _per_pe(total: Count, each: Count, sets: Count) -> Count:
    """Sum over passes of `each * sets` items of what the busiest PE gets; the last pass is spread evenly."""
    whole = total // (each * sets)
    return whole * each + ceil_div(total - whole * each * sets, sets)


def _sets(total: Count, each: Count, sets: Count) -> Count:
    """Sum over passes of the sets in use."""
    whole = total // (each * sets)
    return whole * sets + np.minimum(total - whole * each * sets, sets)
