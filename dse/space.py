"""The design space: its axes, and designs as a struct of arrays of any broadcastable shape.

A design is one value per axis that applies to its dataflow; the spad axes apply to dataflows whose PEs have spads only.
`Designs` holds one PE type and one dataflow, and per numeric axis an array: scalars, equally long columns, or an open
mesh (`numpy.ix_`); every formula downstream is element-wise and serves all three alike. Where an axis does not apply,
the array holds no number and every formula that it enters fails.

Numbering. Each pair of PE type and dataflow has one grid: every combination of the values of the axes that apply, in C
order of `SPACE_AXES`, the last axis fastest. The grids follow each other, by PE type and within it by dataflow, in the
order of those axes. A design's id is its place in that sequence: ids are contiguous from 0, each is one design, and any
id can be decoded again. Where all dataflows have the same axes this is the flat index in the product of all axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX_CLOCK = math.inf  # a clock setting of "max": run each design at its own maximum


class Absent(Enum):
    """What stands for the value of an axis that does not apply: not a number, so that arithmetic on it is an error."""

    SPAD = "no scratchpad"


@dataclass(frozen=True)
class Axis:
    """One numeric axis: its name (unit included), whether whole numbers only, its default and its meaning.

    `spads`: it applies to dataflows whose PEs have spads only.
    """

    name: str
    integer: bool
    default: float
    description: str
    spads: bool = False


NUMERIC_AXES: tuple[Axis, ...] = (
    Axis("rows", True, 12, "PE rows of the array"),
    Axis("cols", True, 14, "PE columns of the array"),
    Axis("ifmap_spad_words", True, 12, "ifmap scratchpad depth of a PE, in activation words", spads=True),
    Axis("filter_spad_words", True, 224, "filter scratchpad depth of a PE, in weight words", spads=True),
    Axis("psum_spad_words", True, 24, "psum scratchpad depth of a PE, in psum words", spads=True),
    Axis("glb_kib", True, 108, "global buffer capacity, KiB"),
    Axis(
        "glb_bytes_per_cycle",
        True,
        8,
        "GLB word and width of its buses; in row stationary the ifmap bus is a quarter of that",
    ),
    Axis("dram_gb_s", False, 4.0, "DRAM bandwidth, 1e9 bytes per second"),
    Axis("clock_mhz", False, MAX_CLOCK, "clock in MHz, or `max`: the design's own maximum"),
    Axis("batch", True, 1, "ifmaps processed together"),
)
SPAD_AXES: tuple[str, ...] = tuple(axis.name for axis in NUMERIC_AXES if axis.spads)
SPACE_AXES: tuple[str, ...] = ("pe_type", "dataflow", *(axis.name for axis in NUMERIC_AXES))


@dataclass(frozen=True)
class Designs:
    """Designs of one PE type and one dataflow. Numeric fields broadcast to `shape`; `clock_mhz` inf means `max`.

    Without spads the spad fields are scalar arrays of `Absent.SPAD`.
    """

    pe_type: str
    dataflow: str
    rows: IntArray
    cols: IntArray
    ifmap_spad_words: IntArray
    filter_spad_words: IntArray
    psum_spad_words: IntArray
    glb_kib: IntArray
    glb_bytes_per_cycle: IntArray
    dram_gb_s: FloatArray
    clock_mhz: FloatArray
    batch: IntArray

    @classmethod
    def of(cls, pe_type: str, dataflow: str, values: Mapping[str, Any]) -> Designs:
        """Designs from array-likes by axis name; axes that are left out take their default."""
        columns: dict[str, Any] = {
            axis.name: np.asarray(values.get(axis.name, axis.default), np.int64 if axis.integer else np.float64)
            for axis in NUMERIC_AXES
        }
        return cls(pe_type, dataflow, **columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """The broadcast shape of all numeric fields."""
        return np.broadcast_shapes(*(getattr(self, axis.name).shape for axis in NUMERIC_AXES))

    def without_spads(self) -> Designs:
        """The same designs with PEs that have no spads: registers instead."""
        absent: dict[str, Any] = {name: np.asarray(Absent.SPAD, np.object_) for name in SPAD_AXES}
        return replace(self, **absent)

    def has(self, name: str) -> bool:
        """Whether an axis applies to these designs."""
        return bool(getattr(self, name).dtype != np.object_)

    def column(self, name: str) -> NDArray[Any]:
        """One axis broadcast to `shape` and flattened."""
        return np.broadcast_to(getattr(self, name), self.shape).ravel()


@dataclass(frozen=True)
class Block:
    """A run of designs that share PE type and dataflow; `design_ids` has one id per design in C order."""

    design_ids: IntArray
    designs: Designs


@dataclass(frozen=True)
class Grid:
    """The designs of one PE type and one dataflow: every combination of the values of `axes`, those that apply.

    Ids rise from `start` in C order.
    """

    pe_type: str
    dataflow: str
    axes: Mapping[str, tuple[float, ...]]
    start: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values per axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def size(self) -> int:
        """Number of designs."""
        return math.prod(self.shape)

    def blocks(self, max_designs: int) -> Iterator[Block]:
        """The whole grid as open meshes of at most `max_designs` designs, ids rising and contiguous."""
        sizes, split = self.shape, 0
        while split < len(sizes) and math.prod(sizes[split:]) > max_designs:
            split += 1
        inner = math.prod(sizes[split:])
        axes = list(self.axes.values())
        for index, outer in enumerate(product(*axes[:split])):
            mesh = np.ix_(*((value,) for value in outer), *axes[split:])
            low = self.start + index * inner
            ids = np.arange(low, low + inner, dtype=np.int64)
            yield Block(ids, self.designs(dict(zip(self.axes, mesh, strict=True))))

    def mesh(self) -> Designs:
        """The whole grid as one open mesh."""
        return self.designs(dict(zip(self.axes, np.ix_(*self.axes.values()), strict=True)))

    def largest(self) -> Designs:
        """The most of every resource that any of its designs has, for each batch; a column."""
        most = {name: max(values) for name, values in self.axes.items() if name not in ("clock_mhz", "batch")}
        return self.designs(most | {"batch": self.axes["batch"]})

    def decode(self, design_ids: IntArray) -> Designs:
        """The designs with these ids, as columns."""
        indices = np.unravel_index(design_ids - self.start, self.shape)
        pairs = zip(self.axes.items(), indices, strict=True)
        return self.designs({name: np.asarray(values)[index] for (name, values), index in pairs})

    def designs(self, values: Mapping[str, Any]) -> Designs:
        """Designs of its PE type and dataflow from array-likes by axis; those left out take their default."""
        designs = Designs.of(self.pe_type, self.dataflow, values)
        return designs if all(name in self.axes for name in SPAD_AXES) else designs.without_spads()


@dataclass(frozen=True)
class DesignSpace:
    """The values of every axis, in the order of `SPACE_AXES`. `spad_dataflows` are those whose PEs have spads.

    A design is a combination of the values of the axes that apply to its dataflow; the module describes its id.
    """

    pe_type: tuple[str, ...]
    dataflow: tuple[str, ...]
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    ifmap_spad_words: tuple[int, ...]
    filter_spad_words: tuple[int, ...]
    psum_spad_words: tuple[int, ...]
    glb_kib: tuple[int, ...]
    glb_bytes_per_cycle: tuple[int, ...]
    dram_gb_s: tuple[float, ...]
    clock_mhz: tuple[float, ...]
    batch: tuple[int, ...]
    spad_dataflows: tuple[str, ...]

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Axis name -> values, of the axes that apply to any of the dataflows."""
        names = (name for name in SPACE_AXES if self.spad_dataflows or name not in SPAD_AXES)
        return {name: getattr(self, name) for name in names}

    @property
    def grids(self) -> tuple[Grid, ...]:
        """One grid per pair of PE type and dataflow, in the order of ids."""
        grids: list[Grid] = []
        start = 0
        for pe_type, dataflow in product(self.pe_type, self.dataflow):
            spads = dataflow in self.spad_dataflows
            axes = {axis.name: getattr(self, axis.name) for axis in NUMERIC_AXES if spads or not axis.spads}
            grids.append(Grid(pe_type, dataflow, axes, start))
            start += grids[-1].size
        return tuple(grids)

    @property
    def size(self) -> int:
        """Number of designs."""
        return sum(grid.size for grid in self.grids)

    def blocks(self, max_designs: int) -> Iterator[Block]:
        """The whole space as open meshes of at most `max_designs` designs, ids rising and contiguous."""
        for grid in self.grids:
            yield from grid.blocks(max_designs)

    def select(self, design_ids: IntArray, max_designs: int) -> Iterator[Block]:
        """The given designs (ids ascending) as column blocks of at most `max_designs` each."""
        for grid in self.grids:
            low, high = np.searchsorted(design_ids, (grid.start, grid.start + grid.size))
            for first in range(int(low), int(high), max_designs):
                ids = design_ids[first : min(first + max_designs, int(high))]
                yield Block(ids, grid.decode(ids))

    def ids(self, indices: Mapping[str, IntArray]) -> IntArray:
        """Ids of designs from columns of value indices by axis; indices into axes that do not apply have no effect."""
        pair = indices["pe_type"] * len(self.dataflow) + indices["dataflow"]
        found = np.empty_like(pair)
        for number, grid in enumerate(self.grids):
            own = pair == number
            place = np.ravel_multi_index([indices[name][own] for name in grid.axes], grid.shape)
            found[own] = grid.start + place
        return found
