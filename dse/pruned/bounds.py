"""What none of the designs of a box undercuts: cycles, energy and area of a workload.

A box is priced as one design that has the most of every resource and the least of every price and of area in the box,
its network mapped for the fewest cycles and, apart, for the least energy. No design of the box does better: with more
of a resource the mappings that fitted still fit and no count rises (docs/laws.md), and cycles and energy rise with the
prices. SAFETY covers the rounding of sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.config import Study
from dse.costs import costs
from dse.mapping.bench import Bench
from dse.mapping.compiled.program import Arrays, Program, remembered
from dse.metrics import AREA_PARTS, CYCLE_PARTS, ENERGY_PARTS, Totals
from dse.pruned.boxes import Boxes, highest
from dse.space import FloatArray, Grid, IntArray
from workloads.shared import LayerCount, macs_of, shared_layers

SLACK = 1.01  # by which a bound may miss the best that it could be: a faster search
SAFETY = 1e-9
OBJECTIVES = ("latency", "energy")


@dataclass
class BoxBounds:
    """Bounds of the boxes of one grid; remembers choices that were good, which only makes it faster."""

    grid: Grid
    layers: list[LayerCount]
    programs: list[dict[str, Program]]
    workloads: int
    minima: list[tuple[tuple[str, ...], NDArray[Any]]]  # names, and arrays of shape (names, *grid) of what is minimized
    pools: dict[tuple[int, str], FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, grid: Grid) -> BoxBounds:
        """For all workloads of the study."""
        designs = grid.mesh()
        hardware = costs(designs, study.technology)
        bench = Bench.of(grid.largest(), study.technology)
        layers = shared_layers(study.workloads)
        programs = [
            {name: Program.of(bench, each.layer, name, value_only=True) for name in OBJECTIVES} for each in layers
        ]
        prices = {name: value for name, value in vars(hardware.prices).items() if name not in ("bits", "sparsity")}
        fields: dict[str, Any] = prices | {
            "area_mm2": sum(hardware.area_mm2.values()), "pes": hardware.pes, "period_us": 1 / hardware.clock_mhz,
            "unsound": hardware.reason != 0,
        }  # fmt: skip
        return cls(grid, layers, programs, len(study.workloads), _by_shape(fields, len(grid.shape)))

    def totals(self, boxes: Boxes) -> list[Totals]:
        """Of each workload, what no design of a box undercuts; cycles are infinite where none can run it."""
        least = self._least(boxes)
        most = {
            name: highest(values)[boxes.low[:, axis], boxes.high[:, axis]]
            for axis, (name, values) in enumerate(self.grid.axes.items())
        }
        cycles, energy_pj = (np.zeros((self.workloads, len(boxes))) for _ in OBJECTIVES)
        for index, (each, programs) in enumerate(zip(self.layers, self.programs, strict=True)):
            costs_of = [self._least_costs(index, name, _arrays(programs[name], most, least)) for name in OBJECTIVES]
            for workload, count in each.counts:
                cycles[workload] += count * costs_of[0]
                energy_pj[workload] += count * costs_of[1]
        cycles = np.where(least["unsound"] > 0, np.inf, cycles)
        return [
            _totals(macs_of(self.layers, workload), most["batch"], least, cycles[workload], energy_pj[workload])
            for workload in range(self.workloads)
        ]

    def _least_costs(self, index: int, objective: str, of_cells: Arrays) -> FloatArray:
        program = self.programs[index][objective]
        pool = self.pools.get((index, objective), np.empty((0, len(program.form.names))))
        written = program.run(of_cells, pool, SLACK)
        self.pools[index, objective] = remembered(written, pool)
        return written["best"][:, 0, 0, 0] / SLACK

    def _least(self, boxes: Boxes) -> dict[str, FloatArray]:
        """The least value of each price, of area and of time, in each box."""
        found: dict[str, FloatArray] = {}
        for names, array in self.minima:
            high = np.minimum(boxes.high, np.asarray(array.shape[1:]) - 1)  # of axes along which nothing varies
            low = np.minimum(boxes.low, high)
            rows = [array[_part(*ends)].reshape(len(names), -1).min(axis=1) for ends in zip(low, high, strict=True)]
            found |= dict(zip(names, np.asarray(rows).T, strict=True))
        return found


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


def _arrays(program: Program, most: dict[str, FloatArray], least: dict[str, FloatArray]) -> Arrays:
    """Boxes as cells of one design each."""
    form, one = program.form, np.ones_like(most["batch"])
    axes = [most[name] if name != "batch" or not form.repeated else one for name in form.axes]
    of_cells, of_widths, of_designs = (np.stack([least[name] for name in names], axis=1) for names in form.prices)
    return {
        "cells": np.stack([*axes, most["batch"]], axis=1), "widths": most["glb_bytes_per_cycle"][:, None],
        "cell_prices": of_cells, "width_prices": of_widths[..., None], "design_prices": of_designs[..., None, None],
    }  # fmt: skip


def _totals(
    macs: int, batch: FloatArray, least: dict[str, FloatArray], cycles: FloatArray, energy_pj: FloatArray
) -> Totals:
    """Totals with all cycles, energy and area in one part."""
    return Totals(
        macs=macs * batch, pes=least["pes"], batch=batch, clock_mhz=1 / least["period_us"],
        cycles=dict.fromkeys(CYCLE_PARTS, 0.0) | {"compute": cycles * (1 - SAFETY)},
        area_mm2=dict.fromkeys(AREA_PARTS, 0.0) | {"pe": least["area_mm2"] * (1 - SAFETY)},
        energy_pj=dict.fromkeys(ENERGY_PARTS, 0.0) | {"mac": energy_pj * (1 - SAFETY)}, dram_bits=0.0, glb_bits=0.0,
    )  # fmt: skip
