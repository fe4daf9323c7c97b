"""The compiled search on the designs of a bench: arrays in, mappings out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from dse.mapping.bench import Bench, mapped_together
from dse.mapping.choices import Tree, refinements
from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.nest import MASK_BITS
from dse.mapping.compiled.program import CELLS_PER_CALL, Arrays, Program, in_parts
from dse.space import IntArray
from dse.traffic import Mapping
from workloads.layer import Layer


def compiled_mapping(bench: Bench, layer: Layer, objective: str) -> Mapping:
    """The cheapest mapping of a layer per design; arrays of the shape of the designs."""
    flow, cells = bench.flow, bench.cells
    g, together = flow.geometry(layer), mapped_together(layer, bench.designs)
    program, arrays = Program.of(bench, layer, objective, value_only=False), CellArrays.of(bench)
    won = np.empty((cells.count, len(program.form.names), *arrays.inner))
    for cell, widths, others, written in _parts(program, arrays, layer):
        won[cell, :, widths, others] = written["won"]
    smallest = _smallest(flow.candidates(g, together, {}), refinements(flow, layer, together, {}))
    won = np.where(won[:, :1] < 0, smallest[:, None, None], won).astype(np.int64)
    full = {name: arrays.restored(won[:, index]) for index, name in enumerate(program.form.names)}
    mapping = flow.complete(g, mapped_together(layer, bench.cell_designs), bench.cell_prices.bits, full, {})
    shape = (*cells.inner_shape, cells.count)
    return {name: cells.restored(np.broadcast_to(values, shape)) for name, values in mapping.items()}


def _parts(program: Program, arrays: CellArrays, layer: Layer) -> Iterator[tuple[slice, slice, slice, Arrays]]:
    """The search on some cells at a time, and on as many designs of each as a mask has bits."""
    of_cells, (widths, others) = arrays.all(program.form, layer), arrays.inner
    width_step = min(widths, MASK_BITS)
    other_step = MASK_BITS // width_step
    for w, d in product(range(0, widths, width_step), range(0, others, other_step)):
        some, rest = slice(w, w + width_step), slice(d, d + other_step)
        part = of_cells | {
            "widths": of_cells["widths"][:, some], "width_prices": of_cells["width_prices"][..., some],
            "design_prices": of_cells["design_prices"][..., some, rest],
        }  # fmt: skip
        for number, written in enumerate(in_parts(program, part, None)):
            yield slice(number * CELLS_PER_CALL, (number + 1) * CELLS_PER_CALL), some, rest, written


def _smallest(choices: Mapping, tree: Tree) -> IntArray:
    """The first choice with the first value of each open parameter."""
    first = {name: int(values[0]) for name, values in choices.items()}
    for name, options in ((name, options) for group in tree for name, options in group.items()):
        first[name] = options.values[first[options.by] if options.by else 0][0]
    return np.asarray(list(first.values()))
