"""The compiled search on all designs of a bench, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from dse.mapping.compiled.arrays import CellArrays
from dse.mapping.compiled.nest import MASK_BITS
from dse.mapping.compiled.program import CELLS_PER_CALL, Arrays, Program, in_parts
from dse.space import FloatArray
from workloads.layer import Layer

Place = tuple[slice, slice, slice, slice]  # in an array of shape (cells, rows, widths, others)


def parts(
    program: Program, arrays: CellArrays, layer: Layer, pool: FloatArray | None
) -> Iterator[tuple[Place, Arrays]]:
    """What a search writes for some cells at a time, and for as many designs of each as a mask has bits; see
    `Program.run`. `pool`: choices to begin with, or none."""
    of_cells, (widths, others) = arrays.all(program.form, layer), arrays.inner
    width_step = min(widths, MASK_BITS)
    other_step = MASK_BITS // width_step
    for w, d in product(range(0, widths, width_step), range(0, others, other_step)):
        some, rest = slice(w, w + width_step), slice(d, d + other_step)
        part = of_cells | {
            "widths": of_cells["widths"][:, some], "width_prices": of_cells["width_prices"][..., some],
            "design_prices": of_cells["design_prices"][..., some, rest],
        }  # fmt: skip
        for number, written in enumerate(in_parts(program, part, pool)):
            pool = written["pool"]
            yield (slice(number * CELLS_PER_CALL, (number + 1) * CELLS_PER_CALL), slice(None), some, rest), written
