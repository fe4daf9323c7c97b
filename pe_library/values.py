"""The values that the operands of a PE's MAC can hold, from `mac.py` alone, and rounding to them.

A *grid* is the set of values that all codes of an operand decode to. A tensor is quantized with a *scale*: the PE
multiplies grid values, and the product of the scales of weight and activation is applied outside, with the batch
normalization that follows a layer. fp32 has no grid: its operand is a float32 whose subnormals count as zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pe_library.codes import Codes, Reals, load_mac_model

Floats = NDArray[np.float32]

LONGEST_CODE = 16
"""Codes of more bits are not enumerated: such an operand is a float32."""
SMALLEST_NORMAL = np.float32(2.0**-126)


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of an operand, ascending, each once; none for a float32."""

    values: Reals

    @property
    def is_float(self) -> bool:
        """Whether the operand is a float32."""
        return self.values.size == 0

    @property
    def is_uniform(self) -> bool:
        """Whether the values are consecutive integers."""
        return not self.is_float and bool((np.diff(self.values) == 1).all()) and float(self.values[0]).is_integer()

    @property
    def midpoints(self) -> Reals:
        """Half way between neighbours: where rounding passes from one to the next."""
        return (self.values[1:] + self.values[:-1]) / 2

    @property
    def low(self) -> float:
        """The least value."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """The largest value."""
        return float(self.values[-1])


@dataclass(frozen=True, eq=False)
class Operands:
    """The grids of both operands of a PE type."""

    weight: Grid
    activation: Grid


@cache
def load_operands(pe_type: str) -> Operands:
    """What a PE type multiplies. Raises InputError when there is no such type."""
    model = load_mac_model(pe_type)
    weight = _grid(model.decode_weight, model.WEIGHT_BITS)
    return Operands(weight, _grid(model.decode_activation, model.ACTIVATION_BITS))


def _grid(decode: Callable[[Codes], Reals], bits: int) -> Grid:
    if bits > LONGEST_CODE:
        return Grid(np.empty(0))
    return Grid(np.unique(decode(np.arange(2**bits, dtype=np.int64))))


def nearest(values: Floats, scale: Floats | float, grid: Grid) -> Floats:
    """The grid value next to `values` / `scale`, element by element, in float32 arithmetic; the ends saturate.

    Half way between two: the even one in a uniform grid, else the lower one. In a float grid the quotient itself,
    subnormals as zeros of their sign.
    """
    scaled = (np.asarray(values, np.float32) / np.asarray(scale, np.float32)).astype(np.float32)
    if grid.is_float:
        return np.where(np.abs(scaled) < SMALLEST_NORMAL, np.copysign(np.float32(0), scaled), scaled)
    if grid.is_uniform:
        return np.clip(np.rint(scaled), np.float32(grid.low), np.float32(grid.high))
    return grid.values.astype(np.float32)[np.searchsorted(grid.midpoints.astype(np.float32), scaled)]
