"""Candidates -> their rows of points, as a sweep writes them, to the bit.

Runs of a grid are evaluated together, a layer on all designs whose network has it: there are many pairs of a network
and a design, and few layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from dse.block_points import ENDS_THE_RUN, block_points, canonical
from dse.config import Study
from dse.evaluate import Evaluation, evaluate_layer, layer_reason, reason_texts
from dse.mapping.bench import Bench
from dse.metrics import AREA_PARTS, CYCLE_PARTS, ENERGY_PARTS, Totals, of_networks
from dse.optimizers._candidates import Runs, runs_in, runs_of
from dse.optimizers._lattice import IntArray
from dse.points import SCHEMA, points_table
from dse.space import Block, Grid
from dse.sweep import BLOCK_DESIGNS
from workloads.shared import count_table, shared_layers


def full_points(study: Study, ids: IntArray) -> pa.Table:
    """The points of candidates, in their order and then that of the networks."""
    if of_networks(study.objectives):
        tables = list(_pairs(study, runs_of(study, ids)))
    else:
        tables = [block_points(study, block) for block in study.space.select(np.sort(ids), BLOCK_DESIGNS)]
    points = pa.concat_tables(tables).unify_dictionaries()
    found, wanted = runs_in(study, points), runs_of(study, ids)
    rows, places = (np.lexsort((runs.networks, runs.designs)) for runs in (found, wanted))
    return canonical([points.take(rows[np.argsort(places)])])


def _pairs(study: Study, runs: Runs) -> Iterator[pa.Table]:
    """The rows of pairs, grid by grid; where an evaluation raises, as a sweep of each network alone has them."""
    for grid in study.space.grids:
        own = np.flatnonzero((runs.designs >= grid.start) & (runs.designs < grid.start + grid.size))
        networks, designs = runs.networks[own], runs.designs[own]
        if not len(own):
            continue
        try:
            yield _grid_points(study, grid, networks, designs)
        except ENDS_THE_RUN:
            raise
        except Exception:
            for network in np.unique(networks):
                alone = replace(study, workloads=(study.workloads[network],))
                ids = np.sort(designs[networks == network])
                yield block_points(alone, Block(ids, grid.decode(ids)))


def _grid_points(study: Study, grid: Grid, networks: IntArray, designs: IntArray) -> pa.Table:
    """The rows of pairs on designs of one grid."""
    block = Block(designs, grid.decode(designs))
    evaluation = _evaluated(study, grid, networks, block)
    table = points_table(block, study.workloads[0], evaluation)
    known = [workload.accuracy(grid.pe_type) for workload in study.workloads]
    rated = pa.array(networks, mask=~table["feasible"].to_numpy())
    columns = {
        "workload": [workload.name for workload in study.workloads],
        "accuracy_error_percent": [None if each is None else each.error_percent for each in known],
        "accuracy_evidence": [None if each is None else each.evidence for each in known],
    }
    for name, of_network in columns.items():
        place = SCHEMA.get_field_index(name)
        kind = pa.float64() if name.endswith("percent") else pa.string()
        column = pa.array(of_network, kind).take(pa.array(networks) if name == "workload" else rated)
        table = table.set_column(place, SCHEMA.field(place), column.cast(SCHEMA.field(place).type))
    return table


def _evaluated(study: Study, grid: Grid, networks: IntArray, block: Block) -> Evaluation:
    """Each pair, as `dse.evaluate.evaluate` evaluates all networks on a design: layers in the same order."""
    hardware = Bench.of(block.designs, study.technology).costs
    totals = Totals(
        macs=0, pes=hardware.pes, batch=block.designs.batch, clock_mhz=hardware.clock_mhz, dram_bits=0, glb_bits=0,
        cycles=dict.fromkeys(CYCLE_PARTS, 0), area_mm2={part: hardware.area_mm2[part] for part in AREA_PARTS},
        energy_pj=dict.fromkeys(ENERGY_PARTS, 0.0),
    )  # fmt: skip
    reason = np.zeros(len(networks), np.int64)
    layers = shared_layers(study.workloads)
    for each, count in zip(layers, count_table(layers, len(study.workloads)).T, strict=True):
        own = np.flatnonzero(count[networks])
        if not len(own):
            continue
        some, back = np.unique(block.design_ids[own], return_inverse=True)
        bench = Bench.of(grid.decode(some), study.technology)
        result = evaluate_layer(bench, each.layer, study.mapping_objective, {})
        found = np.broadcast_to(layer_reason(bench, result), some.shape)[back]
        reason[own] = np.where(reason[own] == 0, found, reason[own])
        times: Any = count[networks]  # element-wise, as all else
        totals = totals.plus(_spread(result.totals, len(some), back, own, len(networks)).repeated(times))
    accuracies = [workload.accuracy_and_drop(grid.pe_type) for workload in study.workloads]
    totals = totals.with_accuracy(*np.asarray(accuracies)[networks].T)
    return Evaluation(totals, reason, reason_texts(bench.flow))


def _spread(totals: Totals, designs: int, back: IntArray, own: IntArray, length: int) -> Totals:
    """Counts and energies of some designs at the pairs `own`, which have the designs `back`; 0 elsewhere."""

    def put(value: Any) -> Any:
        column = np.zeros(length, np.asarray(value).dtype)
        column[own] = np.broadcast_to(value, designs)[back]
        return column

    return replace(
        totals, macs=put(totals.macs), dram_bits=put(totals.dram_bits), glb_bits=put(totals.glb_bits),
        cycles={part: put(value) for part, value in totals.cycles.items()},
        energy_pj={part: put(value) for part, value in totals.energy_pj.items()},
    )  # fmt: skip
