"""The compiled search on the designs of a bench: arrays in, mappings out."""

from __future__ import annotations

import numpy as np

from dse.mapping.bench import Bench, mapped_together
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.parts import parts
from dse.mapping.compiled.program import Program
from dse.traffic import Mapping
from workloads.layer import Layer


def compiled_mapping(bench: Bench, layer: Layer, objective: str) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    flow, cells = bench.flow, bench.cells
    program, arrays = Program.of(bench, layer, objective, value_only=False), CellArrays.of(bench)
    won = np.empty((cells.count, len(program.form.names), *arrays.inner))
    for place, written in parts(program, arrays, layer, None):
        won[place] = written["won"]
    won = np.where(won[:, :1] < 0, program.smallest[:, None, None], won).astype(np.int64)
    full = {name: arrays.restored(won[:, index]) for index, name in enumerate(program.form.names)}
    together = mapped_together(layer, bench.cell_designs)
    mapping = flow.complete(flow.geometry(layer), together, bench.cell_prices.bits, full, {})
    shape = (*cells.inner_shape, cells.count)
    return {name: cells.restored(np.broadcast_to(values, shape)) for name, values in mapping.items()}
