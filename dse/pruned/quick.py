"""Cycles and energy of designs as the compiled search reports them: no parts, and sums in another order than in
`dse.evaluate`, so they tell which designs are worth evaluating, not what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.config import Study
from dse.evaluate import reduction_fits
from dse.mapping.bench import Bench
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.nest import KEPT
from dse.mapping.compiled.parts import parts
from dse.mapping.compiled.program import Program
from dse.metrics import Totals
from dse.pruned.front import Costs, costs_of
from dse.space import Designs, FloatArray, Grid
from workloads.layer import Workload
from workloads.shared import LayerCount, shared_layers


@dataclass
class QuickCosts:
    """Evaluates designs of one grid, columns or meshes; remembers choices that were good."""

    study: Study
    grid: Grid
    layers: list[LayerCount]
    programs: list[Program]
    pools: dict[int, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, grid: Grid) -> QuickCosts:
        """For all workloads of the study."""
        bench = Bench.of(grid.largest(), study.technology)
        layers = shared_layers(study.workloads)
        objective = study.mapping_objective
        return cls(study, grid, layers, [Program.of(bench, each.layer, objective, value_only=False) for each in layers])

    def costs(self, designs: Designs) -> Costs:
        """The objectives of designs as costs, (workloads, designs)."""
        return costs_of(self.study, self.totals(designs), (len(self.study.workloads), *designs.shape))

    def logarithms(self, designs: Designs) -> FloatArray:
        """Of time, energy and area, (3, designs): how they change, whatever the objectives; of the first workload."""
        totals = self.totals(designs)
        rows = totals.latency_ms[0], totals.energy_mj[0], totals.total_area_mm2
        values = np.stack([np.broadcast_to(row, designs.shape) for row in rows])
        return np.log(np.where(np.isfinite(values), values, np.max(values, where=np.isfinite(values), initial=1.0)))

    def totals(self, designs: Designs) -> Totals:
        """Of (workloads, *shape of the designs); cycles are infinite where a design cannot run the workload."""
        bench = Bench.of(designs, self.study.technology)
        hardware, arrays, workloads = bench.costs, CellArrays.of(bench), self.study.workloads
        cycles, energy_pj = (np.zeros((len(workloads), *designs.shape)) for _ in range(2))
        for index, each in enumerate(self.layers):
            kept = self._kept(index, bench, arrays)
            for workload, count in each.counts:
                cycles[workload] += count * kept[0]
                energy_pj[workload] += count * kept[1]
        cycles = np.where(hardware.reason != 0, np.inf, cycles)
        totals = Totals.without_parts(
            per_workload([workload.macs for workload in workloads], designs.shape) * designs.batch, hardware.pes,
            designs.batch, hardware.clock_mhz, cycles, sum(hardware.area_mm2.values()), energy_pj,
        )  # fmt: skip
        return with_constants(totals, workloads, designs.pe_type, designs.shape)

    def _kept(self, index: int, bench: Bench, arrays: CellArrays) -> list[FloatArray]:
        """Cycles and energy of one layer, with the shape of the designs; infinite where it does not fit."""
        each, program = self.layers[index], self.programs[index]
        kept = np.full((arrays.cells, len(KEPT), *arrays.inner), np.inf)
        if reduction_fits(self.grid.pe_type, each.layer):
            for place, written in parts(program, arrays, each.layer, self.pools.get(index)):
                kept[place] = written["kept"]
                self.pools[index] = written["pool"]
        return [bench.cells.restored(arrays.restored(kept[:, row])) for row in range(len(KEPT))]


def per_workload(values: Sequence[float], shape: tuple[int, ...]) -> NDArray[Any]:
    """One value per workload, (workloads, 1, ...), to go with designs or boxes of a shape."""
    return np.asarray(values).reshape(-1, *(1 for _ in shape))


def with_constants(totals: Totals, workloads: Sequence[Workload], pe_type: str, shape: tuple[int, ...]) -> Totals:
    """Totals of (workloads, *shape) with the accuracies of the workloads; NaN where they are not known."""
    known = zip(*(workload.accuracy_and_drop(pe_type) for workload in workloads), strict=True)
    return totals.with_accuracy(*(per_workload(values, shape) for values in known))
