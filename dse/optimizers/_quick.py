"""Scores of candidates from the compiled search alone: no points are made, which take longest in small populations.

Cycles and energy of a layer are found once for all runs of a round that share it and the design. Sums are in another
order than in `dse.evaluate`, so the scores lead the search; what is written is evaluated in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dse.config import Study
from dse.evaluate import reduction_fits
from dse.mapping.bench import Bench
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.nest import KEPT
from dse.mapping.compiled.program import Arrays, Program, in_parts
from dse.metrics import METRICS, Totals
from dse.optimizers._candidates import Runs, runs_of
from dse.optimizers._exploration import Evaluator, FloatArray, Scores
from dse.optimizers._lattice import IntArray
from dse.optimizers._scores import scores
from dse.space import Grid
from workloads.layer import Layer
from workloads.shared import LayerCount, count_table, shared_layers


def quick_scores(study: Study) -> Evaluator:
    """What scores candidates of a study that `can_prune`."""
    layers = shared_layers(study.workloads)
    counts = count_table(layers, len(study.workloads))
    macs = [workload.macs for workload in study.workloads]
    constants = {
        pe_type: np.column_stack([macs, [workload.accuracy_and_drop(pe_type) for workload in study.workloads]])
        for pe_type in study.space.pe_type
    }
    grids = [_QuickGrid(study, grid, layers, counts, constants[grid.pe_type]) for grid in study.space.grids]

    def evaluator(ids: IntArray) -> Scores:
        runs = runs_of(study, ids)
        values = {name: np.empty(len(runs.designs)) for name in study.metrics}
        feasible = np.empty(len(runs.designs), bool)
        for each in grids:
            own = np.flatnonzero((runs.designs >= each.grid.start) & (runs.designs < each.grid.start + each.grid.size))
            if len(own):
                totals = each.totals(Runs(runs.networks[own], runs.designs[own]))
                feasible[own] = np.isfinite(totals.total_cycles)
                for name, column in values.items():
                    column[own] = METRICS[name].compute(totals)
        return scores(study, values, feasible)

    return evaluator


@dataclass
class _QuickGrid:
    """Runs on designs of one grid; remembers choices that were good, which only makes it faster."""

    study: Study
    grid: Grid
    layers: Sequence[LayerCount]
    counts: IntArray  # (networks, layers): how often a network has a layer
    constants: FloatArray  # (networks, 3): MACs, accuracy, its drop below FP32
    programs: dict[int, Program] = field(default_factory=dict)
    pools: dict[int, FloatArray] = field(default_factory=dict)

    def totals(self, runs: Runs) -> Totals:
        """What each run costs; cycles are infinite where it is impossible."""
        designs, place = np.unique(runs.designs, return_inverse=True)
        bench = Bench.of(self.grid.decode(designs), self.study.technology)
        arrays, hardware = _Arrays(CellArrays.of(bench)), bench.costs
        cycles, energy_pj = np.zeros(len(place)), np.zeros(len(place))
        for index in np.flatnonzero(self.counts[runs.networks].any(axis=0)):
            count = self.counts[runs.networks, index]
            own = np.flatnonzero(count)
            some, back = np.unique(place[own], return_inverse=True)
            kept = self._kept(int(index), arrays, some)
            cycles[own] += count[own] * kept[back, 0]
            energy_pj[own] += count[own] * kept[back, 1]
        cycles = np.where(np.broadcast_to(hardware.reason, designs.shape)[place] != 0, np.inf, cycles)
        columns = bench.designs.batch, hardware.pes, hardware.clock_mhz, sum(hardware.area_mm2.values())
        batch, pes, clock_mhz, area_mm2 = (np.broadcast_to(each, designs.shape)[place] for each in columns)
        macs, *accuracy = self.constants[runs.networks].T
        totals = Totals.without_parts(macs * batch, pes, batch, clock_mhz, cycles, area_mm2, energy_pj)
        return totals.with_accuracy(*accuracy)

    @cached_property
    def _largest(self) -> Bench:
        return Bench.of(self.grid.largest(), self.study.technology)

    def _kept(self, index: int, arrays: _Arrays, places: IntArray) -> FloatArray:
        """Cycles and energy of one layer on some of the designs, (designs, 2); infinite where it does not fit."""
        layer = self.layers[index].layer
        if not reduction_fits(self.grid.pe_type, layer):
            return np.full((len(places), len(KEPT)), np.inf)
        if index not in self.programs:
            self.programs[index] = Program.of(self._largest, layer, self.study.mapping_objective, value_only=False)
        program, found = self.programs[index], []
        some = {name: array[places] for name, array in arrays.of(program, layer).items()}
        for written in in_parts(program, some, self.pools.get(index)):
            found.append(written["kept"][:, :, 0, 0])
            self.pools[index] = written["pool"]
        return np.concatenate(found)


@dataclass(frozen=True)
class _Arrays:
    """What the compiled search reads of the designs of a round: the same for all layers, but that a matmul has its own
    batch."""

    designs: CellArrays
    found: dict[bool, Arrays] = field(default_factory=dict)

    def of(self, program: Program, layer: Layer) -> Arrays:
        """For the program of a layer."""
        matmul = program.form.repeated
        if matmul not in self.found:
            self.found[matmul] = self.designs.all(program.form, layer)
        return self.found[matmul]
