"""The design space: its axes, and designs as a struct of arrays of any broadcastable shape.

A design is one value per axis. `DesignSpace` numbers its designs in C order of `SPACE_AXES` (PE type slowest), so a
design's id is its flat index in the grid and any id can be decoded again. `Designs` holds one PE type and one dataflow,
and per numeric axis an array: scalars, equally long columns, or an open mesh (`numpy.ix_`); every formula downstream
is element-wise and serves all three alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX_CLOCK = math.inf  # a clock setting of "max": run each design at its own maximum


@dataclass(frozen=True)
class Axis:
    """One numeric axis: its name (unit included), whether whole numbers only, its default and its meaning."""

    name: str
    integer: bool
    default: float
    description: str


NUMERIC_AXES: tuple[Axis, ...] = (
    Axis("rows", True, 12, "PE rows of the array"),
    Axis("cols", True, 14, "PE columns of the array"),
    Axis("ifmap_spad_words", True, 12, "ifmap scratchpad depth of a PE, in activation words"),
    Axis("filter_spad_words", True, 224, "filter scratchpad depth of a PE, in weight words"),
    Axis("psum_spad_words", True, 24, "psum scratchpad depth of a PE, in psum words"),
    Axis("glb_kib", True, 108, "global buffer capacity, KiB"),
    Axis("glb_bytes_per_cycle", True, 8, "GLB word and width of the filter and psum buses; the ifmap bus is a quarter"),
    Axis("dram_gb_s", False, 4.0, "DRAM bandwidth, 1e9 bytes per second"),
    Axis("clock_mhz", False, MAX_CLOCK, "clock in MHz, or `max`: the design's own maximum"),
    Axis("batch", True, 1, "ifmaps processed together"),
)
SPACE_AXES: tuple[str, ...] = ("pe_type", "dataflow", *(axis.name for axis in NUMERIC_AXES))


@dataclass(frozen=True)
class Designs:
    """Designs of one PE type and one dataflow. Numeric fields broadcast to `shape`; `clock_mhz` inf means `max`."""

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

    def with_trailing_axis(self) -> Designs:
        """The same designs with room for one more axis of alternatives behind those of `shape`."""
        return replace(self, **{axis.name: getattr(self, axis.name)[..., None] for axis in NUMERIC_AXES})

    def column(self, name: str) -> NDArray[Any]:
        """One axis broadcast to `shape` and flattened."""
        return np.broadcast_to(getattr(self, name), self.shape).ravel()


@dataclass(frozen=True)
class Block:
    """A run of designs that share PE type and dataflow; `design_ids` has one id per design in C order."""

    design_ids: IntArray
    designs: Designs


@dataclass(frozen=True)
class DesignSpace:
    """The values of every axis, in the order of `SPACE_AXES`; the space is their full product."""

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

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Axis name -> values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

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
        sizes = self.shape
        split = 2  # a block holds one PE type and one dataflow
        while split < len(sizes) and math.prod(sizes[split:]) > max_designs:
            split += 1
        inner = math.prod(sizes[split:])
        numeric = list(self.axes.items())[2:]
        for index, outer in enumerate(product(*list(self.axes.values())[:split])):
            fixed = [(value,) for value in outer[2:]]
            open_axes = np.ix_(*fixed, *(values for _, values in numeric[len(fixed) :]))
            mesh = {name: array for (name, _), array in zip(numeric, open_axes, strict=True)}
            ids = np.arange(index * inner, (index + 1) * inner, dtype=np.int64)
            yield Block(ids, Designs.of(outer[0], outer[1], mesh))

    def select(self, design_ids: IntArray, max_designs: int) -> Iterator[Block]:
        """The given designs (ids ascending) as column blocks of at most `max_designs` each."""
        kinds = len(self.dataflow) * math.prod(self.shape[2:])
        flow = math.prod(self.shape[2:])
        group = design_ids // flow
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(design_ids)], strict=True):
            for low in range(int(start), int(stop), max_designs):
                ids = design_ids[low : min(low + max_designs, int(stop))]
                pe_type = self.pe_type[int(ids[0]) // kinds]
                dataflow = self.dataflow[int(ids[0]) % kinds // flow]
                yield Block(ids, Designs.of(pe_type, dataflow, self._decode(ids)))

    def _decode(self, design_ids: IntArray) -> dict[str, NDArray[Any]]:
        indices = np.unravel_index(design_ids, self.shape)
        pairs: Sequence[tuple[str, tuple[Any, ...]]] = list(self.axes.items())
        return {name: np.asarray(values)[index] for (name, values), index in zip(pairs[2:], indices[2:], strict=True)}
