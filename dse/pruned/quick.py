"""Cycles and energy of designs as the compiled search reports them: no parts, and sums in another order than in
`dse.evaluate`, so they tell which designs are worth evaluating, not what is written."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dse.config import Study
from dse.evaluate import reduction_fits
from dse.mapping.bench import Bench
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.program import Program, in_parts
from dse.metrics import CYCLE_PARTS, ENERGY_PARTS, Totals
from dse.pruned.front import costs_of
from dse.space import FloatArray, Grid, IntArray
from workloads.shared import LayerCount, macs_of, shared_layers


@dataclass
class QuickCosts:
    """Evaluates designs of one grid, as columns; remembers choices that were good."""

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

    def costs(self, ids: IntArray) -> list[FloatArray]:
        """Of each workload, the objectives of designs as costs; see `costs_of`."""
        return [costs_of(self.study, totals, len(ids)) for totals in self.totals(ids)]

    def logarithms(self, ids: IntArray) -> FloatArray:
        """Of time, energy and area, (3, designs): how they change, whatever the objectives; of the first workload."""
        totals = self.totals(ids)[0]
        rows = totals.latency_ms, totals.energy_mj, totals.total_area_mm2
        values = np.stack([np.broadcast_to(row, len(ids)) for row in rows])
        return np.log(np.where(np.isfinite(values), values, np.max(values, where=np.isfinite(values), initial=1.0)))

    def totals(self, ids: IntArray) -> list[Totals]:
        """Of each workload; cycles are infinite where a design cannot run it."""
        designs = self.grid.decode(ids)
        bench = Bench.of(designs, self.study.technology)
        hardware, workloads = bench.costs, range(len(self.study.workloads))
        cycles, energy_pj = (np.zeros((len(workloads), len(ids))) for _ in range(2))
        arrays = CellArrays.of(bench)
        for index, each in enumerate(self.layers):
            kept = self._kept(index, arrays)
            for workload, count in each.counts:
                cycles[workload] += count * kept[:, 0]
                energy_pj[workload] += count * kept[:, 1]
        cycles = np.where(hardware.reason != 0, np.inf, cycles)
        return [
            Totals(
                macs=macs_of(self.layers, w) * designs.batch, pes=hardware.pes, batch=designs.batch,
                clock_mhz=hardware.clock_mhz, cycles=dict.fromkeys(CYCLE_PARTS, 0.0) | {"compute": cycles[w]},
                area_mm2=hardware.area_mm2, energy_pj=dict.fromkeys(ENERGY_PARTS, 0.0) | {"mac": energy_pj[w]},
                dram_bits=0.0, glb_bits=0.0,
            )
            for w in workloads
        ]  # fmt: skip

    def _kept(self, index: int, arrays: CellArrays) -> FloatArray:
        """Cycles and energy of one layer, (designs, 2); infinite where it does not fit."""
        each, program = self.layers[index], self.programs[index]
        if not reduction_fits(self.grid.pe_type, each.layer):
            return np.full((1, 2), np.inf)
        of_cells, kept = arrays.all(program.form, each.layer), []
        for written in in_parts(program, of_cells, self.pools.get(index)):
            kept.append(written["kept"][:, :, 0, 0])
            self.pools[index] = written["pool"]
        return np.concatenate(kept)
