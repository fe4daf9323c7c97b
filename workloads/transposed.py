"""Transposed convolution (PyTorch's ConvTranspose2d) as ordinary convolutions, without a single inserted zero.

An ifmap row i adds to the ofmap rows i stride + k dilation - padding through filter row k, so ofmap row o gets

    sum over k of ifmap[i] filter[k]    with    i = (o + padding - k dilation) / stride    a whole number.

Which k qualify depends on (o + padding) mod stride only. The ofmap rows o, o + stride, ... of one such **phase** are
a convolution of stride 1 over the ifmap with every (stride / g)-th filter row, last first, and dilation
dilation / g, g being the greatest common divisor of stride and dilation. Columns likewise: stride x stride
phases, interleaved, are the ofmap. (Zero insertion computes the same products and stride^2 - 1 times as many zeros;
the decomposition is that of sub-pixel convolution, W. Shi et al., 2016, arXiv 1609.07009.)

What counts. Zeros beyond the edges of the ifmap are operands, as in every convolution here; inserted zeros are not,
and a phase that no ifmap value reaches (filter smaller than the stride, stride and dilation with a common divisor)
has no layer: its outputs are zero. H and W of a phase are the ifmap rows and columns that its windows touch, so
its DRAM traffic holds neither padding nor what it does not read. Every phase reads the ifmap anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import gcd

from dse.errors import InputError, Problem
from workloads.layer import Layer, group_problems, value_problems

MAX_STRIDE = 64
"""Phases in each direction; networks have 2 or 4."""


@dataclass(frozen=True)
class Phase:
    """One direction of a phase: which outputs, from which filter rows and ifmap rows. Columns likewise."""

    start: int  # first ofmap row; the next one is `stride` below
    outputs: int
    first_tap: int  # filter rows first_tap, first_tap + tap_step, ..., applied last first
    tap_step: int
    taps: int
    dilation: int
    first_row: int  # first ifmap row that is touched
    rows: int  # ifmap rows that are touched
    before: int  # padding rows above them
    after: int  # padding rows below them


def phases(ifmap: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int) -> Iterator[Phase]:
    """The phases of one direction that an ifmap value reaches, in the order of their first output."""
    size = output_size(ifmap, kernel, stride, padding, dilation, output_padding)
    divisor = gcd(stride, dilation)
    tap_step, sub_dilation = stride // divisor, dilation // divisor
    for start in range(min(stride, size)):
        position = start + padding  # in the uncropped ofmap
        taps = [k for k in range(min(tap_step, kernel)) if (position - k * dilation) % stride == 0]
        if not taps:
            continue
        count = (kernel - 1 - taps[0]) // tap_step + 1
        outputs = (size - 1 - start) // stride + 1
        bottom = (position - taps[0] * dilation) // stride  # the last ifmap row of the first window
        first, last = bottom - (count - 1) * sub_dilation, bottom + outputs - 1
        low, high = max(first, 0), min(last, ifmap - 1)
        if low <= high:
            yield Phase(
                start, outputs, taps[0], tap_step, count, sub_dilation, low, high - low + 1, low - first, last - high
            )


def output_size(ifmap: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int) -> int:
    """Ofmap rows: (ifmap - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1."""
    return (ifmap - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


@dataclass(frozen=True)
class TransposedConvolution:
    """The fields of a layer, read as ConvTranspose2d reads them. Raises InputError when it is impossible.

    H, W are the ifmap that is small, R, S the whole filter; `padding` crops the ofmap on every side and
    `output_padding` adds rows and columns at the bottom and right.
    """

    name: str
    C: int
    H: int
    W: int
    M: int
    R: int
    S: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    count: int = 1
    output_padding: int = 0
    ifmap_zeros: float = 0.0
    ofmap_zeros: float = 0.0

    def __post_init__(self) -> None:
        problems = [*value_problems(vars(self))] or [*self._relation_problems()]
        if problems:
            raise InputError(problems)

    @property
    def E(self) -> int:
        """Ofmap height."""
        return output_size(self.H, self.R, self.stride, self.padding, self.dilation, self.output_padding)

    @property
    def F(self) -> int:
        """Ofmap width."""
        return output_size(self.W, self.S, self.stride, self.padding, self.dilation, self.output_padding)

    def row_phases(self) -> tuple[Phase, ...]:
        return tuple(phases(self.H, self.R, self.stride, self.padding, self.dilation, self.output_padding))

    def column_phases(self) -> tuple[Phase, ...]:
        return tuple(phases(self.W, self.S, self.stride, self.padding, self.dilation, self.output_padding))

    def layers(self) -> tuple[Layer, ...]:
        """The convolutions that compute it: one per distinct shape, named after its first output, with its count."""
        merged: dict[tuple[str | int | float, ...], Layer] = {}
        for rows, columns in product(self.row_phases(), self.column_phases()):
            layer = self._layer(rows, columns)
            same = merged.get(layer.shape)
            merged[layer.shape] = layer if same is None else replace(same, count=same.count + layer.count)
        return tuple(merged.values())

    def _layer(self, rows: Phase, columns: Phase) -> Layer:
        """Padding is shared out to both edges as far as it goes; counts depend on the sums only."""
        high, wide = rows.before + rows.after, columns.before + columns.after
        padding = min(high, wide) // 2
        return Layer(
            f"{self.name}/{rows.start}.{columns.start}", "conv", self.C, rows.rows, columns.rows, self.M,
            rows.taps, columns.taps, 1, padding, rows.dilation, self.groups, self.count,
            high - 2 * padding, wide - 2 * padding, self.ifmap_zeros, self.ofmap_zeros,
        )  # fmt: skip

    def _relation_problems(self) -> Iterator[Problem]:
        yield from group_problems(self.C, self.M, self.groups)
        if self.stride > MAX_STRIDE:
            yield Problem("stride", f"must be at most {MAX_STRIDE} in a transposed layer", self.stride)
        elif self.output_padding >= max(self.stride, self.dilation):
            rule = f"must be smaller than stride {self.stride} or dilation {self.dilation}"
            yield Problem("output_padding", rule, self.output_padding)
        elif self.E < 1 or self.F < 1:
            yield Problem("padding", f"leaves an ofmap of {self.E} x {self.F}", self.padding)
        elif not (self.row_phases() and self.column_phases()):
            yield Problem("padding", "leaves outputs only that no ifmap value reaches", self.padding)
