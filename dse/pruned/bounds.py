"""What none of the designs of a box undercuts: cycles, energy and area of each workload.

A box is priced as one design that has the most of every resource and the least of every price and of area in the box,
its network mapped for the fewest cycles and, apart, for the least energy. No design of the box does better: with more
of a resource the mappings that fitted still fit and no count rises (docs/laws.md; of an axis of which that is not true
a box has one value), and cycles and energy rise with the prices. A half of a box has no lower bounds than the whole: it
begins with these, and as soon as they suffice to leave it out no more layers are mapped. SAFETY covers the rounding of
sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.config import Study
from dse.costs import costs
from dse.mapping.bench import Bench
from dse.mapping.compiled.program import Arrays, Program, in_parts
from dse.metrics import Totals
from dse.pruned.boxes import Boxes, highest
from dse.pruned.quick import with_constants
from dse.space import BoolArray, FloatArray, Grid, IntArray
from workloads.layer import Workload
from workloads.shared import LayerCount, count_table, shared_layers

SLACK = 1.003  # by which a bound may miss the best that it could be: a faster search
SAFETY = 1e-9
OBJECTIVES = ("latency", "energy")
LAYERS_AT_A_TIME = 4
# Of bounds of (workloads, boxes): which of the pairs (box, workload) that are still open may matter.
Needed = Callable[[Totals, BoolArray], BoolArray]


@dataclass(frozen=True)
class Known:
    """Least cycles and energy of each layer in boxes, (boxes, 2, layers); the resources that the cycles are for; and
    the workloads that a box may matter to, (boxes, workloads)."""

    least: FloatArray
    resources: FloatArray
    open: BoolArray

    def some(self, chosen: BoolArray | IntArray) -> Known:
        """Those under a mask, or at some places."""
        return Known(self.least[chosen], self.resources[chosen], self.open[chosen])


@dataclass
class BoxBounds:
    """Bounds of the boxes of one grid; remembers choices that were good, which only makes it faster."""

    grid: Grid
    workloads: Sequence[Workload]
    layers: list[LayerCount]
    programs: list[dict[str, Program]]
    counts: FloatArray  # (workloads, layers)
    highest: dict[str, FloatArray]  # of the values of each axis from one place to another
    minima: list[tuple[tuple[str, ...], NDArray[Any]]]  # names, and arrays of shape (names, *grid) of what is minimized
    pools: dict[tuple[int, str], FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, grid: Grid) -> BoxBounds:
        """For all workloads of the study; the layers with the most MACs first."""
        hardware = costs(grid.mesh(), study.technology)
        bench = Bench.of(grid.largest(), study.technology)
        layers = sorted(shared_layers(study.workloads), key=lambda each: -each.layer.macs * each.counts[0][1])
        programs = [
            {name: Program.of(bench, each.layer, name, value_only=True) for name in OBJECTIVES} for each in layers
        ]
        counts = count_table(layers, len(study.workloads)).astype(np.float64)
        prices = {name: value for name, value in vars(hardware.prices).items() if name not in ("bits", "sparsity")}
        fields: dict[str, Any] = prices | {
            "area_mm2": sum(hardware.area_mm2.values()), "pes": hardware.pes, "period_us": 1 / hardware.clock_mhz,
            "unsound": hardware.reason != 0,
        }  # fmt: skip
        tables = {name: highest(values) for name, values in grid.axes.items()}
        return cls(grid, study.workloads, layers, programs, counts, tables, _by_shape(fields, len(grid.shape)))

    def nothing_known(self, boxes: int) -> Known:
        """Bounds of boxes of which nothing is known."""
        workloads, layers = self.counts.shape
        return Known(np.zeros((boxes, 2, layers)), np.full((boxes, 1), np.nan), np.ones((boxes, workloads), bool))

    def raised(self, boxes: Boxes, known: Known, needed: Needed) -> tuple[BoolArray, Known]:
        """Which of the boxes are needed, and what is known of them now."""
        lowest = self._lowest(boxes)
        most = {
            name: table[boxes.low[:, axis], boxes.high[:, axis]]
            for axis, (name, table) in enumerate(self.highest.items())
        }
        resources = np.stack(
            [*(most[name] for name in most if name in RESOURCES), lowest["dram_cycles_per_bit"]], axis=1
        )
        same = np.zeros(len(boxes), bool)
        if resources.shape == known.resources.shape:
            same = np.asarray((resources == known.resources).all(axis=1))
        least, open_ = known.least.copy(), known.open & (lowest["unsound"] == 0)[:, None]
        open_ = needed(self._totals(most, lowest, least), open_)
        for number, objective in enumerate(OBJECTIVES):
            done = same if objective == "latency" else np.zeros_like(same)
            for first in range(0, len(self.layers), LAYERS_AT_A_TIME):
                active = np.flatnonzero(open_.any(axis=1) & ~done)
                if not len(active):
                    break
                for index in range(first, min(first + LAYERS_AT_A_TIME, len(self.layers))):
                    own = active[open_[np.ix_(active, self.counts[:, index] > 0)].any(axis=1)]
                    if len(own):
                        found = self._least_costs(index, objective, _of(most, own), _of(lowest, own))
                        least[own, number, index] = np.maximum(least[own, number, index], found)
                bounds = self._totals(_of(most, active), _of(lowest, active), least[active])
                open_[active] = needed(bounds, open_[active])
        return np.asarray(open_.any(axis=1)), Known(least, resources, open_)

    def _least_costs(
        self, index: int, objective: str, most: dict[str, FloatArray], lowest: dict[str, FloatArray]
    ) -> FloatArray:
        program = self.programs[index][objective]
        found = []
        for written in in_parts(program, _arrays(program, most, lowest), self.pools.get((index, objective)), SLACK):
            found.append(written["best"][:, 0, 0, 0] / SLACK)
            self.pools[index, objective] = written["pool"]
        return np.concatenate(found)

    def _lowest(self, boxes: Boxes) -> dict[str, FloatArray]:
        """The least value of each price, of area and of time, in each box."""
        found: dict[str, FloatArray] = {}
        for names, array in self.minima:
            high = np.minimum(boxes.high, np.asarray(array.shape[1:]) - 1)  # of axes along which nothing varies
            low = np.minimum(boxes.low, high)
            rows = [array[_part(*ends)].reshape(len(names), -1).min(axis=1) for ends in zip(low, high, strict=True)]
            found |= dict(zip(names, np.asarray(rows).T, strict=True))
        return found

    def _totals(self, most: dict[str, FloatArray], lowest: dict[str, FloatArray], least: FloatArray) -> Totals:
        """Of (workloads, boxes)."""
        cycles, energy_pj = (self._sums(least[:, number]) * (1 - SAFETY) for number in range(2))
        macs = np.asarray([each.macs for each in self.workloads], np.float64)[:, None] * most["batch"]
        totals = Totals.without_parts(
            macs, lowest["pes"], most["batch"], 1 / lowest["period_us"], cycles, lowest["area_mm2"] * (1 - SAFETY),
            energy_pj,
        )  # fmt: skip
        return with_constants(totals, self.workloads, self.grid.pe_type, most["batch"].shape)

    def _sums(self, of_layers: FloatArray) -> FloatArray:
        """Of (boxes, layers), over the layers of each network; what others do not fit is none of its concern."""
        fits = np.isfinite(of_layers)
        sums = self.counts @ np.where(fits, of_layers, 0.0).T
        return np.where((self.counts > 0) @ ~fits.T, np.inf, sums)


RESOURCES = (
    "rows", "cols", "ifmap_spad_words", "filter_spad_words", "psum_spad_words", "glb_kib", "glb_bytes_per_cycle",
    "batch",
)  # fmt: skip


def _of(values: dict[str, FloatArray], places: IntArray) -> dict[str, FloatArray]:
    return {name: array[places] for name, array in values.items()}


def _part(low: IntArray, high: IntArray) -> tuple[slice, ...]:
    """A box in an array of shape (names, *grid)."""
    return (slice(None), *(slice(first, last + 1) for first, last in zip(low.tolist(), high.tolist(), strict=True)))


def _by_shape(fields: dict[str, Any], dims: int) -> list[tuple[tuple[str, ...], NDArray[Any]]]:
    """Arrays of equal shape as one."""
    groups: dict[tuple[int, ...], dict[str, NDArray[Any]]] = {}
    for name, value in fields.items():
        array = np.asarray(value, np.float64)
        array = array.reshape((1,) * (dims - array.ndim) + array.shape)
        groups.setdefault(array.shape, {})[name] = array
    return [(tuple(group), np.stack(list(group.values()))) for group in groups.values()]


def _arrays(program: Program, most: dict[str, FloatArray], lowest: dict[str, FloatArray]) -> Arrays:
    """Boxes as cells of one design each."""
    form, one = program.form, np.ones_like(most["batch"])
    axes = [most[name] if name != "batch" or not form.repeated else one for name in form.axes]
    of_cells, of_widths, of_designs = (np.stack([lowest[name] for name in names], axis=1) for names in form.prices)
    return {
        "cells": np.stack([*axes, most["batch"]], axis=1), "widths": most["glb_bytes_per_cycle"][:, None],
        "cell_prices": of_cells, "width_prices": of_widths[..., None], "design_prices": of_designs[..., None, None],
    }  # fmt: skip
